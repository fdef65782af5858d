"""Where every task stands: the rows of the live table, without a terminal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from gluetune.events import SearchPlan, TrialRecord, TrialStatus, ranking
from gluetune.reporting.eta import EtaEstimator

FAILED = (TrialStatus.FAILED, TrialStatus.DIVERGED, TrialStatus.OUT_OF_MEMORY)


@dataclass(frozen=True, slots=True)
class TaskProgress:
    """One task's row. ``done`` counts finished, pruned and failed trials; ``left`` is in seconds."""

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
    """Where every task of a search stands. An update costs the same however many trials there have been.

    Args:
        plan: the search.
        trials: trials so far.
    """

    def __init__(self, plan: SearchPlan, trials: Iterable[TrialRecord] = ()) -> None:
        self._plan = plan
        self._pace = EtaEstimator({task.task: task.planned for task in plan.tasks}, plan.lanes)
        self._status: dict[int, TrialStatus] = {}
        self._counts: dict[str, Counter[TrialStatus]] = {task.task: Counter() for task in plan.tasks}
        self._best: dict[str, TrialRecord] = {}
        for trial in trials:
            self.update(trial)

    def update(self, trial: TrialRecord) -> None:
        """Takes in how a trial stands now."""
        counts, before = self._counts[trial.task], self._status.get(trial.number)
        if before is not None:
            counts[before] -= 1
        counts[trial.status] += 1
        self._status[trial.number] = trial.status
        self._pace.update(trial)
        rivals = [trial, self._best[trial.task]] if trial.task in self._best else [trial]
        self._best |= {best.task: best for best in ranking(rivals, trial.task)[:1]}

    def rows(self) -> list[TaskProgress]:
        """The tasks in the order of the plan."""
        left = self._pace.remaining()
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
