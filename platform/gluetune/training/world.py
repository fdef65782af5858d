"""Who trains."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
import torch.distributed


@dataclass(frozen=True)
class World:
    """One worker's place among those that train a trial together.

    ``torch.distributed`` is initialised by the caller where ``size`` is more than one.

    Attributes:
        rank: this worker, from 0.
        size: number of workers.
        device: torch device of this worker, such as ``cpu`` or ``cuda:0``.
    """

    rank: int = 0
    size: int = 1
    device: str = "cpu"

    @property
    def cuda(self) -> bool:
        """Whether the device is a GPU."""
        return bool(torch.device(self.device).type == "cuda")

    @property
    def width(self) -> int:
        """What the length of batches is a multiple of: GPUs multiply matrices of such sizes fastest."""
        return 8 if self.cuda else 1

    def sum(self, tensor: torch.Tensor) -> torch.Tensor:
        """Sums a tensor over all workers, in place; every worker gets the same bits."""
        if self.size > 1:
            torch.distributed.all_reduce(tensor)
        return tensor

    def gather(self, value: dict[str, torch.Tensor]) -> list[dict[str, torch.Tensor]]:
        """Every worker's value, by rank."""
        if self.size == 1:
            return [value]
        values: list[dict[str, torch.Tensor]] = [{} for _ in range(self.size)]
        torch.distributed.all_gather_object(values, value)
        return values


def to_device(batch: Mapping[str, torch.Tensor], world: World) -> dict[str, torch.Tensor]:
    """Copies a batch to the worker's device without waiting for it."""
    if not world.cuda:
        return dict(batch)
    return {name: tensor.pin_memory().to(world.device, non_blocking=True) for name, tensor in batch.items()}
