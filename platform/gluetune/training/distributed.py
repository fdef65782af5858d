"""The place of one worker process among those that train a trial together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
import torch.distributed


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
        """Sums a tensor over all workers, in place; every worker gets the same bits."""
        if self.world_size > 1:
            torch.distributed.all_reduce(tensor)
        return tensor

    def all_gather(self, value: dict[str, torch.Tensor]) -> list[dict[str, torch.Tensor]]:
        """Collects the values of all workers, sorted by rank; every worker must call it and gets them all."""
        if self.world_size == 1:
            return [value]
        values: list[dict[str, torch.Tensor]] = [{} for _ in range(self.world_size)]
        torch.distributed.all_gather_object(values, value)
        return values


def to_device(batch: Mapping[str, torch.Tensor], distributed: DistributedContext) -> dict[str, torch.Tensor]:
    """Copies a batch to the worker's device; copies to a GPU run asynchronously."""
    if not distributed.cuda:
        return dict(batch)
    return {name: tensor.pin_memory().to(distributed.device, non_blocking=True) for name, tensor in batch.items()}
