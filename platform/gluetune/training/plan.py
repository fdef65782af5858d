"""The plan of a trial's steps: batches, evaluations, and how often rows of rare classes are drawn."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from gluetune.config import TrainingConfig
from gluetune.data import length_grouped_batches
from gluetune.data.examples import Labels


@dataclass(frozen=True)
class StepPlan:
    """Steps of one trial: a pure function of rows, configuration and seed, so a resume needs the step alone.

    Attributes:
        lengths: ``[rows]`` token counts of the training rows.
        batch_size: rows per step, over all workers.
        seed: seed of the data order.
        per_epoch: steps of one pass over the rows.
        total: steps of the trial.
        evaluations: numbers of steps after which the trial is evaluated; the last step is among them.
        shares: ``[rows]`` probability of each row, where an epoch draws as many rows as there are with replacement;
            ``None`` where each row occurs once in an epoch.
    """

    lengths: np.ndarray
    batch_size: int
    seed: int
    per_epoch: int
    total: int
    evaluations: frozenset[int]
    shares: NDArray[np.float64] | None = field(default=None, compare=False)

    @classmethod
    def make(cls, lengths: np.ndarray, training: TrainingConfig, seed: int, labels: Labels | None = None) -> StepPlan:
        """Plan a trial.

        Args:
            lengths: ``[rows]`` token counts of the training rows.
            training: hyperparameters; ``max_steps`` takes precedence over ``num_train_epochs``.
            seed: seed of the data order.
            labels: labels of the training rows, which the sampler ``balanced`` needs.
        """
        per_epoch = len(length_grouped_batches(lengths, training.batch_size, seed, 0))
        total = training.max_steps or math.ceil(training.num_train_epochs * per_epoch)
        count = math.ceil(total * training.evals_per_epoch / per_epoch)
        steps = (math.ceil(k * per_epoch / training.evals_per_epoch) for k in range(1, count + 1))
        evaluations = frozenset(min(step, total) for step in steps)
        shares = None if labels is None or training.sampler == "shuffle" else balanced_shares(labels)
        return cls(lengths, training.batch_size, seed, per_epoch, total, evaluations, shares)

    def batches(self, step: int = 0) -> Iterator[np.ndarray]:
        """Yield the row numbers of the global batches of the remaining steps.

        Args:
            step: number of steps done.
        """
        while step < self.total:
            epoch, done = divmod(step, self.per_epoch)
            batches = length_grouped_batches(self.lengths, self.batch_size, self.seed, epoch, shares=self.shares)
            batches = batches[done : done + self.total - step]
            yield from batches
            step += len(batches)


def balanced_shares(labels: Labels) -> NDArray[np.float64]:
    """Return the probability of each row with which all classes are drawn equally often.

    A row of a multi-label task is drawn as often as one of the rarest class that it has; rows without a label form a
    class of their own.

    Args:
        labels: [rows] class ids, or [rows, classes] 0 and 1.

    Returns:
        [rows] probabilities that add up to 1.
    """
    if labels.ndim == 1:
        rows = np.bincount(labels)[labels].astype(np.float64)
    else:
        inside = labels > 0
        none = ~inside.any(axis=1)
        counts = np.where(inside, inside.sum(axis=0), len(labels))
        rows = np.where(none, none.sum(), counts.min(axis=1)).astype(np.float64)
    weights = 1 / rows
    shares: NDArray[np.float64] = weights / weights.sum()
    return shares
