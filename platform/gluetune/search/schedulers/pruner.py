"""What every scheduler offers, for one task."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable

from gluetune.config import TrainingConfig, Value
from gluetune.events import TrialRecord

TOLERANCE = 1e-9  # epochs; ten evaluations a tenth of an epoch apart end at 0.9999999999999999
MOST_WARMUP = 0.5  # of a trial's epochs so far; with more of them it is not cut
_DEFAULTS = TrainingConfig().model_dump()


def warmup_epochs(training: dict[str, Value | None], steps_per_epoch: float) -> float:
    """Epochs in which a trial's learning rate rises.

    Args:
        training: the trial's settings; those that are left out are gluetune's defaults.
        steps_per_epoch: optimizer steps of one epoch, which ``warmup_steps`` and ``max_steps`` count.
    """
    settings = _DEFAULTS | training
    if settings["lr_scheduler_type"] == "constant":
        return 0.0
    if settings["warmup_steps"] is not None:
        return float(settings["warmup_steps"]) / steps_per_epoch
    epochs = settings["max_steps"] / steps_per_epoch if settings["max_steps"] else settings["num_train_epochs"]
    return float(settings["warmup_ratio"] * epochs)


class Pruner(ABC):
    """Decides which trials are worth going on with. Units of time are epochs; a higher score is better.

    A trial may tell an evaluation again after its lane was restarted: one that is not later than all before counts for
    nothing. A trial that was cut once stays cut.

    A trial is not cut while more than half of what it has trained was warm-up. Early stopping takes it that scores on
    the way rank trials as their ends would: what successive halving may lose is bounded by how far scores still move
    (Jamieson and Talwalkar 2016, Non-stochastic Best Arm Identification and Hyperparameter Optimization). Those of a
    trial that has only begun to train at its learning rate still move most. It is judged later, not by fewer epochs:
    scores are compared after equally many, those of the warm-up included.
    """

    def __init__(self) -> None:
        self._latest: dict[int, float] = {}
        self._cut: set[int] = set()

    def evaluated(self, number: int, epoch: float, best_score: float | None, warmup: float = 0.0) -> bool:
        """Takes note of an evaluation.

        Args:
            number: the trial.
            epoch: epochs it has trained.
            best_score: its best score so far; ``None`` or NaN where it has none, which ranks below all scores.
            warmup: epochs in which its learning rate rises, see `warmup_epochs`.

        Returns:
            Whether the trial may go on.
        """
        if epoch > self._latest.get(number, 0.0):
            self._latest[number] = epoch
            score = float("-inf") if best_score is None or best_score != best_score else best_score
            if not self._judge(number, epoch, score, warming=warmup > epoch * MOST_WARMUP + TOLERANCE):
                self._cut.add(number)
        return number not in self._cut

    def ended(self, number: int, epoch: float, best_score: float | None, warmup: float = 0.0) -> None:
        """A trial ended, at this epoch; its last evaluation counts, told before or not."""
        self.evaluated(number, epoch, best_score, warmup)

    def replay(self, trials: Iterable[TrialRecord]) -> None:
        """Takes over all evaluations of an earlier run of the search, in the order in which they came."""
        told: list[tuple[float, int, float, float | None, float]] = []
        for trial in trials:
            best: float | None = None
            for evaluation in trial.evaluations:
                if evaluation.score == evaluation.score:
                    best = evaluation.score if best is None else max(best, evaluation.score)
                warmup = warmup_epochs(trial.training, round(evaluation.step / evaluation.epoch))
                told.append((evaluation.time, trial.number, evaluation.epoch, best, warmup))
        for _, number, epoch, best, warmup in sorted(told, key=lambda entry: entry[:3]):
            self.evaluated(number, epoch, best, warmup)

    @abstractmethod
    def _judge(self, number: int, epoch: float, score: float, *, warming: bool) -> bool:
        """Records a trial's new evaluation and decides whether it may go on.

        Args:
            number: the trial.
            epoch: epochs it has trained.
            score: its best so far, never NaN.
            warming: whether these were mostly warm-up; such a trial goes on.
        """


class NoPruner(Pruner):
    """Lets every trial train to its end."""

    def _judge(self, number: int, epoch: float, score: float, *, warming: bool) -> bool:
        return True
