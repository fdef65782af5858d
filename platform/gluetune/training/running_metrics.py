"""Training losses, accuracy and throughput between two evaluations."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from gluetune.errors import DivergedError
from gluetune.training.distributed_context import DistributedContext

_SYNC_EVERY = 16  # steps; reading a loss waits for the GPU, so it is not done in every step


@dataclass(frozen=True)
class TrainingSummary:
    """What was trained between two evaluations.

    Attributes:
        losses: mean of each loss over the steps.
        accuracy: share of the rows that were classified correctly, each by the weights before the step that trained on
            it; ``None`` where correct rows are not counted.
        examples: rows of the global batches.
        tokens: tokens of those rows, without padding.
        started: ``time.monotonic()`` when the first step started, in seconds, moved by the time that is left out.
        seconds: training time.
    """

    losses: tuple[float, ...]
    accuracy: float | None
    examples: int
    tokens: int
    started: float
    seconds: float

    @property
    def ended(self) -> float:
        """``time.monotonic()`` when the last step was done, in seconds."""
        return self.started + self.seconds


class RunningMetrics:
    """Means of the training losses and counters since the last evaluation.

    Losses are collected on the device and read every 16 steps. All workers must make the same calls.

    Args:
        distributed: this worker.
        step: optimizer steps done so far.
        losses: names of the losses, for messages.
    """

    def __init__(self, distributed: DistributedContext, step: int, losses: Sequence[str] = ("loss",)) -> None:
        self._distributed, self._step, self._names = distributed, step, tuple(losses)
        self._losses: list[list[float]] = []
        self._correct: float | None = None
        self._pending: list[torch.Tensor] = []  # still on the device
        self._started = time.monotonic()
        self._examples = 0
        self._tokens = 0
        self._logged = (0, 0, self._started)  # steps, examples and time of the last `progress`

    def add(self, values: torch.Tensor, examples: int, tokens: int) -> None:
        """Count one optimizer step.

        Args:
            values: [losses] or [losses + 1] this worker's part of the losses, whose mean over the workers is that of
                the global batch, and the number of its rows that were classified correctly.
            examples: rows of the global batch.
            tokens: tokens of those rows, without padding.

        Raises:
            DivergedError: a loss of the steps since the last read is not finite.
        """
        self._pending.append(values)
        self._examples += examples
        self._tokens += tokens
        if len(self._pending) == _SYNC_EVERY:
            self._flush()

    def exclude(self, seconds: float) -> None:
        """Leave time in which nothing was trained out of the training time and the throughput."""
        self._started += seconds
        steps, examples, since = self._logged
        self._logged = steps, examples, since + seconds

    def progress(self) -> tuple[float, float]:
        """Wait for the device and summarise the steps since the last call.

        Returns:
            The mean of the first loss, and rows per second.

        Raises:
            DivergedError: a loss is not finite.
        """
        self._flush()
        steps, examples, since = self._logged
        self._logged = (len(self._losses), self._examples, time.monotonic())
        recent = [losses[0] for losses in self._losses[steps:]]
        return math.fsum(recent) / len(recent), (self._examples - examples) / max(self._logged[2] - since, 1e-9)

    @property
    def accuracy(self) -> float | None:
        """Share of the rows that were classified correctly; complete after `progress` or `finish`."""
        return None if self._correct is None else self._correct / self._examples

    def finish(self) -> TrainingSummary:
        """Wait for the device and summarise all steps.

        Raises:
            DivergedError: a loss is not finite.
        """
        self._flush()
        means = tuple(math.fsum(column) / len(column) for column in zip(*self._losses, strict=True))
        seconds = time.monotonic() - self._started
        return TrainingSummary(means, self.accuracy, self._examples, self._tokens, self._started, seconds)

    def _flush(self) -> None:
        if not self._pending:
            return
        count = len(self._names)
        for sums in self._distributed.all_reduce(torch.stack(self._pending)).tolist():
            losses = [value / self._distributed.world_size for value in sums[:count]]
            self._losses.append(losses)
            for correct in sums[count:]:
                self._correct = (self._correct or 0.0) + correct
            if not math.isfinite(sum(losses)):
                values = ", ".join(f"{name}={loss}" for name, loss in zip(self._names, losses, strict=True))
                step = self._step + len(self._losses)
                plural = "es" if count > 1 else ""
                raise DivergedError(f"the training loss{plural} must be finite, but got ({values}, step={step})")
        self._pending.clear()
