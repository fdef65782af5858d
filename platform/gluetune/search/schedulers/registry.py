"""The schedulers by name, and one per task."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable

from gluetune.config import SchedulerConfig, SearchSpace, TrainingConfig
from gluetune.config.job import SchedulerName
from gluetune.events import TrialRecord
from gluetune.search.schedulers.halving import Halving
from gluetune.search.schedulers.median import Median
from gluetune.search.schedulers.pruner import NoPruner, Pruner

SCHEDULERS: dict[SchedulerName, Callable[[SchedulerConfig, float, int], Pruner]] = {
    "none": lambda config, epochs, seed: NoPruner(),
    "asha": lambda config, epochs, seed: Halving(
        config.grace_epochs, config.reduction_factor, epochs, config.min_trials
    ),
    "hyperband": lambda config, epochs, seed: Halving(
        config.grace_epochs, config.reduction_factor, epochs, config.min_trials, config.brackets, seed
    ),
    "median": lambda config, epochs, seed: Median(config.grace_epochs, epochs, config.min_trials),
}


def open_pruner(config: SchedulerConfig, max_epochs: float, seed: int) -> Pruner:
    """Makes the scheduler of one task.

    Args:
        config: which one, and its settings.
        max_epochs: what the longest trial trains, see `max_epochs`.
        seed: assigns trials to brackets.
    """
    return SCHEDULERS[config.name](config, max_epochs, seed)


def max_epochs(training: TrainingConfig, space: SearchSpace) -> float:
    """Epochs of the longest trial that a space allows; schedulers do not go with ``max_steps``."""
    return space.largest("num_train_epochs", space.resolve(training).num_train_epochs)


class TaskPruners:
    """One scheduler per task: trials are compared within their task only.

    Args:
        tasks: task names.
        config: the scheduler of each.
        max_epochs: what the longest trial trains.
        seed: the search's seed.
    """

    def __init__(self, tasks: Iterable[str], config: SchedulerConfig, max_epochs: float, seed: int) -> None:
        self._pruners = {
            task: open_pruner(config, max_epochs, (seed + zlib.crc32(task.encode())) % 2**32) for task in tasks
        }

    def evaluated(self, task: str, number: int, epoch: float, best_score: float | None, warmup: float = 0.0) -> bool:
        """Takes note of an evaluation and answers whether the trial may go on."""
        return self._pruners[task].evaluated(number, epoch, best_score, warmup)

    def ended(self, task: str, number: int, epoch: float, best_score: float | None, warmup: float = 0.0) -> None:
        """Takes note of a trial's end."""
        self._pruners[task].ended(number, epoch, best_score, warmup)

    def replay(self, trials: Iterable[TrialRecord]) -> None:
        """Takes over the trials of an earlier run of the search."""
        by_task: dict[str, list[TrialRecord]] = {task: [] for task in self._pruners}
        for trial in trials:
            by_task[trial.task].append(trial)
        for task, own in by_task.items():
            self._pruners[task].replay(own)
