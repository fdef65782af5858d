"""Comparison 10: the share of a grid that a search trains until it has found a score as good as the grid's best.

Searches in grids whose trials were all trained and recorded beforehand (`benchmarks.learning_curves`).
gluetune's own `TrialSampler` and `TaskPruners` decide, called as `SearchController` calls them (which prefetches no
trial where choosing one takes so little time); only the lanes are simulated, by a clock on which an epoch takes one
unit of time.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from benchmarks.comparison import GLUETUNE, BenchmarkConfig, Comparison, Contender, Figure, Target
from benchmarks.learning_curves import Curves, Point, recorded_curves
from gluetune.config import Algorithm, SchedulerConfig, TrainingConfig
from gluetune.config.job import SchedulerName
from gluetune.events import TrialStatus
from gluetune.search.schedulers import TaskPruners, max_epochs, warmup_epochs
from gluetune.search.searchers import TrialSampler, TrialSpec

WITHIN = 0.005  # half a point of a score in percent
SEEDS = range(10)
LANES = 2  # as in jobs that do not say otherwise
RESAMPLES = 10_000


class _Lanes:
    """One search on simulated lanes.

    Args:
        curves: the grid.
        sampler: chooses its points.
        pruners: stop trials.
        lanes: trials at the same time.
    """

    def __init__(self, curves: Curves, sampler: TrialSampler, pruners: TaskPruners, lanes: int) -> None:
        self._curves, self._sampler, self._pruners, self._lanes = curves, sampler, pruners, lanes
        self._ends: list[tuple[int, int]] = []  # when an epoch ends, and of which trial
        self._trials: dict[int, tuple[Point, list[float]]] = {}  # by number: the point, and its scores so far
        self._warmups: dict[int, float] = {}  # epochs, by number
        self.epochs = 0  # begun, running ones included

    def until(self, target: float) -> int | None:
        """Return the epochs begun when a score first reaches the target; ``None`` where none does."""
        now = 0
        while self._fill(now):
            now, number = heapq.heappop(self._ends)
            point, scores = self._trials[number]
            if len(scores) == len(self._curves.scores[point]):  # no score comes from this epoch
                self._end(number, TrialStatus.DIVERGED)
                continue
            scores.append(self._curves.scores[point][len(scores)])
            if scores[-1] >= target:
                return self.epochs - sum(end > now for end, _ in self._ends)  # those begin only now
            self._evaluated(number, now)
        return None

    def _fill(self, now: int) -> bool:
        """Start a trial on every free lane; return whether any lane runs one."""
        while len(self._trials) < self._lanes and (spec := self._sampler.ask()) is not None:
            self._trials[spec.number] = (self._point(spec), [])
            self._warmups[spec.number] = warmup_epochs(spec.training, math.nan)  # no field of a grid counts steps
            self._train(spec.number, now)
        return bool(self._trials)

    def _point(self, spec: TrialSpec) -> Point:
        return tuple(spec.params[name] for name in self._curves.space)

    def _train(self, number: int, now: int) -> None:
        self.epochs += 1
        heapq.heappush(self._ends, (now + 1, number))

    def _evaluated(self, number: int, now: int) -> None:
        point, scores = self._trials[number]
        epoch, best = len(scores), max(scores)
        self._sampler.report(number, epoch)
        goes_on = self._pruners.report(self._curves.task, number, float(epoch), best, self._warmups[number])
        if epoch == self._curves.epochs(point):
            self._end(number, TrialStatus.FINISHED)
        elif goes_on:
            self._train(number, now)
        else:
            self._end(number, TrialStatus.PRUNED)

    def _end(self, number: int, status: TrialStatus) -> None:
        _, scores = self._trials.pop(number)
        best = max(scores, default=None)
        self._sampler.tell(number, status, best)
        self._pruners.complete(self._curves.task, number, float(len(scores)), best, self._warmups.pop(number))


def epochs_share(
    curves: Curves, algorithm: Algorithm, scheduler: SchedulerConfig, seed: int, lanes: int = LANES
) -> float:
    """Share of the grid's epochs that a search trains until it is within half a point of the grid's best score.

    A search that never gets there, because the scheduler ended the trials that would have, counts as the whole grid.
    """
    space, training = curves.search_space, TrainingConfig()
    sampler = TrialSampler({curves.task: 1.0}, space, algorithm, training, seed, None)
    pruners = TaskPruners([curves.task], scheduler, max_epochs(training, space), seed)
    epochs = _Lanes(curves, sampler, pruners, lanes).until(curves.best - WITHIN)
    return 1.0 if epochs is None else min(1.0, epochs / curves.total_epochs)


def reordered(curves: Curves, seed: int) -> Curves:
    """Copy recorded curves with the fields, and the values of each field, in a random order drawn from `seed`."""
    drawn = np.random.default_rng(seed)
    names = list(curves.space)
    order = [int(place) for place in drawn.permutation(len(names))]
    space = {
        names[place]: [
            curves.space[names[place]][int(value)] for value in drawn.permutation(len(curves.space[names[place]]))
        ]
        for place in order
    }
    scores = {tuple(point[place] for place in order): found for point, found in curves.scores.items()}
    return replace(curves, space=space, scores=scores)


def bootstrap_interval(values: Sequence[Sequence[float]], seed: int = 0) -> tuple[float, float]:
    """95% interval of the mean over tasks and seeds, by drawing seeds with replacement (percentile method).

    Args:
        values: by task, then by seed.
        seed: of the drawing.
    """
    drawn = np.random.default_rng(seed)
    table = np.asarray(values)
    picks = drawn.integers(table.shape[1], size=(RESAMPLES, *table.shape))
    means = np.take_along_axis(table[None], picks, axis=2).mean(axis=(1, 2))
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)


def summarise(shares: Mapping[str, Sequence[float]]) -> dict[str, float]:
    """Figures of shares by task and seed: the mean, its interval, and each task's mean."""
    low, high = bootstrap_interval(list(shares.values()))
    return {"share": math.fsum(map(np.mean, shares.values())) / len(shares), "low": low, "high": high} | {
        task: float(np.mean(values)) for task, values in shares.items()
    }


def search_recorded_grids(
    grids: Sequence[Curves],
    algorithm: Algorithm,
    scheduler: SchedulerName,
    repetition: int,
    seeds: Iterable[int] = SEEDS,
) -> dict[str, float]:
    """Search every grid with every seed; all repetitions are the same.

    Every seed has the grid's file in another order, for the written one is an accident that may put the best first.
    """
    config, seeds = SchedulerConfig(name=scheduler), list(seeds)
    return summarise(
        {grid.task: [epochs_share(reordered(grid, seed), algorithm, config, seed) for seed in seeds] for grid in grids}
    )


def _contenders(config: BenchmarkConfig) -> Sequence[Contender]:
    grids = list(recorded_curves())

    def searched(algorithm: Algorithm, scheduler: SchedulerName) -> Callable[[int], Mapping[str, float]]:
        return partial(search_recorded_grids, grids, algorithm, scheduler)

    return (
        Contender(GLUETUNE, "TPE with ASHA, both at their defaults, on two simulated lanes", searched("tpe", "asha")),
        Contender("random with ASHA", "points in random order, stopped by ASHA", searched("random", "asha")),
        Contender("random", "points in random order, each trained to its end", searched("random", "none")),
        Contender("grid order", "points in the file's order, each trained to its end", searched("grid", "none")),
    )


_TASKS = [grid.task for grid in recorded_curves()]

COMPARISONS = (
    Comparison(
        number=10,
        title="share of the grid's epochs until within half a point of the grid's best",
        figures=[
            Figure("share", "", "lower"),
            Figure("low", "", "lower"),
            Figure("high", "", "lower"),
            *(Figure(task, "", "lower") for task in _TASKS),
        ],
        targets=[Target("share", 0.25)],
        contenders=_contenders,
        note=f"recorded real trials ({', '.join(_TASKS)}; generated rows, synthetic encoder), replayed with a fake "
        f"clock and {len(SEEDS)} seeds, which also draw the order of fields and values in the grid's file; all "
        "contenders try "
        "the two points of search_spaces/compact_bert.yaml first, of which one is good enough on qnli; TPE's and "
        "ASHA's defaults were settled on these tasks: first on cola, mrpc and sst2, then also on qqp and stsb, "
        "last, in one respect (no judgement between rungs), on all; a search that never gets there counts as the "
        "whole grid; "
        "`low` and `high` are the bootstrapped 95% interval of the mean over tasks and seeds",
    ),
)
