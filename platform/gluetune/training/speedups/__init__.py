"""Exact speed-ups: each makes a model compute the same logits and gradients in less time or memory."""

from gluetune.training.speedups.malloc import FreedMemory
from gluetune.training.speedups.runtime import (
    apply_speedups,
    clone_cudagraph_grads,
    configure_process,
    uses_speedups,
)

__all__ = ["FreedMemory", "apply_speedups", "clone_cudagraph_grads", "configure_process", "uses_speedups"]
