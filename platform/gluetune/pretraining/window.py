"""What a run did since its last evaluation."""

from __future__ import annotations

import math
import time

import torch

from gluetune.errors import DivergedError
from gluetune.pretraining.batches import Batch
from gluetune.training.distributed import DistributedContext

_READ_EVERY = 16  # steps; reading a loss waits for the GPU, so it is not done in every step


class Window:
    """Both losses and the counters between two evaluations.

    Args:
        distributed: this worker.
        step: optimizer steps done before the window.
    """

    def __init__(self, distributed: DistributedContext, step: int) -> None:
        self._distributed, self._step = distributed, step
        self._losses: list[list[float]] = []
        self._unread: list[torch.Tensor] = []  # still on the device
        self.began = time.monotonic()
        self.pairs = 0
        self.tokens = 0

    def add(self, losses: torch.Tensor, batch: Batch) -> None:
        """Counts one optimizer step.

        Args:
            losses: this worker's part of both losses, such that the workers' mean is the global batch's.
            batch: the global batch.

        Raises:
            DivergedError: one of the steps since the last look has a loss that is not finite.
        """
        self._unread.append(losses)
        self.pairs += len(batch)
        self.tokens += batch.tokens
        if len(self._unread) == _READ_EVERY:
            self._read()

    def close(self) -> tuple[float, float, float]:
        """Waits for the device and returns the steps' mean losses and the window's seconds.

        Raises:
            DivergedError: see `add`.
        """
        self._read()
        masked_lm, next_sentence = (math.fsum(column) / len(column) for column in zip(*self._losses, strict=True))
        return masked_lm, next_sentence, time.monotonic() - self.began

    def _read(self) -> None:
        if not self._unread:
            return
        for losses in (self._distributed.all_reduce(torch.stack(self._unread)) / self._distributed.world_size).tolist():
            self._losses.append(losses)
            if not math.isfinite(sum(losses)):
                raise DivergedError(
                    "the training losses must be finite, but got "
                    f"(masked_lm={losses[0]}, next_sentence={losses[1]}, "
                    f"step={self._step + len(self._losses)})"
                )
        self._unread.clear()
