"""How many trials each task of a recorded search is planned to have, from its files alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from gluetune.config import SearchSpace, Value, contains, divide_trials, parse_space
from gluetune.events import SPACE_FILE, RequestHandled, added_configurations, read_run_file
from gluetune.reporting.run_files import RunFiles

_Configurations = Sequence[Mapping[str, Value]]


def planned_trials(files: RunFiles, task: str) -> int | None:
    """Return the number of a task's planned trials.

    The summary of the last session counts, unless a request has changed the search since then.

    Args:
        files: the run's folder.
        task: the task.

    Returns:
        The number; ``None`` where only time or hours end the search.

    Raises:
        UserError: a file of the run cannot be read.
    """
    if files.kind != "search":
        return 1
    requests = [event for event in files.journal.history if isinstance(event, RequestHandled) and event.accepted]
    if not requests or requests[-1].time <= files.summary.get("written", 0.0):
        recorded = [each.get("planned") for each in files.summary.get("tasks", ()) if each.get("task") == task]
        if recorded and isinstance(recorded[0], int):
            return recorded[0]
    return _divided(files).get(task)


def _divided(files: RunFiles) -> dict[str, int | None]:
    """Return the number of planned trials by task, as job, requests and search space give it."""
    added: dict[str, list[dict[str, Value]]] = {}
    for task, params in added_configurations(files.journal.history):
        added.setdefault(task, []).append(params)
    data = read_run_file(files.folder, SPACE_FILE)
    space = None if data is None else parse_space(data, files.folder.uri(SPACE_FILE))
    limits = {task: _limit(files.limits.num_samples, space, added.get(task, ())) for task in files.labels}
    trials = ((files.job.get("search") or {}).get("budget") or {}).get("trials")
    if trials is None:
        return limits
    weights = {task: _weight(files.job.get("tasks"), task) for task in limits}
    return dict(divide_trials(trials, limits, weights))


def _limit(num_samples: int | None, space: SearchSpace | None, added: _Configurations) -> int | None:
    """Return the most trials of a task that has no share in a budget of trials."""
    chosen = None if num_samples is None else num_samples + len(added)
    size = None if space is None else space.size
    if space is None or size is None:
        return chosen
    whole = size + sum(not _lies_in(space, params) for params in added)
    return whole if chosen is None else min(chosen, whole)


def _lies_in(space: SearchSpace, params: Mapping[str, Value]) -> bool:
    return all(contains(values, params.get(field)) for field, values in space.part(params).space.items())


def _weight(tasks: Any, task: str) -> float:
    """Return a task's weight, as a job file gives it: a number, or among the files of an own task."""
    given = tasks.get(task, 1.0) if isinstance(tasks, dict) else 1.0
    return float(given.get("weight", 1.0) if isinstance(given, dict) else given)
