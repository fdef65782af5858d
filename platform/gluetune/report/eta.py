"""How long a search still takes, from the seconds its trials took so far."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from statistics import fmean

from gluetune.records import TrialRecord


def busy_seconds(trial: TrialRecord) -> float:
    """Seconds a trial spent in training and evaluation."""
    return sum(e.train_seconds + e.eval_seconds for e in trial.evaluations)


def remaining_seconds(trials: Iterable[TrialRecord], planned: Mapping[str, int | None],
                      lanes: int) -> dict[str, float | None]:
    """Seconds until each task has its planned trials.

    Trials are dealt fairly: by the time a task with ``r`` trials left is through, every other task has been given at
    most ``r`` as well. A task without an ended trial is taken to need the mean of all.

    Args:
        trials: all trials so far.
        planned: number of trials by task; ``None`` where only a time budget ends them.
        lanes: trials that run at the same time.

    Returns:
        Seconds by task; ``None`` where nothing is known yet or nothing is planned.
    """
    known = list(trials)
    ended = [trial for trial in known if trial.status.final and trial.evaluations]
    if not ended:
        return dict.fromkeys(planned)
    overall = fmean(map(busy_seconds, ended))
    mean = {task: fmean([busy_seconds(t) for t in ended if t.task == task] or [overall]) for task in planned}
    done = {task: sum(t.task == task and t.status.final for t in known) for task in planned}
    left = {task: max(0, number - done[task]) for task, number in planned.items() if number is not None}
    spent = {task: sum(min(busy_seconds(t), mean[task]) for t in known if t.task == task and not t.status.final)
             for task in planned}

    def until(task: str) -> float:
        shares = (min(left[other], left[task]) * mean[other] - spent[other] for other in left if left[task])
        return sum(max(0.0, share) for share in shares) / lanes

    return {task: until(task) if task in left else None for task in planned}
