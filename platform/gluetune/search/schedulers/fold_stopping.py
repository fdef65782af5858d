"""The rule that stops a cross-validation after some of its folds, where it cannot become the best of its task.

After ``f`` of ``K`` folds, the mean difference to the best complete cross-validation of the task on the same folds
estimates the mean difference on all ``K``. Its standard error is ``s * sqrt(1/f - 1/K)``, that of a mean of ``f`` of
``K`` values that are drawn without replacement. A trial is stopped where even the mean plus three such errors is below
zero. ``s``, the standard deviation of the differences, is not known after one fold, and hardly after two. It is
therefore set to what it would be if the folds of the two trials had nothing in common: the square root of two times the
larger of the deviations of their fold scores. Scores of the same rows go up and down together, so that the true one is
smaller, and the rule stops less than it could.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from statistics import fmean

from gluetune.events import TrialRecord, deviation

STANDARD_ERRORS = 3.0


def fold_bound(scores: Sequence[float], best: Sequence[float]) -> float:
    """Return the mean score over all folds that a trial can be expected to reach at most.

    Args:
        scores: scores of the folds that the trial has completed: the first ones, at least one.
        best: scores of all folds of the best complete trial, at least two.
    """
    done, folds = len(scores), len(best)
    spread = math.sqrt(2) * max(deviation(scores) or 0.0, deviation(best) or 0.0)
    difference = fmean(scores) - fmean(best[:done])
    return fmean(best) + difference + STANDARD_ERRORS * spread * math.sqrt(max(0.0, 1 / done - 1 / folds))


class FoldStopping:
    """Stops cross-validations that cannot win any more.

    Args:
        trials: trials of earlier sessions of the search.
        stops: whether trials are stopped at all: not where time per row is an objective beside the score.
    """

    def __init__(self, trials: Iterable[TrialRecord] = (), *, stops: bool = True) -> None:
        self._stops = stops
        self._best: dict[str, TrialRecord] = {}  # by task, of those with all folds
        for trial in trials:
            self.complete(trial)

    def complete(self, trial: TrialRecord) -> None:
        """Take note of an ended trial."""
        if not trial.folds or trial.complete_folds < trial.folds or trial.best_score is None:
            return
        best = self._best.get(trial.task)
        if best is None or best.best_score is None or trial.best_score > best.best_score:
            self._best[trial.task] = trial

    def reason_to_stop(self, trial: TrialRecord) -> str:
        """Return why a trial is stopped, in words; empty where it continues.

        Args:
            trial: a running trial, after any of its evaluations.
        """
        best, done = self._best.get(trial.task), trial.complete_folds
        if not self._stops or best is None or not 0 < done < trial.folds:
            return ""
        scores, others = trial.fold_scores, best.fold_scores
        if not all(map(math.isfinite, (*scores, *others))):
            return ""
        bound, target = fold_bound(scores, others), fmean(others)
        if bound >= target:
            return ""
        return (
            f"after fold {done} of {trial.folds}: its mean score is expected to be at most {bound:.4f}, and "
            f"{best.name} has {target:.4f}"
        )
