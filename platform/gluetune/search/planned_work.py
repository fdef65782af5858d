"""How much a trial of a search trains and evaluates on average, before any has been chosen."""

from __future__ import annotations

import math
from dataclasses import dataclass

from gluetune.config import Choice, Distribution, SearchSpace, TrainingConfig


@dataclass(frozen=True, slots=True)
class TrialWork:
    """The work of a trial.

    Attributes:
        rows: rows that it trains on, each as often as it is trained on.
        evaluations: number of its evaluations.
    """

    rows: float
    evaluations: float


def planned_work(space: SearchSpace, training: TrainingConfig, train_rows: int) -> TrialWork:
    """Return the mean work of the trials of a task, all configurations of its space being equally frequent.

    Args:
        space: the search space; encoders with spaces of their own count equally.
        training: the job's training settings.
        train_rows: number of training rows.
    """
    each = [_work_of_part(part, part.resolve(training), train_rows) for part in space.parts.values()]
    return TrialWork(sum(work.rows for work in each) / len(each), sum(work.evaluations for work in each) / len(each))


def _work_of_part(space: SearchSpace, fixed: TrainingConfig, train_rows: int) -> TrialWork:
    def mean(field: str) -> float:
        return _mean(space.space[field]) if field in space.space else float(getattr(fixed, field))

    if fixed.max_steps is None and "max_steps" not in space.space:
        epochs = mean("num_train_epochs")
    else:
        epochs = mean("max_steps") * mean("batch_size") / train_rows
    return TrialWork(epochs * train_rows, max(1.0, epochs * mean("evals_per_epoch")))


def _mean(distribution: Distribution) -> float:
    """Return the mean of a distribution of numbers."""
    if isinstance(distribution, Choice):
        numbers = [float(value) for value in distribution.values if not isinstance(value, str)]
        return sum(numbers) / len(numbers)
    low, high = float(distribution.low), float(distribution.high)
    return (high - low) / math.log(high / low) if distribution.log and low < high else (low + high) / 2
