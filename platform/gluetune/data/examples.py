"""Rows of text with labels."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from gluetune.errors import DataError, did_you_mean
from gluetune.tasks import Task

Labels = NDArray[np.int64] | NDArray[np.float32]
RowIndices = NDArray[np.int64]


@dataclass(frozen=True)
class Examples:
    """The rows of one split.

    Attributes:
        task: the task's name.
        split: the split's name, one of ``Task.splits``.
        columns: the text columns of ``Task.columns``, each one string per row.
        labels: [rows] class ids (int64) or similarities (float32); ``None`` where the split has no labels.
        source: where the rows come from, in words, such as ``dir:glue/CoLA/train.tsv``.
        synthetic: whether gluetune generated the rows.
    """

    task: str
    split: str
    columns: dict[str, list[str]]
    labels: Labels | None
    source: str
    synthetic: bool = False

    def __len__(self) -> int:
        return len(next(iter(self.columns.values())))

    def take(self, rows: RowIndices) -> Examples:
        """The given rows, in the given order."""
        columns = {name: [texts[row] for row in rows] for name, texts in self.columns.items()}
        return replace(self, columns=columns, labels=None if self.labels is None else self.labels[rows])


class DataSource(ABC):
    """Where rows come from. Every source gives the columns, labels and splits of the task's row in ``TASKS``.

    Attributes:
        synthetic: whether gluetune generates the rows.
    """

    synthetic: ClassVar[bool] = False

    @abstractmethod
    def load(self, task: Task, split: str, *, labels: bool = True) -> Examples:
        """Reads one split.

        Args:
            task: the task.
            split: one of ``task.splits``.
            labels: whether to read labels. Without, no row is left out for the label that it has or lacks.

        Raises:
            DataError: the task has no such split, the source lacks it, or its rows break their format.
        """

    def has(self, task: Task, split: str) -> bool:
        """Whether the source has the split."""
        return split in task.splits

    @abstractmethod
    def describe(self, task: Task) -> str:
        """Where the task's rows would come from, in words. Reads nothing."""


def check_split(task: Task, split: str, place: object) -> None:
    """Refuses a split that the task does not have.

    Args:
        task: the task.
        split: its alleged split.
        place: where it was looked for, for the message.

    Raises:
        DataError: names the nearest split.
    """
    if split not in task.splits:
        raise DataError(
            f"the split of {task.name} must be one of {', '.join(task.splits)}, but got {split!r}"
            f"{did_you_mean(split, task.splits)}",
            str(place),
        )


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


def fingerprint(examples: Examples) -> str:
    """The SHA-256 of column names, texts and labels, in order.

    Args:
        examples: rows with or without labels. Task, split and source are left out: rows keep their fingerprint when
            the same content moves to another file.

    Returns:
        64 hexadecimal digits.
    """
    digest = hashlib.sha256()
    for name, texts in examples.columns.items():
        encoded = [text.encode("utf-8", "surrogatepass") for text in texts]
        digest.update(f"{name}\0{len(encoded)}\0".encode())
        digest.update(np.fromiter(map(len, encoded), "<i8", len(encoded)).tobytes())  # no two cuts of a text are equal
        digest.update(b"".join(encoded))
    labels = examples.labels
    digest.update(b"no labels" if labels is None else labels.dtype.kind.encode() + labels.tobytes())
    return digest.hexdigest()
