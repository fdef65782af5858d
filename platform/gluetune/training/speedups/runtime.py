"""Chooses the exact speed-ups of a model, and adapts the runtime: the allocator of the CPU, CUDA graphs."""

from __future__ import annotations

import ctypes
import sys

import torch
from transformers import PreTrainedModel

from gluetune.config import TrainingConfig
from gluetune.training.distributed_context import DistributedContext
from gluetune.training.speedups.cpu_dropout import use_fast_cpu_dropout
from gluetune.training.speedups.padding_free import use_cls_only_last_layer, use_padding_free

_RECOMPILE_LIMIT = 256  # compiled variants that a lane keeps, for each head, dropout rate and number of frozen layers
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # parameters of mallopt, from glibc's malloc.h
_KEPT_BYTES = 2**30
_OLD_GLIBC_KEPT_BYTES = 2**25  # largest mmap threshold that older glibc accepts


def apply_speedups(model: PreTrainedModel, training: TrainingConfig, distributed: DistributedContext) -> None:
    """Makes a model compute the same results in less time.

    Args:
        model: model on ``distributed.device``; changed in place.
        training: says whether to compile the model.
        distributed: this worker.
    """
    if distributed.cuda:
        torch.backends.cuda.enable_cudnn_sdp(False)  # it plans for every new batch shape: a seventh of a step's time
    else:
        configure_malloc()
    if training.torch_compile:  # the compiler fuses torch's own dropout and attention better than the CPU variants
        use_cls_only_last_layer(model)
        if hasattr(torch.compiler.config, "recompile_limit"):  # public in newer versions of torch
            torch.compiler.config.recompile_limit = _RECOMPILE_LIMIT
        model.compile(dynamic=True, mode=training.torch_compile_mode)  # one compilation for batches of all sizes
        return
    if not distributed.cuda:
        use_fast_cpu_dropout(model)
        use_padding_free(model)
    use_cls_only_last_layer(model)


def clone_cudagraph_grads(model: PreTrainedModel) -> None:
    """Copies gradients out of the memory of CUDA graphs, which the graphs of the next micro-batch overwrite."""
    for parameter in model.parameters():
        if parameter.grad is not None:
            parameter.grad = parameter.grad.clone()


def configure_malloc() -> None:
    """Makes glibc's malloc keep up to 1 GiB of freed memory for the next training step.

    By default glibc returns large blocks to the kernel, which hands them out again page by page, zeroed. With an
    encoder of MiniLM's size these are 20,000 page faults per training step, a twentieth of its time. Threads other
    than the first keep blocks of up to some 60 MB only. Other C libraries are not changed.
    """
    if sys.platform != "linux":
        return
    library = ctypes.CDLL(None)
    if not hasattr(library, "mallopt"):
        return
    # If neither value is accepted, glibc's own moving threshold stays in force.
    if library.mallopt(_MMAP_THRESHOLD, _KEPT_BYTES) or library.mallopt(_MMAP_THRESHOLD, _OLD_GLIBC_KEPT_BYTES):
        library.mallopt(_TRIM_THRESHOLD, _KEPT_BYTES)
