"""Who trains, and what is told of it."""

from __future__ import annotations

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


@dataclass(frozen=True)
class Evaluation:
    """One evaluation on the selection rows; fields as in `gluetune.records.Evaluated`.

    Attributes:
        index: 1-based.
        step: optimizer steps done.
        epoch: passes over the training rows done.
        score: the task's primary metric.
        metrics: all of the task's metrics.
        eval_loss: mean loss of the selection rows.
        train_loss: mean of the steps' losses since the last evaluation.
        learning_rate: the head's, in the last step.
        train_seconds, train_examples, train_tokens: since the last evaluation; tokens without padding, all workers'.
        eval_seconds: what this evaluation took.
        first_step_at: ``time.monotonic()`` when the first step began; only in the first evaluation of a
            `fine_tune` call, else ``None``.
        last_step_at: ``time.monotonic()`` when the last step was done.
    """

    index: int
    step: int
    epoch: float
    score: float
    metrics: dict[str, float]
    eval_loss: float
    train_loss: float
    learning_rate: float
    train_seconds: float
    eval_seconds: float
    train_examples: int
    train_tokens: int
    first_step_at: float | None
    last_step_at: float
