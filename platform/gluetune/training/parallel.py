"""What a model needs to be trained by several workers, and in the GPU's own precision."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any, Literal

import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from gluetune.training.distributed import DistributedContext


def parallel(module: nn.Module, distributed: DistributedContext) -> nn.Module:
    """A module whose gradients are the mean over the workers; with a single worker, the module itself."""
    if distributed.world_size == 1:
        return module
    devices = [torch.device(distributed.device)] if distributed.cuda else None
    # No buffer of an encoder changes in training, so none needs to be sent around.
    return DistributedDataParallel(module, device_ids=devices, broadcast_buffers=False, gradient_as_bucket_view=True)


def unsynced(module: nn.Module) -> AbstractContextManager[Any]:
    """A context in which gradients of a `parallel` module are added up but not exchanged."""
    return module.no_sync() if isinstance(module, DistributedDataParallel) else nullcontext()


def use_bf16(setting: Literal["auto"] | bool, distributed: DistributedContext) -> bool:
    """Whether to compute in bfloat16; ``auto`` where the GPU has it in hardware (compute capability 8.0 and later)."""
    if setting == "auto":
        return distributed.cuda and torch.cuda.get_device_capability(distributed.device) >= (8, 0)
    return setting
