"""A user's own dataset class, by import path."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

import numpy as np

from gluetune.data.examples import UNLABELLED, DataSource, Examples, Labels, check_split
from gluetune.data.importing import describe_exception, import_class, source_file
from gluetune.data.records import find_lone_surrogate
from gluetune.errors import DataError, did_you_mean
from gluetune.tasks import Task

_METHODS = ("__len__", "__getitem__")


class CustomSource(DataSource):
    """Rows of a class that the user wrote; map-style torch datasets and those of the ``datasets`` library are such.

    The class is called as ``Class(split=…, data_dir=…)``: the split's name in ``Task.splits`` (``train``,
    ``validation``, ``test``; MNLI's are ``validation_matched`` and so on), and ``data.dir`` or ``None``; the latter is
    left out where the class does not take it. What comes back must have ``__len__``, and a ``__getitem__`` that for
    0, 1, … gives a mapping with

    - each text column of the task (``Task.columns``) as ``str``,
    - ``label``: the class's id or name, for regression a number; missing, ``None`` or -1 where there is none.

    Either all rows of a split have a label or none has; rows without are left out and counted for tasks that have
    undecided rows (SNLI, MNLI), where their label may also be written ``-``.

    A class says which splits it has by an attribute ``splits``, a collection of names. Without, it is called for each
    split, and lacks one if it raises ``FileNotFoundError`` or ``NotImplementedError``, or a ``LookupError`` or
    ``ValueError`` whose message has the split's name. Anything else that it raises is an error of its own and ends the
    job with the line that raised it. The training and the ranking development split must be there; others need not.

    Args:
        dataset: ``package.module:Class``, which Python can import, or ``path/to/file.py:Class``. A function that takes
            the same parameters will do too.
        data_dir: passed on.

    Raises:
        ConfigError: the class cannot be imported, or not be called with these parameters.
    """

    def __init__(self, dataset: str, data_dir: str | None = None) -> None:
        self.dataset, self.data_dir = dataset, data_dir
        self._opened: dict[str, Any] = {}
        import_class(dataset)

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_opened": {}}  # the user's objects need not pickle

    def load(self, task: Task, split: str, *, labels: bool = True) -> Examples:
        """Reads all rows of one split.

        Raises:
            DataError: the class raised something, or what it gave breaks the contract above.
        """
        place = f"{self.describe(task)}/{split}"
        check_split(task, split, place)
        dataset = self._opened.pop(split, None)
        dataset = self._open(split, place) if dataset is None else dataset
        file = source_file(import_class(self.dataset)[0])
        rows = list(_rows(dataset, task, place, labels, file))
        columns = {name: [texts[name] for texts, _ in rows] for name in task.columns}
        examples = Examples(task.name, split, columns, None, place)
        return _labelled(examples, [label for _, label in rows], task, place) if labels else examples

    def has(self, task: Task, split: str) -> bool:
        """Whether the class gives the split; tasks that are only evaluated (AX) are not looked for in it.

        Raises:
            DataError: the class raised something that does not say that it lacks the split.
        """
        if task.train is None or split not in task.splits:
            return False
        listed = getattr(import_class(self.dataset)[0], "splits", None)
        if isinstance(listed, Collection) and not isinstance(listed, str):
            return split in listed
        try:
            self._opened[split] = self._open(split, f"{self.describe(task)}/{split}")  # for `load`, which comes next
        except DataError as error:
            if _says_missing(error.__cause__, split):
                return False
            raise DataError(
                f"{error.message}; a class that lacks a split lists those it has in an attribute `splits`, "
                "or raises FileNotFoundError",
                error.file,
            ) from error.__cause__
        return True

    def describe(self, task: Task) -> str:
        """Names the class."""
        return f"custom:{self.dataset}"

    def _open(self, split: str, place: str) -> Any:
        make, parameters = import_class(self.dataset)
        given = {name: value for name, value in (("split", split), ("data_dir", self.data_dir)) if name in parameters}
        try:
            dataset = make(**given)
        except Exception as error:
            call = ", ".join(f"{name}={value!r}" for name, value in given.items())
            raise DataError(
                f"the class must give this split, but ({call}) raised {describe_exception(error, source_file(make))}",
                place,
            ) from error
        missing = [name for name in _METHODS if not hasattr(type(dataset), name)]
        if missing:
            raise DataError(
                f"a dataset must have {' and '.join(_METHODS)}, but {type(dataset).__name__} has no {missing[0]}", place
            )
        return dataset


def _rows(
    dataset: Any,
    task: Task,
    place: str,
    labels: bool,
    file: str | None,
) -> Iterator[tuple[dict[str, str], float]]:
    """Texts and label of every row."""
    try:
        length = len(dataset)
    except Exception as error:
        raise DataError(
            f"the dataset's length must be known, but __len__ raised {describe_exception(error, file)}",
            place,
        ) from error
    if length == 0:
        raise DataError("the dataset must hold rows, but is empty", place)
    for number in range(length):
        try:
            row = dataset[number]
        except Exception as error:
            raise DataError(
                f"`0 <= row < {length}` must be readable, but row {number} raised {describe_exception(error, file)}",
                place,
            ) from error
        texts = _texts(row, number, task, place)
        yield texts, _label(row.get("label") if labels else None, number, task, place)


def _texts(row: Any, number: int, task: Task, place: str) -> dict[str, str]:
    if not isinstance(row, Mapping):
        raise DataError(
            f"a row must be a mapping with ({', '.join((*task.columns, 'label'))}), but row {number} is "
            f"{type(row).__name__}",
            place,
        )
    for name in task.columns:
        if name not in row:
            keys = [str(key) for key in row]
            raise DataError(
                f"a row must have {name!r}, but row {number} has ({', '.join(keys)}){did_you_mean(name, keys)}", place
            )
        if not isinstance(row[name], str):
            raise DataError(f"{name!r} must be a str, but is {type(row[name]).__name__} in row {number}", place)
        if half := find_lone_surrogate(row[name]):
            raise DataError(f"{name!r} must be Unicode text, but has a lone surrogate in row {number}: {half}", place)
    return {name: str(row[name]) for name in task.columns}


def _label(value: Any, row: int, task: Task, place: str) -> float:
    """A label as a number; -1 where there is none."""
    if isinstance(value, str) and not task.regression:
        ids = {name: number for number, name in enumerate(task.labels)} | dict.fromkeys(task.ignored_labels, UNLABELLED)
        if value not in ids:
            raise DataError(
                f"a class must be one of {', '.join(map(repr, ids))}, but got {value!r} in row {row}"
                f"{did_you_mean(value, ids)}",
                place,
            )
        return ids[value]
    try:
        label = float(UNLABELLED if value is None else value)
    except (TypeError, ValueError, RuntimeError):  # the last is torch's
        label = np.nan
    if isinstance(value, str | bytes) or np.isnan(label):
        raise DataError(f"a label must be a number, but got {value!r} in row {row}", place)
    low, high = (task.minimum, task.maximum) if task.regression else (0, task.num_labels - 1)
    if label != UNLABELLED and not (low <= label <= high and (task.regression or label == int(label))):
        whole = "" if task.regression else " and be whole"
        raise DataError(f"`{low:g} <= label <= {high:g}` must hold{whole}, but got {label:g} in row {row}", place)
    return label


def _labelled(examples: Examples, numbers: list[float], task: Task, place: str) -> Examples:
    """The rows with their labels; those without left out where the task has such."""
    labels: Labels = np.array(numbers, np.float32) if task.regression else np.array(numbers, np.int64)
    known = labels != UNLABELLED
    if not known.any():
        return examples
    if not known.all() and not task.ignored_labels:
        raise DataError(
            "all rows must have a label or none, but "
            f"row {np.flatnonzero(known)[0]} has one and row {np.flatnonzero(~known)[0]} has none",
            place,
        )
    kept = np.flatnonzero(known)
    note = f" ({len(examples) - len(kept)} rows without a label left out)" if len(kept) < len(examples) else ""
    rows = Examples(examples.task, examples.split, examples.columns, labels, f"{place}{note}")
    return rows.take(kept) if note else rows


def _says_missing(error: BaseException | None, split: str) -> bool:
    """Whether an exception says that there is no such split."""
    if isinstance(error, FileNotFoundError | NotImplementedError):
        return True
    return isinstance(error, LookupError | ValueError) and split in str(error)
