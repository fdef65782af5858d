"""Rows of text with their labels, and the interface of the sources that they are loaded from."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, overload

import numpy as np
from numpy.typing import NDArray

from gluetune.errors import DataError, did_you_mean
from gluetune.tasks import Task

if TYPE_CHECKING:
    from pyarrow import LargeStringArray

Labels = NDArray[np.int64] | NDArray[np.float32]
"""[rows] class ids (int64), the values of a regression (float32), or [rows, labels] zeros and ones (float32)."""

RowIndices = NDArray[np.int64]
"""[rows] positions of rows in a split, counted from 0."""

UNLABELLED = -1
"""Class id of a row without a label, as in the datasets on the Hugging Face hub."""

_MAX_LABEL_CHARACTERS = 60  # in a message
_ROWS_PER_STEP = 4096


class Texts(Sequence[str]):
    """One string per row, in Arrow's compact form: without Python's 50 bytes and more per string.

    Args:
        array: [rows] ``large_string`` without nulls.
    """

    __slots__ = ("array",)

    def __init__(self, array: LargeStringArray) -> None:
        self.array = array

    def __len__(self) -> int:
        return len(self.array)

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> list[str]: ...
    def __getitem__(self, index: int | slice) -> str | list[str]:
        """Return the text of a row, or the list of the texts of a slice."""
        if isinstance(index, slice):
            if index.step not in (None, 1):
                return self.take(np.arange(len(self))[index])[:]
            found: list[str] = self.array[index].to_pylist()
            return found
        return str(self.array[int(index)].as_py())

    def __iter__(self) -> Iterator[str]:
        for start in range(0, len(self), _ROWS_PER_STEP):
            yield from self[start : start + _ROWS_PER_STEP]

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Texts):
            return bool(self.array.equals(other.array))
        return isinstance(other, Sequence) and len(self) == len(other) and all(map(str.__eq__, self, other))

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Texts({len(self)} rows)"

    def take(self, rows: NDArray[np.int64]) -> Texts:
        """Return the texts at these positions, in this order."""
        return Texts(self.array.take(rows))


@dataclass(frozen=True)
class Examples:
    """The rows of one split.

    Attributes:
        task: the task's name.
        split: the split's name, one of ``Task.splits``.
        columns: the text columns of ``Task.columns``, each one string per row.
        labels: [rows] class ids (int64) or numbers (float32), or for a multi-label task [rows, labels] zeros and ones
            (float32); ``None`` where the split has no labels.
        source: where the rows come from, in words, such as ``dir:glue/CoLA/train.tsv``.
        synthetic: whether gluetune generated the rows.
        groups: [rows] ids of the groups that rows belong to, the same in all splits of a task; ``None`` without groups.
        notes: what was done to the rows as they were read, one sentence each.
    """

    task: str
    split: str
    columns: Mapping[str, Sequence[str]]
    labels: Labels | None
    source: str
    synthetic: bool = False
    groups: NDArray[np.uint64] | None = None
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(next(iter(self.columns.values())))

    def take(self, rows: RowIndices) -> Examples:
        """Return the rows at these positions, in this order.

        Args:
            rows: [selected rows] positions, counted from 0.
        """
        columns = {
            name: texts.take(rows) if isinstance(texts, Texts) else [texts[row] for row in rows]
            for name, texts in self.columns.items()
        }
        labels = None if self.labels is None else self.labels[rows]
        return replace(self, columns=columns, labels=labels, groups=None if self.groups is None else self.groups[rows])


class DataSource(ABC):
    """A place that rows are loaded from, such as the Hugging Face hub or a folder.

    Every source provides the columns, labels and splits that the `Task` lists.

    Attributes:
        synthetic: whether gluetune generates the rows.
        own: whether the rows are those of a task of the user's own. Trials are then ranked by the rows of the first dev
            split, if there is one, and a test split may have labels.
    """

    synthetic: ClassVar[bool] = False
    own: ClassVar[bool] = False

    @abstractmethod
    def load(self, task: Task, split: str, *, labels: bool = True) -> Examples:
        """Load all rows of one split.

        Args:
            task: the task whose rows are loaded.
            split: one of ``task.splits``.
            labels: whether to read labels. If ``False``, every row is returned, whatever its label.

        Returns:
            The rows in the order of the source.

        Raises:
            DataError: the task has no such split, the source does not have it, or a row has the wrong format.
        """

    def has(self, task: Task, split: str) -> bool:
        """Return whether the source has the split.

        Args:
            task: the task whose split is looked for.
            split: name of the split.
        """
        return split in task.splits

    def notes(self, task: Task) -> tuple[str, ...]:
        """Return what was decided as the source was opened, one sentence each; in general nothing."""
        return ()

    @abstractmethod
    def describe(self, task: Task) -> str:
        """Return where the task's rows come from, such as ``dir:glue``, without reading anything."""


def check_split(task: Task, split: str, place: object) -> None:
    """Check that the task has a split of this name.

    Args:
        task: the task.
        split: name of the split.
        place: what the message names as the place of the error, such as a folder.

    Raises:
        DataError: the task has no such split; the message suggests the most similar name.
    """
    if split not in task.splits:
        raise DataError(
            f"the split of {task.name} must be one of {', '.join(task.splits)}, but got {split!r}"
            f"{did_you_mean(split, task.splits)}",
            str(place),
        )


def parse_labels(task: Task, labels: Sequence[str | float], file: Path, lines: Sequence[int]) -> Labels:
    """Convert the labels of a file to numbers.

    Args:
        task: defines the class names and their aliases, or the range of a regression.
        labels: [rows] labels as the file has them: a class name, an alias or a class id; for a regression a number.
        file: the file, named in messages.
        lines: [rows] 1-based line numbers, named in messages.

    Returns:
        [rows] class ids (int64), `UNLABELLED` for labels in ``task.ignored_labels``; for a regression float32 values.

    Raises:
        DataError: a label is unknown or out of range; the error names its line.
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
    """Return class ids by class name and by alias; labels in ``task.ignored_labels`` map to `UNLABELLED`."""
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
    return text if len(text) <= _MAX_LABEL_CHARACTERS else f"{text[:_MAX_LABEL_CHARACTERS]}…"


def examples_fingerprint(examples: Examples) -> str:
    """Return the SHA-256 of column names, texts and labels, in order.

    Args:
        examples: rows with or without labels. Task, split and source do not count: the fingerprint stays the same when
            the same rows are loaded from another file.

    Returns:
        64 hexadecimal digits.
    """
    digest = hashlib.sha256()
    for name, texts in examples.columns.items():
        lengths = np.fromiter((len(_utf8(text)) for text in texts), "<i8", len(texts))
        digest.update(f"{name}\0{len(texts)}\0".encode())
        digest.update(lengths.tobytes())  # so that the same characters split at another place hash differently
        for start in range(0, len(texts), _ROWS_PER_STEP):
            digest.update(_utf8("".join(texts[start : start + _ROWS_PER_STEP])))
    labels = examples.labels
    digest.update(b"no labels" if labels is None else labels.dtype.kind.encode() + labels.tobytes())
    return digest.hexdigest()


def _utf8(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
