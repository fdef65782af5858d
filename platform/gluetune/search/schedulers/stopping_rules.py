"""Asynchronous successive halving, Hyperband, the median stopping rule, and the schedulers of a search's tasks.

These are gluetune's own rather than Ray Tune's. ``AsyncHyperBandScheduler`` assigns brackets by the global, unseeded
``np.random``, lets a trial with a NaN score pass every rung, and cannot be rebuilt from recorded results.
``MedianStoppingRule`` counts an evaluation twice that is reported again after a restart, pauses trials while there are
too few others to compare with, and cannot be rebuilt from recorded results either.
"""

from __future__ import annotations

import bisect
import math
import statistics
import zlib
from collections.abc import Callable, Iterable, Sequence

import numpy as np

from gluetune.config import SchedulerConfig, SearchSpace, TrainingConfig
from gluetune.config.job import SchedulerName
from gluetune.events import TrialRecord
from gluetune.search.schedulers.pruner import TOLERANCE, NoPruner, Pruner

_GOLDEN = (math.sqrt(5) - 1) / 2


class _Bracket:
    """Rungs, and the scores of the trials that reached each.

    Args:
        milestones: epochs of the rungs, rising.
        keep: share of a rung's trials that continue, the reciprocal of the reduction factor.
        min_trials: number of trials that must have reached a rung before another is pruned there.
    """

    def __init__(self, milestones: Sequence[float], keep: float, min_trials: int) -> None:
        self._milestones, self._keep, self._min_trials = milestones, keep, min_trials
        self._scores: list[list[float]] = [[] for _ in milestones]  # negated, rising: best first
        self._reached: dict[int, int] = {}

    def judge(self, number: int, epoch: float, score: float, *, warming: bool) -> bool:
        rung = bisect.bisect_right(self._milestones, epoch + TOLERANCE) - 1
        if rung <= self._reached.get(number, -1):
            return True
        self._reached[number] = rung
        scores = self._scores[rung]
        bisect.insort(scores, -score)
        if warming or len(scores) <= self._min_trials:
            return True
        places = math.ceil(len(scores) * self._keep - TOLERANCE)
        return -score <= scores[places - 1]


def rungs(grace_epochs: float, reduction_factor: float, max_epochs: float) -> list[float]:
    """Return the epochs of the rungs: ``grace_epochs * reduction_factor ** k``, as long as they are below the end.

    Args:
        grace_epochs: epochs of the first rung.
        reduction_factor: ratio of two rungs.
        max_epochs: epochs of the longest trial, at whose end there is nothing left to prune.
    """
    milestones, milestone = [], grace_epochs
    while milestone < max_epochs - TOLERANCE:
        milestones.append(milestone)
        milestone *= reduction_factor
    return milestones


class Halving(Pruner):
    """Prunes a trial at a rung if it is not among the best ``1 / reduction_factor`` of those that reached it so far.

    One bracket is ASHA in its stopping form (Li et al. 2020, A System for Massively Parallel Hyperparameter Tuning): no
    trial waits for others. With several brackets, bracket *s* leaves out the first *s* rungs: asynchronous Hyperband
    (Li et al. 2018, Hyperband, JMLR 18), which hedges against good configurations that start slowly. Trials are divided
    among brackets in the proportion of Hyperband's bracket sizes, by a low-discrepancy sequence over their numbers, so
    that a resumed search puts each trial into the same bracket.

    A trial that is evaluated past several rungs at once enters only the last of them, because its score is not
    comparable with those of earlier ones. A trial that may not be pruned yet (see `Pruner`) enters rungs like all
    others and is pruned at the next one at the earliest; between rungs there are only trials to compare with that were
    not pruned. Scores are compared per bracket, as in Hyperband; with few trials, one bracket therefore prunes more.

    Args:
        grace_epochs: epochs of the first rung.
        reduction_factor: ratio of two rungs, and of the numbers of trials that enter and leave one.
        max_epochs: epochs of the longest trial.
        min_trials: number of trials that must have reached a rung before another is pruned there.
        brackets: maximum number of brackets; there are at most one more than rungs.
        seed: start of the sequence over trial numbers.
    """

    def __init__(
        self,
        grace_epochs: float,
        reduction_factor: float,
        max_epochs: float,
        min_trials: int,
        brackets: int = 1,
        seed: int = 0,
    ) -> None:
        super().__init__()
        milestones = rungs(grace_epochs, reduction_factor, max_epochs)
        last = len(milestones)
        skips = range(min(brackets, last + 1))
        self._brackets = [_Bracket(milestones[skip:], 1 / reduction_factor, min_trials) for skip in skips]
        sizes = [math.ceil((last + 1) / (last - skip + 1) * reduction_factor ** (last - skip)) for skip in skips]
        self._bounds = np.cumsum(sizes) / sum(sizes)
        self._start = np.random.default_rng(seed).random()

    def _judge(self, number: int, epoch: float, score: float, *, warming: bool) -> bool:
        place = (self._start + number * _GOLDEN) % 1.0
        bracket = min(int(np.searchsorted(self._bounds, place, side="right")), len(self._brackets) - 1)
        return self._brackets[bracket].judge(number, epoch, score, warming=warming)


class _Curve:
    """A trial's evaluations: their epochs, and running sums of its best score so far."""

    def __init__(self) -> None:
        self.epochs: list[float] = []
        self._sums = [0.0]

    def add(self, epoch: float, score: float) -> None:
        self.epochs.append(epoch)
        self._sums.append(self._sums[-1] + score)

    def mean(self, epoch: float) -> float:
        """Mean over the evaluations up to an epoch, of which there is at least one."""
        count = bisect.bisect_right(self.epochs, epoch + TOLERANCE)
        return self._sums[count] / count


class Median(Pruner):
    """Prunes a trial if its best score is below the median of the other trials' running averages at the same epoch.

    Golovin et al. 2017, Google Vizier, section 3.2.2. The others are all trials that have trained as many epochs, ended
    or not, because lanes work in parallel. Averages are of the best score so far, from the end of the grace period.

    Args:
        grace_epochs: epochs before which no score counts and no trial is pruned.
        max_epochs: epochs of the longest trial, at whose end there is nothing left to prune.
        min_trials: number of other trials that must have trained as many epochs.
    """

    def __init__(self, grace_epochs: float, max_epochs: float, min_trials: int) -> None:
        super().__init__()
        self._grace_epochs, self._max_epochs, self._min_trials = grace_epochs, max_epochs, min_trials
        self._curves: dict[int, _Curve] = {}

    def _judge(self, number: int, epoch: float, score: float, *, warming: bool) -> bool:
        if epoch < self._grace_epochs - TOLERANCE:
            return True
        others = [
            curve.mean(epoch)
            for curve in self._curves.values()  # the trial's own curve ends before this epoch
            if curve.epochs[0] <= epoch + TOLERANCE and curve.epochs[-1] >= epoch - TOLERANCE
        ]
        self._curves.setdefault(number, _Curve()).add(epoch, score)
        if warming or len(others) < self._min_trials or epoch >= self._max_epochs - TOLERANCE:
            return True
        return score >= statistics.median(others)


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
    return max(
        part.largest("num_train_epochs", part.resolve(training).num_train_epochs) for part in space.parts.values()
    )


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
