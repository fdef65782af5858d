"""Progress of a search by task: counts of trials, the best trial, and the estimated time left."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from gluetune.events import SearchPlan, TrialRecord, TrialStatus, ranking

FAILED = (TrialStatus.FAILED, TrialStatus.DIVERGED, TrialStatus.OUT_OF_MEMORY)


@dataclass(frozen=True, slots=True)
class TaskProgress:
    """Progress of one task.

    Attributes:
        task: name of the task.
        title: its name as papers print it.
        done: number of finished, pruned and failed trials.
        running: number of running trials.
        pruned: number of pruned trials.
        failed: number of failed trials.
        planned: number of planned trials; ``None`` if only a time budget ends the search.
        best: the best trial so far.
        left: estimated seconds until the planned trials have ended.
    """

    task: str
    title: str
    done: int
    running: int
    pruned: int
    failed: int
    planned: int | None
    best: TrialRecord | None
    left: float | None


class Progress:
    """Progress of all tasks of a search. The cost of an update does not depend on the number of trials.

    Args:
        plan: the search.
        trials: the trials so far.
    """

    def __init__(self, plan: SearchPlan, trials: Iterable[TrialRecord] = ()) -> None:
        self._plan = plan
        self._eta = EtaEstimator({task.task: task.planned for task in plan.tasks}, plan.lanes)
        self._status: dict[int, TrialStatus] = {}
        self._counts: dict[str, Counter[TrialStatus]] = {task.task: Counter() for task in plan.tasks}
        self._best: dict[str, TrialRecord] = {}
        for trial in trials:
            self.update(trial)

    def replan(self, plan: SearchPlan) -> None:
        """Take over the numbers of planned trials of a plan that differs in nothing else but its time budget."""
        self._plan = plan
        self._eta.planned = {task.task: task.planned for task in plan.tasks}

    def update(self, trial: TrialRecord) -> None:
        """Update the progress with the current state of a trial."""
        counts, before = self._counts[trial.task], self._status.get(trial.number)
        if before is not None:
            counts[before] -= 1
        counts[trial.status] += 1
        self._status[trial.number] = trial.status
        self._eta.update(trial)
        candidates = [trial, self._best[trial.task]] if trial.task in self._best else [trial]
        self._best |= {best.task: best for best in ranking(candidates, trial.task)[:1]}

    def end_task(self, task: str) -> None:
        """Expect no further trials of a task."""
        self._eta.end_task(task)

    def rows(self) -> list[TaskProgress]:
        """Return the progress of each task, in the order of the plan."""
        left = self._eta.remaining()
        return [
            TaskProgress(
                task.task,
                task.title,
                done=sum(count for status, count in counts.items() if status.final),
                running=counts[TrialStatus.RUNNING],
                pruned=counts[TrialStatus.PRUNED],
                failed=sum(counts[status] for status in FAILED),
                planned=task.planned,
                best=self._best.get(task.task),
                left=left[task.task],
            )
            for task in self._plan.tasks
            for counts in [self._counts[task.task].copy()]
        ]


def busy_seconds(trial: TrialRecord) -> float:
    """Seconds that a trial has spent in training and evaluation."""
    return trial.busy_seconds


class EtaEstimator:
    """Estimates when each task will be done, from the durations of its trials so far.

    The cost of an update does not depend on the number of trials.

    Args:
        planned: number of planned trials by task; ``None`` if only a time budget ends the search.
        lanes: number of trials that run at the same time.

    Attributes:
        planned: number of planned trials by task, which may change.
    """

    def __init__(self, planned: Mapping[str, int | None], lanes: int) -> None:
        self.planned, self._lanes = dict(planned), lanes
        self._open: dict[int, TrialRecord] = {}  # running or stopped trials, which have no result yet
        self._ended: dict[int, float | None] = {}  # seconds; None if there was no evaluation
        self._done: Counter[str] = Counter()
        self._measured: Counter[str] = Counter()
        self._seconds = dict.fromkeys(planned, 0.0)
        self._complete: set[str] = set()  # tasks that get no further trials

    def update(self, trial: TrialRecord) -> None:
        """Update the progress with the current state of a trial."""
        self._forget(trial)
        if not trial.status.final:
            self._open[trial.number] = trial
            return
        self._open.pop(trial.number, None)
        self._ended[trial.number] = seconds = busy_seconds(trial) if trial.evaluations else None
        self._add(trial.task, seconds, +1)

    def end_task(self, task: str) -> None:
        """Expect no further trials of a task, but those that run."""
        self._complete.add(task)

    def remaining(self) -> dict[str, float | None]:
        """Estimate the seconds until the planned trials of each task have ended.

        The search starts trials of all tasks in turn: while a task with ``r`` trials left completes them, at most ``r``
        trials of every other task run. A task without an ended trial is assumed to need the mean of all trials.

        Returns:
            Seconds by task; ``None`` before any trial has ended, and for a task without a planned number.
        """
        measured = sum(self._measured.values())
        if not measured:
            return dict.fromkeys(self.planned)
        overall = sum(self._seconds.values()) / measured
        mean = {
            task: self._seconds[task] / self._measured[task] if self._measured[task] else overall
            for task in self.planned
        }
        left = {task: max(0, number - self._done[task]) for task, number in self.planned.items() if number is not None}
        left |= {task: sum(trial.task == task for trial in list(self._open.values())) for task in self._complete}
        spent = dict.fromkeys(self.planned, 0.0)
        for trial in list(self._open.values()):  # the live table reads this from its own thread
            spent[trial.task] += min(busy_seconds(trial), mean[trial.task])

        def until(task: str) -> float:
            shares = (min(left[other], left[task]) * mean[other] - spent[other] for other in left if left[task])
            return sum(max(0.0, share) for share in shares) / self._lanes

        return {task: until(task) if task in left else None for task in self.planned}

    def _forget(self, trial: TrialRecord) -> None:
        """Remove an ended trial from the statistics, because it is updated again or has been resumed."""
        if trial.number in self._ended:
            self._add(trial.task, self._ended.pop(trial.number), -1)

    def _add(self, task: str, seconds: float | None, count: int) -> None:
        self._done[task] += count
        if seconds is not None:
            self._measured[task] += count
            self._seconds[task] += count * seconds
