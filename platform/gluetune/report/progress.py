"""Where every task stands: the rows of the live table, without a terminal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from gluetune.records import SearchPlan, TrialRecord, TrialStatus, ranking
from gluetune.report.eta import remaining_seconds

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


def task_progress(plan: SearchPlan, trials: Iterable[TrialRecord]) -> list[TaskProgress]:
    """Where every task of a search stands."""
    known = list(trials)
    left = remaining_seconds(known, {task.task: task.planned for task in plan.tasks}, plan.lanes)
    rows = []
    for task in plan.tasks:
        number = Counter(trial.status for trial in known if trial.task == task.task)
        rows.append(TaskProgress(
            task.task, task.title, done=sum(count for status, count in number.items() if status.final),
            running=number[TrialStatus.RUNNING], pruned=number[TrialStatus.PRUNED],
            failed=sum(number[status] for status in FAILED), planned=task.planned,
            best=next(iter(ranking(known, task.task)), None), left=left[task.task]))
    return rows
