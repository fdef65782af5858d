"""How trials, or the time of lanes, are divided among the tasks of a search by weight."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from gluetune.config import divide_trials


class TaskShares:
    """Decides which task gets the next trial: the one that has had the least per weight, the first of equals.

    Args:
        weights: weight of each task by name.
        by_time: whether the seconds of trials count, as for a budget of hours, instead of their number. A trial that
            has not ended counts as the mean of the task's ended ones, before the first of them as that of all tasks.
    """

    def __init__(self, weights: Mapping[str, float], *, by_time: bool = False) -> None:
        self._weights, self._by_time = dict(weights), by_time
        self._ended = Counter[str]()
        self._seconds = dict.fromkeys(weights, 0.0)  # of ended trials

    def ended(self, task: str, seconds: float) -> None:
        """Take note of the end of a trial.

        Args:
            task: its task.
            seconds: seconds that it spent in training and evaluation.
        """
        self._ended[task] += 1
        self._seconds[task] += seconds

    def neediest(self, started: Mapping[str, int]) -> str:
        """Return the task that gets the next trial.

        Args:
            started: number of trials that were started, by the tasks that may get one.
        """
        return min(started, key=lambda task: self._load(task, started[task]) / self._weights[task])

    def _load(self, task: str, started: int) -> float:
        seconds, ended = sum(self._seconds.values()), self._ended.total()
        if not self._by_time or not seconds:
            return started
        known = self._seconds[task] > 0
        mean = self._seconds[task] / self._ended[task] if known else seconds / ended
        return self._seconds[task] + (started - self._ended[task]) * mean

    def divide(self, trials: int, limits: Mapping[str, int | None]) -> dict[str, int]:
        """Return how a number of trials is divided by their number, if no task is ended before.

        Args:
            trials: number of trials of all tasks together.
            limits: the most trials of each task; ``None`` for no limit.
        """
        return divide_trials(trials, limits, self._weights)
