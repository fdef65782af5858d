"""The median stopping rule.

Own code rather than Ray Tune's ``MedianStoppingRule``, which counts an evaluation twice that is told again after a
restart, pauses trials while others are too few to compare with, and cannot be rebuilt from recorded results.
"""

from __future__ import annotations

import bisect
import statistics

from gluetune.search.schedulers.pruner import TOLERANCE, Pruner


class _Curve:
    """A trial's evaluations: epochs, and running sums of its best score so far."""

    def __init__(self) -> None:
        self.epochs: list[float] = []
        self._sums = [0.0]

    def add(self, epoch: float, score: float) -> None:
        self.epochs.append(epoch)
        self._sums.append(self._sums[-1] + score)

    def mean(self, epoch: float) -> float:
        """Mean over the evaluations up to an epoch, at least one."""
        count = bisect.bisect_right(self.epochs, epoch + TOLERANCE)
        return self._sums[count] / count


class Median(Pruner):
    """Cuts a trial whose best score is below the median of the other trials' running averages up to the same epoch.

    Golovin et al. 2017, Google Vizier, section 3.2.2. The others are all trials that have come as far, ended or not,
    since lanes work side by side; averages are taken over the best score so far, from the end of the grace period.

    Args:
        grace_epochs: nothing is cut or counted before.
        max_epochs: what the longest trial trains; there nothing is left to cut.
        min_trials: how many others must have come as far.
    """

    def __init__(self, grace_epochs: float, max_epochs: float, min_trials: int) -> None:
        super().__init__()
        self._grace, self._max, self._min_trials = grace_epochs, max_epochs, min_trials
        self._curves: dict[int, _Curve] = {}

    def _judge(self, number: int, epoch: float, score: float, *, warming: bool) -> bool:
        if epoch < self._grace - TOLERANCE:
            return True
        others = [
            curve.mean(epoch)
            for curve in self._curves.values()  # the trial's own ends before this epoch
            if curve.epochs[0] <= epoch + TOLERANCE and curve.epochs[-1] >= epoch - TOLERANCE
        ]
        self._curves.setdefault(number, _Curve()).add(epoch, score)
        if warming or len(others) < self._min_trials or epoch >= self._max - TOLERANCE:
            return True
        return score >= statistics.median(others)
