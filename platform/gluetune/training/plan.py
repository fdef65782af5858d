"""Which rows every optimizer step trains on, and after which steps the trial is evaluated."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from gluetune.config import TrainingConfig
from gluetune.data import length_grouped_batches


@dataclass(frozen=True)
class StepPlan:
    """The steps of one trial: a pure function of lengths, configuration and seed, so a resume finds its place by step.

    Attributes:
        lengths: ``[rows]`` token counts of the training rows.
        batch_size: rows of a step, over all workers.
        seed: of the data order.
        per_epoch: steps of one pass over the rows.
        total: steps of the trial.
        evaluations: numbers of steps after which the trial is evaluated; the last one is among them.
    """

    lengths: np.ndarray
    batch_size: int
    seed: int
    per_epoch: int
    total: int
    evaluations: frozenset[int]

    @classmethod
    def make(cls, lengths: np.ndarray, training: TrainingConfig, seed: int) -> StepPlan:
        """Plans a trial; ``max_steps`` goes before ``num_train_epochs``."""
        per_epoch = len(length_grouped_batches(lengths, training.batch_size, seed, 0))
        total = training.max_steps or math.ceil(training.num_train_epochs * per_epoch)
        count = math.ceil(total * training.evals_per_epoch / per_epoch)
        steps = (math.ceil(k * per_epoch / training.evals_per_epoch) for k in range(1, count + 1))
        return cls(lengths, training.batch_size, seed, per_epoch, total, frozenset(min(step, total) for step in steps))

    def until_next(self, step: int) -> int:
        """Steps from one evaluation to the next; 0 after the last."""
        return min((other for other in self.evaluations if other > step), default=step) - step

    def batches(self, step: int = 0) -> Iterator[np.ndarray]:
        """Global batches of row numbers, from the one that follows ``step`` done steps to the trial's last."""
        while step < self.total:
            epoch, done = divmod(step, self.per_epoch)
            batches = length_grouped_batches(self.lengths, self.batch_size, self.seed, epoch)[
                done : done + self.total - step
            ]
            yield from batches
            step += len(batches)
