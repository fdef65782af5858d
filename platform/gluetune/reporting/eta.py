"""How long a search still takes, from the seconds its trials took so far."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from gluetune.events import TrialRecord


def busy_seconds(trial: TrialRecord) -> float:
    """Seconds a trial spent in training and evaluation."""
    return sum(e.train_seconds + e.eval_seconds for e in trial.evaluations)


class EtaEstimator:
    """How many trials each task has had, and how long they took. An update costs the same however many there are.

    Args:
        planned: number of trials by task; ``None`` where only a time budget ends them.
        lanes: trials that run at the same time.
    """

    def __init__(self, planned: Mapping[str, int | None], lanes: int) -> None:
        self._planned, self._lanes = dict(planned), lanes
        self._open: dict[int, TrialRecord] = {}  # running, or stopped: no result yet
        self._ended: dict[int, float | None] = {}  # seconds; None where there was no evaluation
        self._done: Counter[str] = Counter()
        self._measured: Counter[str] = Counter()
        self._seconds = dict.fromkeys(planned, 0.0)

    def update(self, trial: TrialRecord) -> None:
        """Takes in how a trial stands now."""
        self._forget(trial)
        if not trial.status.final:
            self._open[trial.number] = trial
            return
        self._open.pop(trial.number, None)
        self._ended[trial.number] = seconds = busy_seconds(trial) if trial.evaluations else None
        self._add(trial.task, seconds, +1)

    def remaining(self) -> dict[str, float | None]:
        """Seconds until each task has its planned trials.

        Trials are dealt fairly: by the time a task with ``r`` trials left is through, every other task has been given
        at most ``r`` as well. A task without an ended trial is taken to need the mean of all.

        Returns:
            Seconds by task; ``None`` where nothing is known yet or nothing is planned.
        """
        measured = sum(self._measured.values())
        if not measured:
            return dict.fromkeys(self._planned)
        overall = sum(self._seconds.values()) / measured
        mean = {
            task: self._seconds[task] / self._measured[task] if self._measured[task] else overall
            for task in self._planned
        }
        left = {task: max(0, number - self._done[task]) for task, number in self._planned.items() if number is not None}
        spent = dict.fromkeys(self._planned, 0.0)
        for trial in list(self._open.values()):  # the live table draws in a thread of its own
            spent[trial.task] += min(busy_seconds(trial), mean[trial.task])

        def until(task: str) -> float:
            shares = (min(left[other], left[task]) * mean[other] - spent[other] for other in left if left[task])
            return sum(max(0.0, share) for share in shares) / self._lanes

        return {task: until(task) if task in left else None for task in self._planned}

    def _forget(self, trial: TrialRecord) -> None:
        """An ended trial that is told again, or goes on after all."""
        if trial.number in self._ended:
            self._add(trial.task, self._ended.pop(trial.number), -1)

    def _add(self, task: str, seconds: float | None, count: int) -> None:
        self._done[task] += count
        if seconds is not None:
            self._measured[task] += count
            self._seconds[task] += count * seconds
