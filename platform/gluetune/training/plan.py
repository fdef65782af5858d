"""Schedule of a trial: the rows of every optimizer step, and the steps after which the trial is evaluated."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from gluetune.config import TrainingConfig
from gluetune.data import length_grouped_batches


@dataclass(frozen=True)
class StepPlan:
    """Steps of one trial: a pure function of lengths, configuration and seed, so a resume needs the step alone.

    Attributes:
        lengths: ``[rows]`` token counts of the training rows.
        batch_size: rows per step, over all workers.
        seed: seed of the data order.
        per_epoch: steps of one pass over the rows.
        total: steps of the trial.
        evaluations: numbers of steps after which the trial is evaluated; the last step is among them.
    """

    lengths: np.ndarray
    batch_size: int
    seed: int
    per_epoch: int
    total: int
    evaluations: frozenset[int]

    @classmethod
    def make(cls, lengths: np.ndarray, training: TrainingConfig, seed: int) -> StepPlan:
        """Plans a trial.

        Args:
            lengths: ``[rows]`` token counts of the training rows.
            training: hyperparameters; ``max_steps`` takes precedence over ``num_train_epochs``.
            seed: seed of the data order.
        """
        per_epoch = len(length_grouped_batches(lengths, training.batch_size, seed, 0))
        total = training.max_steps or math.ceil(training.num_train_epochs * per_epoch)
        count = math.ceil(total * training.evals_per_epoch / per_epoch)
        steps = (math.ceil(k * per_epoch / training.evals_per_epoch) for k in range(1, count + 1))
        return cls(lengths, training.batch_size, seed, per_epoch, total, frozenset(min(step, total) for step in steps))

    def until_next(self, step: int) -> int:
        """Number of steps from ``step`` to the next evaluation; 0 after the last one."""
        return min((other for other in self.evaluations if other > step), default=step) - step

    def batches(self, step: int = 0) -> Iterator[np.ndarray]:
        """Yields the row numbers of the global batches of the remaining steps.

        Args:
            step: number of steps done.
        """
        while step < self.total:
            epoch, done = divmod(step, self.per_epoch)
            batches = length_grouped_batches(self.lengths, self.batch_size, self.seed, epoch)
            batches = batches[done : done + self.total - step]
            yield from batches
            step += len(batches)
