"""The place of one worker process among those that train a trial together, and its collectives and precision."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, Literal

import torch
import torch.distributed
from torch import nn
from torch.nn.parallel import DistributedDataParallel


@dataclass(frozen=True)
class DistributedContext:
    """Rank, world size and device of one worker, and the collectives that training needs.

    Where ``world_size`` is more than one, the caller must have initialised ``torch.distributed``.

    Attributes:
        rank: rank of this worker, from 0.
        world_size: number of workers that train the trial.
        device: torch device of this worker, such as ``cpu`` or ``cuda:0``.
    """

    rank: int = 0
    world_size: int = 1
    device: str = "cpu"

    @property
    def cuda(self) -> bool:
        """Whether the device is a GPU."""
        return bool(torch.device(self.device).type == "cuda")

    @property
    def pad_to_multiple_of(self) -> int:
        """Number that the padded length of a batch is a multiple of: 8 on a GPU (for its tensor cores), else 1."""
        return 8 if self.cuda else 1

    def all_reduce(self, tensor: torch.Tensor) -> torch.Tensor:
        """Sum a tensor over all workers, in place; every worker must call it and gets the same bits."""
        if self.world_size > 1:
            torch.distributed.all_reduce(tensor)
        return tensor

    def all_gather(self, value: dict[str, torch.Tensor]) -> list[dict[str, torch.Tensor]]:
        """Collect the values of all workers, sorted by rank; every worker must call it."""
        if self.world_size == 1:
            return [value]
        values: list[dict[str, torch.Tensor]] = [{} for _ in range(self.world_size)]
        torch.distributed.all_gather_object(values, value)
        return values

    def rng_states(self) -> list[dict[str, torch.Tensor]]:
        """States of torch's random generators of all workers, sorted by rank; every worker must call it.

        Returns:
            One dictionary per worker: its ``cpu`` generator and, on a GPU, its ``cuda`` generator.
        """
        states = {"cpu": torch.get_rng_state()}
        if self.cuda:
            states["cuda"] = torch.cuda.get_rng_state(self.device)
        return self.all_gather(states)

    def set_rng_state(self, states: list[dict[str, torch.Tensor]]) -> None:
        """Set this worker's random generators to its entry of `rng_states`.

        A worker whose rank had no entry, because fewer workers saved the states, keeps its generators as they are.
        """
        if self.rank < len(states):
            torch.set_rng_state(states[self.rank]["cpu"])
            if self.cuda and "cuda" in states[self.rank]:
                torch.cuda.set_rng_state(states[self.rank]["cuda"], self.device)


def to_device(batch: Mapping[str, torch.Tensor], distributed: DistributedContext) -> dict[str, torch.Tensor]:
    """Copy a batch to the worker's device; copies to a GPU run asynchronously, from pinned memory."""
    if not distributed.cuda:
        return dict(batch)
    return {name: tensor.pin_memory().to(distributed.device, non_blocking=True) for name, tensor in batch.items()}


def wrap_ddp(module: nn.Module, distributed: DistributedContext) -> nn.Module:
    """Wrap a module in ``DistributedDataParallel``, which averages gradients over the workers.

    Args:
        module: on the worker's device. It must not change its buffers in training: they are not broadcast.
        distributed: this worker.

    Returns:
        The wrapped module; with a single worker, the module itself.
    """
    if distributed.world_size == 1:
        return module
    devices = [torch.device(distributed.device)] if distributed.cuda else None
    return DistributedDataParallel(module, device_ids=devices, broadcast_buffers=False, gradient_as_bucket_view=True)


def no_sync(module: nn.Module) -> AbstractContextManager[Any]:
    """Context in which a module from `wrap_ddp` accumulates gradients and does not exchange them."""
    return module.no_sync() if isinstance(module, DistributedDataParallel) else nullcontext()


def use_bf16(setting: Literal["auto"] | bool, distributed: DistributedContext) -> bool:
    """Decide whether to compute in bfloat16.

    Args:
        setting: ``auto`` is ``True`` on GPUs with bfloat16 in hardware (compute capability 8.0 and later), else
            ``False``.
        distributed: this worker.
    """
    if setting == "auto":
        return distributed.cuda and torch.cuda.get_device_capability(distributed.device) >= (8, 0)
    return setting


def mixed_precision(distributed: DistributedContext, bf16: bool) -> AbstractContextManager[object]:
    """Context of mixed precision: forward passes in bfloat16 where ``bf16`` is set; weights and losses stay fp32."""
    return torch.autocast("cuda" if distributed.cuda else "cpu", torch.bfloat16) if bf16 else nullcontext()
