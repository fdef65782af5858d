"""The registry of schedulers, and the schedulers of a search, one per task."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable

from gluetune.config import SchedulerConfig, SearchSpace, TrainingConfig
from gluetune.config.job import SchedulerName
from gluetune.events import TrialRecord
from gluetune.search.schedulers.pruner import NoPruner, Pruner
from gluetune.search.schedulers.stopping_rules import Halving, Median

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
"""Schedulers by name; each is made from its settings, the epochs of the longest trial, and a seed."""


def make_pruner(config: SchedulerConfig, max_epochs: float, seed: int) -> Pruner:
    """Return the scheduler of one task.

    Args:
        config: the name of the scheduler and its settings.
        max_epochs: epochs of the longest trial, from the function `max_epochs`.
        seed: assigns trials to brackets.
    """
    return SCHEDULERS[config.name](config, max_epochs, seed)


def max_epochs(training: TrainingConfig, space: SearchSpace) -> float:
    """Return the epochs of the longest trial of a space; schedulers cannot be combined with ``max_steps``."""
    return space.largest("num_train_epochs", space.resolve(training).num_train_epochs)


class TaskPruners:
    """One scheduler per task, because trials are compared within their task.

    Args:
        tasks: names of the tasks.
        config: the scheduler of each.
        max_epochs: epochs of the longest trial.
        seed: the job's seed.
    """

    def __init__(self, tasks: Iterable[str], config: SchedulerConfig, max_epochs: float, seed: int) -> None:
        self._pruners = {
            task: make_pruner(config, max_epochs, (seed + zlib.crc32(task.encode())) % 2**32) for task in tasks
        }

    def report(self, task: str, number: int, epoch: float, best_score: float | None, warmup: float = 0.0) -> bool:
        """Take note of an evaluation and return whether the trial continues, as `Pruner.report` does for one task."""
        return self._pruners[task].report(number, epoch, best_score, warmup)

    def complete(self, task: str, number: int, epoch: float, best_score: float | None, warmup: float = 0.0) -> None:
        """Take note of the end of a trial, as `Pruner.complete` does for one task."""
        self._pruners[task].complete(number, epoch, best_score, warmup)

    def replay(self, trials: Iterable[TrialRecord]) -> None:
        """Take note of the trials of an earlier session of the search."""
        by_task: dict[str, list[TrialRecord]] = {task: [] for task in self._pruners}
        for trial in trials:
            by_task[trial.task].append(trial)
        for task, own in by_task.items():
            self._pruners[task].replay(own)
