"""Turns written labels into numbers, and says which line breaks the rule."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from gluetune.data.examples import Labels
from gluetune.errors import DataError, did_you_mean
from gluetune.tasks import Task

UNLABELLED = -1
_LONGEST = 60  # characters of a label in a message


def parse_labels(task: Task, labels: Sequence[str | float], file: Path, lines: Sequence[int]) -> Labels:
    """Parses a file's labels.

    Args:
        task: gives the class names and their spellings, or the range of a regression.
        labels: as written, one per row: a name, a spelling, or a number that is the class's id (or the value of a
            regression).
        file: the file, for messages.
        lines: 1-based line of every row, for messages.

    Returns:
        [rows] class ids (int64), `UNLABELLED` for labels in ``task.ignored_labels``; or float32 for regression.

    Raises:
        DataError: a label that the task does not have; names its line.
    """
    if task.regression:
        return _numbers(task, labels, file, lines)
    ids: dict[str | float, int] = dict(class_ids(task).items())
    ids |= {number: number for number in (*range(task.num_labels), *([UNLABELLED] if task.ignored_labels else []))}
    for label, line in zip(labels, lines, strict=True):
        if label not in ids:
            options = ", ".join(repr(option) for option in (task.label_aliases or task.labels))
            near = did_you_mean(str(label), class_ids(task))
            raise DataError(
                f"the label must be one of {options}, but got {_shown(label)}{near}",
                file,
                line,
            )
    return np.array([ids[label] for label in labels], np.int64)


def class_ids(task: Task) -> dict[str, int]:
    """Class ids by name and by the official files' spellings; `UNLABELLED` for labels in ``task.ignored_labels``."""
    ids = {name: number for number, name in enumerate(task.labels)}
    return (
        ids
        | {spelling: ids[name] for spelling, name in task.label_aliases.items()}
        | dict.fromkeys(task.ignored_labels, UNLABELLED)
    )


def _numbers(task: Task, labels: Sequence[str | float], file: Path, lines: Sequence[int]) -> Labels:
    values = np.empty(len(labels), np.float32)
    for row, (label, line) in enumerate(zip(labels, lines, strict=True)):
        try:
            values[row] = float(label)
        except (OverflowError, ValueError):
            raise DataError(f"the label must be a number, but got {_shown(label)}", file, line) from None
        if not task.minimum <= values[row] <= task.maximum:
            raise DataError(f"`{task.minimum:g} <= label <= {task.maximum:g}` must hold, but got {label}", file, line)
    return values


def _shown(label: str | float) -> str:
    text = repr(label)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
