"""What a trial did since its last evaluation."""

from __future__ import annotations

import math
import time

import numpy as np
import torch

from gluetune.errors import DivergedError
from gluetune.training.distributed import DistributedContext

_READ_EVERY = 16  # steps; reading a loss waits for the GPU, so it is not done in every step


class Window:
    """Losses and counters between two evaluations.

    Args:
        distributed: this worker.
        step: optimizer steps done before the window.
    """

    def __init__(self, distributed: DistributedContext, step: int) -> None:
        self._distributed, self._step = distributed, step
        self._losses: list[float] = []
        self._right = 0.0
        self._unread: list[torch.Tensor] = []  # still on the device
        self.began = time.monotonic()
        self.examples = 0
        self.tokens = 0
        self._logged = (0, 0, self.began)  # steps, examples and time of the last log

    def add(self, loss: torch.Tensor, right: torch.Tensor, lengths: np.ndarray) -> None:
        """Counts one optimizer step.

        Args:
            loss: this worker's part of the step's loss, such that the workers' mean is the global batch's loss.
            right: number of this worker's rows that were answered rightly.
            lengths: token counts of the global batch's rows.

        Raises:
            DivergedError: one of the steps since the last look has a loss that is not finite.
        """
        self._unread.append(torch.stack((loss, right)))
        self.examples += len(lengths)
        self.tokens += int(lengths.sum())
        if len(self._unread) == _READ_EVERY:
            self._read()

    def pause(self, seconds: float) -> None:
        """Takes time out of the window in which nothing was trained."""
        self.began += seconds
        steps, examples, then = self._logged
        self._logged = steps, examples, then + seconds

    @property
    def accuracy(self) -> float:
        """Share of the rows read so far that were answered rightly."""
        return self._right / self.examples

    def progress(self) -> tuple[float, float]:
        """Waits for the device; mean loss and examples per second since the last call. All workers must call it.

        Raises:
            DivergedError: see `add`.
        """
        self._read()
        steps, examples, then = self._logged
        self._logged = (len(self._losses), self.examples, time.monotonic())
        recent = self._losses[steps:]
        return math.fsum(recent) / len(recent), (self.examples - examples) / max(self._logged[2] - then, 1e-9)

    def close(self) -> tuple[float, float]:
        """Waits for the device and returns the mean loss of the window's steps and the window's seconds.

        Raises:
            DivergedError: see `add`.
        """
        self._read()
        return math.fsum(self._losses) / len(self._losses), time.monotonic() - self.began

    def _read(self) -> None:
        if not self._unread:
            return
        for loss, right in self._distributed.all_reduce(torch.stack(self._unread)).tolist():
            self._losses.append(loss / self._distributed.world_size)
            self._right += right
            if not math.isfinite(loss):
                step = self._step + len(self._losses)
                raise DivergedError(f"the training loss must be finite, but got (loss={loss}, step={step})")
        self._unread.clear()
