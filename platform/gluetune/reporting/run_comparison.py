"""Two recorded runs side by side: the settings in which they differ, and their results by task."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from gluetune.events import SPACE_FILE
from gluetune.reporting.recorded_runs import RecordedTask, recorded_run
from gluetune.reporting.run_files import LOSS, RunFiles
from gluetune.tasks.metrics import greater_is_better

SELECTION = "selection"
_MISSING = "–"
_NOT_COMPARED = ("name", "schema_version", "storage.path")


@dataclass(frozen=True, slots=True)
class TaskComparison:
    """One task of two runs; pairs are those of the first and of the second run.

    Attributes:
        task: the task's name.
        title: its name in tables.
        metric: name of its primary metric.
        best: best metric on the selection rows; ``None`` where a run has no evaluated trial of the task.
        difference: the second one minus the first one; ``None`` where one is missing or their rows differ.
        improves: whether the second one is better; ``None`` where there is no difference.
        dev: the metric on official development rows of the winner, for each split.
        trials: number of trials.
        seconds: seconds of all trials in training and evaluation.
    """

    task: str
    title: str
    metric: str
    best: tuple[float | None, float | None]
    difference: float | None
    improves: bool | None
    dev: tuple[tuple[float, ...], tuple[float, ...]]
    trials: tuple[int, int]
    seconds: tuple[float, float]


@dataclass(frozen=True, slots=True)
class RunComparison:
    """Two runs.

    Attributes:
        names: the runs' names; their folders where the names are equal.
        settings: the keys of job and search space in which they differ, and both values as text.
        tasks: the tasks of either run.
        notes: why some results cannot be compared.
    """

    names: tuple[str, str]
    settings: Mapping[str, tuple[str, str]]
    tasks: tuple[TaskComparison, ...]
    notes: tuple[str, ...]


def compare_runs(first: RunFiles, second: RunFiles) -> RunComparison:
    """Compare two runs.

    Args:
        first: the folder of a run.
        second: the folder of another run.

    Raises:
        UserError: one of them cannot be read.
    """
    names = (first.name, second.name) if first.name != second.name else (first.folder.uri(), second.folder.uri())
    own = [{task.task: task for task in recorded_run(files, strict=True).tasks} for files in (first, second)]
    other_rows = {task for task in own[0] if task in own[1] and _rows(first, task) != _rows(second, task)}
    tasks = [_compare(own[0].get(task), own[1].get(task), task in other_rows) for task in own[0] | own[1]]
    notes = [
        f"{task.title}: the runs have other selection rows than each other, so that their scores cannot be compared"
        for task in tasks
        if task.task in other_rows
    ]
    if any(task.difference is not None for task in tasks):
        notes.append(
            "a difference of best scores is partly chance: each is the best of several trials on the same rows"
        )
    return RunComparison(names, _differences(_settings(first), _settings(second)), tuple(tasks), tuple(notes))


def _compare(first: RecordedTask | None, second: RecordedTask | None, other_rows: bool) -> TaskComparison:
    known = first or second
    assert known is not None
    best = (first.best if first else None, second.best if second else None)
    comparable = not other_rows and (first is None or second is None or first.metric == second.metric)
    difference = best[1] - best[0] if comparable and best[0] is not None and best[1] is not None else None
    return TaskComparison(
        known.task,
        known.title,
        known.metric,
        best,
        difference,
        None if not difference else (difference > 0) == _more_is_better(known.metric),
        (tuple(first.dev.values()) if first else (), tuple(second.dev.values()) if second else ()),
        (sum(first.trials.values()) if first else 0, sum(second.trials.values()) if second else 0),
        (first.seconds if first else 0.0, second.seconds if second else 0.0),
    )


def _more_is_better(metric: str) -> bool:
    return metric != LOSS and greater_is_better(metric)


def _rows(files: RunFiles, task: str) -> str | None:
    """Return the fingerprint of a task's selection rows, or of a pre-training run's held-out text."""
    splits = files.inputs.tasks.get(task, {}) if files.inputs else {}
    held_out = splits.get(SELECTION) or splits.get("validation")
    return held_out.sha256 if held_out else None


def _settings(files: RunFiles) -> dict[str, str]:
    """Return the settings of a run's job and search space as text, by dotted path."""
    found = dict(_flat(files.whole_job))
    if files.kind != "pre-training":
        found |= {f"space.{key}": value for key, value in _flat(files.mapping(SPACE_FILE))}
    return {key: value for key, value in found.items() if key not in _NOT_COMPARED}


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield prefix + key, value if isinstance(value, str) else json.dumps(value)


def _differences(first: Mapping[str, str], second: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    pairs = {key: (first.get(key, _MISSING), second.get(key, _MISSING)) for key in {**first, **second}}
    return {key: pair for key, pair in pairs.items() if pair[0] != pair[1]}
