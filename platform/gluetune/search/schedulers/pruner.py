"""The interface of schedulers, for the trials of one task."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable

from gluetune.config import TrainingConfig, Value
from gluetune.events import TrialRecord

TOLERANCE = 1e-9  # epochs; ten evaluations a tenth of an epoch apart end at 0.9999999999999999
MAX_WARMUP_SHARE = 0.5  # of the epochs trained so far; a trial with a larger share of warm-up is not pruned
_DEFAULTS = TrainingConfig().model_dump()


def warmup_epochs(training: dict[str, Value | None], steps_per_epoch: float) -> float:
    """Return the number of epochs in which a trial's learning rate rises.

    Args:
        training: the trial's settings; missing ones have their defaults.
        steps_per_epoch: optimizer steps of one epoch, the unit of ``warmup_steps`` and ``max_steps``.
    """
    settings = _DEFAULTS | training
    if settings["lr_scheduler_type"] == "constant":
        return 0.0
    if settings["warmup_steps"] is not None:
        return float(settings["warmup_steps"]) / steps_per_epoch
    epochs = settings["max_steps"] / steps_per_epoch if settings["max_steps"] else settings["num_train_epochs"]
    return float(settings["warmup_ratio"] * epochs)


class Pruner(ABC):
    """Decides which trials continue. Time is counted in epochs; a higher score is better.

    A trial may report an evaluation again after its lane was restarted: an evaluation that is not later than all before
    is ignored. A pruned trial stays pruned.

    A trial is not pruned while more than half of its epochs so far were warm-up. Early stopping assumes that scores on
    the way rank trials as their final scores would: what successive halving may lose is bounded by how far scores still
    move (Jamieson and Talwalkar 2016, Non-stochastic Best Arm Identification and Hyperparameter Optimization). The
    scores of a trial that has only begun to train at its learning rate still move most. Such a trial is judged later,
    but after as many epochs as others: those of the warm-up count.
    """

    def __init__(self) -> None:
        self._latest: dict[int, float] = {}
        self._pruned: set[int] = set()

    def report(self, number: int, epoch: float, best_score: float | None, warmup: float = 0.0) -> bool:
        """Take note of an evaluation.

        Args:
            number: the trial.
            epoch: epochs that it has trained.
            best_score: its best score so far; ``None`` or NaN, where it has none, rank below all scores.
            warmup: epochs in which its learning rate rises, from `warmup_epochs`.

        Returns:
            Whether the trial continues.
        """
        if epoch > self._latest.get(number, 0.0):
            self._latest[number] = epoch
            score = float("-inf") if best_score is None or best_score != best_score else best_score
            if not self._judge(number, epoch, score, warming=warmup > epoch * MAX_WARMUP_SHARE + TOLERANCE):
                self._pruned.add(number)
        return number not in self._pruned

    def complete(self, number: int, epoch: float, best_score: float | None, warmup: float = 0.0) -> None:
        """Take note of the end of a trial, and of its last evaluation if that was not reported before.

        Args:
            number: the trial.
            epoch: epochs that it has trained.
            best_score: its best score; ``None`` or NaN where it has none.
            warmup: epochs in which its learning rate rises.
        """
        self.report(number, epoch, best_score, warmup)

    def replay(self, trials: Iterable[TrialRecord]) -> None:
        """Take note of all evaluations of an earlier session of the search, in the order in which they came."""
        reports: list[tuple[float, int, float, float | None, float]] = []
        for trial in trials:
            best: float | None = None
            for evaluation in trial.evaluations:
                if evaluation.score == evaluation.score:
                    best = evaluation.score if best is None else max(best, evaluation.score)
                warmup = warmup_epochs(trial.training, evaluation.steps_per_epoch)
                reports.append((evaluation.time, trial.number, evaluation.epoch, best, warmup))
        for _, number, epoch, best, warmup in sorted(reports, key=lambda entry: entry[:3]):
            self.report(number, epoch, best, warmup)

    @abstractmethod
    def _judge(self, number: int, epoch: float, score: float, *, warming: bool) -> bool:
        """Record a new evaluation of a trial and decide whether the trial continues.

        Args:
            number: the trial.
            epoch: epochs that it has trained.
            score: its best score so far, never NaN.
            warming: whether these epochs were mostly warm-up; such a trial continues.
        """


class NoPruner(Pruner):
    """Lets every trial train to its end."""

    def _judge(self, number: int, epoch: float, score: float, *, warming: bool) -> bool:
        return True
