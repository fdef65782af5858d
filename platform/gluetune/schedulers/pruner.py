"""What every scheduler offers, for one task."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable

from gluetune.records import TrialRecord

TOLERANCE = 1e-9  # epochs; ten evaluations a tenth of an epoch apart end at 0.9999999999999999


class Pruner(ABC):
    """Decides which trials are worth going on with. Units of time are epochs; a higher score is better.

    A trial may tell an evaluation again after its lane was restarted: one that is not later than all before counts for
    nothing. A trial that was cut once stays cut.
    """

    def __init__(self) -> None:
        self._latest: dict[int, float] = {}
        self._cut: set[int] = set()

    def evaluated(self, number: int, epoch: float, best_score: float | None) -> bool:
        """Takes note of an evaluation.

        Args:
            number: the trial.
            epoch: epochs it has trained.
            best_score: its best score so far; ``None`` or NaN where it has none, which ranks below all scores.

        Returns:
            Whether the trial may go on.
        """
        if epoch > self._latest.get(number, 0.0):
            self._latest[number] = epoch
            score = float("-inf") if best_score is None or best_score != best_score else best_score
            if not self._judge(number, epoch, score):
                self._cut.add(number)
        return number not in self._cut

    def ended(self, number: int, epoch: float, best_score: float | None) -> None:
        """A trial ended, at this epoch; its last evaluation counts, told before or not."""
        self.evaluated(number, epoch, best_score)

    def replay(self, trials: Iterable[TrialRecord]) -> None:
        """Takes over all evaluations of an earlier run of the search, in the order in which they came."""
        told = []
        for trial in trials:
            best: float | None = None
            for evaluation in trial.evaluations:
                if evaluation.score == evaluation.score:
                    best = evaluation.score if best is None else max(best, evaluation.score)
                told.append((evaluation.time, trial.number, evaluation.epoch, best))
        for _, number, epoch, best in sorted(told, key=lambda entry: entry[:3]):
            self.evaluated(number, epoch, best)

    @abstractmethod
    def _judge(self, number: int, epoch: float, score: float) -> bool:
        """Records a trial's new evaluation and decides whether it may go on; ``score`` is never NaN."""


class NoPruner(Pruner):
    """Lets every trial train to its end."""

    def _judge(self, number: int, epoch: float, score: float) -> bool:
        return True
