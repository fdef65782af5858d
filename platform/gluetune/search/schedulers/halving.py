"""Asynchronous successive halving and Hyperband.

Own code rather than Ray Tune's ``AsyncHyperBandScheduler``, which assigns brackets by the global, unseeded
``np.random``, lets a trial with a NaN score pass every rung, and cannot be rebuilt from recorded results.
"""

from __future__ import annotations

import bisect
import math
from collections.abc import Sequence

import numpy as np

from gluetune.search.schedulers.pruner import TOLERANCE, Pruner

_GOLDEN = (math.sqrt(5) - 1) / 2


class _Bracket:
    """Rungs, and the scores that reached each.

    Args:
        milestones: epochs of the rungs, rising.
        keep: share of a rung that goes on, the reciprocal of the reduction factor.
        min_trials: trials a rung must have had before it cuts one.
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
    """Epochs of the rungs: ``grace_epochs * reduction_factor ** k``, below the end, where nothing is left to cut."""
    milestones, milestone = [], grace_epochs
    while milestone < max_epochs - TOLERANCE:
        milestones.append(milestone)
        milestone *= reduction_factor
    return milestones


class Halving(Pruner):
    """Cuts a trial that reaches a rung outside the best ``1 / reduction_factor`` of those that reached it so far.

    One bracket is ASHA in its stopping form (Li et al. 2020, A System for Massively Parallel Hyperparameter Tuning):
    no trial waits for others. With several, bracket *s* leaves out the first *s* rungs: asynchronous Hyperband (Li et
    al. 2018, Hyperband, JMLR 18), which hedges against good configurations that start slowly. Trials are shared out to
    brackets in the proportion of Hyperband's bracket sizes, by a low-discrepancy sequence over their numbers, so that
    a resumed search puts each trial into the same bracket.

    A trial evaluated past several rungs at once enters the last of them only: its score says nothing fair about
    earlier ones. One that may not be cut yet (see `Pruner`) enters rungs like all others and is cut at the next one at
    the earliest; not between them, where only those are left to compare with that were not cut. Scores are counted per
    bracket, as in Hyperband; with few trials one bracket therefore cuts more.

    Args:
        grace_epochs: the first rung.
        reduction_factor: ratio of rungs, and of the trials that enter and leave one.
        max_epochs: what the longest trial trains.
        min_trials: trials that must have reached a rung before another is cut there.
        brackets: how many at most; more than there are rungs, and one that never cuts, are not made.
        seed: where the sequence over trial numbers starts.
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
