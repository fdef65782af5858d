"""Training losses, accuracy and throughput between two evaluations."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence

import torch

from gluetune.errors import DivergedError
from gluetune.training.distributed_context import DistributedContext

_SYNC_EVERY = 16  # steps; reading a loss waits for the GPU, so it is not done in every step


class RunningMetrics:
    """Means of the training losses and counters since the last evaluation.

    Losses are collected on the device and read every 16 steps. All workers must make the same calls.

    Args:
        distributed: this worker.
        step: optimizer steps done so far.
        losses: names of the losses, for messages.

    Attributes:
        started: ``time.monotonic()`` when the first step started, in seconds, moved by `exclude`.
        examples: rows of the global batches so far.
        tokens: tokens of those rows, without padding.
    """

    def __init__(self, distributed: DistributedContext, step: int, losses: Sequence[str] = ("loss",)) -> None:
        self._distributed, self._step, self._names = distributed, step, tuple(losses)
        self._losses: list[list[float]] = []
        self._correct = 0.0
        self._pending: list[torch.Tensor] = []  # still on the device
        self.started = time.monotonic()
        self.examples = 0
        self.tokens = 0
        self._logged = (0, 0, self.started)  # steps, examples and time of the last `progress`

    def add(self, losses: torch.Tensor, examples: int, tokens: int, correct: torch.Tensor | None = None) -> None:
        """Counts one optimizer step.

        Args:
            losses: [losses] this worker's part of the losses; the mean over the workers is that of the global batch.
            examples: rows of the global batch.
            tokens: tokens of those rows, without padding.
            correct: scalar, number of this worker's rows that were classified correctly.

        Raises:
            DivergedError: a loss of the steps since the last read is not finite.
        """
        self._pending.append(losses if correct is None else torch.cat((losses, correct[None])))
        self.examples += examples
        self.tokens += tokens
        if len(self._pending) == _SYNC_EVERY:
            self._flush()

    def exclude(self, seconds: float) -> None:
        """Leaves time in which nothing was trained out of the training time and the throughput."""
        self.started += seconds
        steps, examples, since = self._logged
        self._logged = steps, examples, since + seconds

    @property
    def accuracy(self) -> float:
        """Share of the rows that were classified correctly; complete after `progress` or `finish`."""
        return self._correct / self.examples

    def progress(self) -> tuple[float, float]:
        """Waits for the device and summarises the steps since the last call.

        Returns:
            The mean of the first loss, and rows per second.

        Raises:
            DivergedError: a loss is not finite.
        """
        self._flush()
        steps, examples, since = self._logged
        self._logged = (len(self._losses), self.examples, time.monotonic())
        recent = [losses[0] for losses in self._losses[steps:]]
        return math.fsum(recent) / len(recent), (self.examples - examples) / max(self._logged[2] - since, 1e-9)

    def finish(self) -> tuple[list[float], float]:
        """Waits for the device and summarises all steps.

        Returns:
            The mean of each loss, and the training time in seconds.

        Raises:
            DivergedError: a loss is not finite.
        """
        self._flush()
        means = [math.fsum(column) / len(column) for column in zip(*self._losses, strict=True)]
        return means, time.monotonic() - self.started

    def _flush(self) -> None:
        if not self._pending:
            return
        count = len(self._names)
        for sums in self._distributed.all_reduce(torch.stack(self._pending)).tolist():
            losses = [value / self._distributed.world_size for value in sums[:count]]
            self._losses.append(losses)
            self._correct += sum(sums[count:])
            if not math.isfinite(sum(losses)):
                values = ", ".join(f"{name}={loss}" for name, loss in zip(self._names, losses, strict=True))
                step = self._step + len(self._losses)
                plural = "es" if count > 1 else ""
                raise DivergedError(f"the training loss{plural} must be finite, but got ({values}, step={step})")
        self._pending.clear()
