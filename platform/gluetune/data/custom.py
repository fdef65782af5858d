"""Data source that loads rows with a dataset class of the user."""

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
    """Rows of a dataset class of the user, such as a map-style torch dataset or a ``datasets.Dataset``.

    The class is called as ``Class(split=…, data_dir=…)``. ``split`` is a name in ``Task.splits`` (``train``,
    ``validation``, ``test``; for MNLI ``validation_matched`` and so on); ``data_dir`` is ``data.dir`` or ``None`` and
    is omitted if the class does not have this parameter. The returned object must have ``__len__`` and a
    ``__getitem__`` that returns, for 0, 1, …, a mapping with

    - each text column of the task (``Task.columns``) as ``str``,
    - ``label``: id or name of the class, or the number of a regression; absent, ``None`` or -1 if there is no label.

    Either all rows of a split have a label or none has. Tasks with undecided rows (SNLI, MNLI) are the exception: rows
    without a label, or with the label ``-``, are left out and counted in ``Examples.source``.

    The attribute ``splits``, a collection of names, lists the splits of the class. If the class has no such attribute,
    it is called for each split, and a split counts as missing if the call raises ``FileNotFoundError`` or
    ``NotImplementedError``, or a ``LookupError`` or ``ValueError`` whose message contains the name of the split. Any
    other exception ends the job with an error that names the line that raised it. The training split and the first dev
    split are required.

    Args:
        dataset: ``package.module:Class``, which must be importable, or ``path/to/file.py:Class``. A function with the
            same parameters is accepted too.
        data_dir: passed to the class.

    Raises:
        ConfigError: the class cannot be imported, or cannot be called with these parameters.
    """

    def __init__(self, dataset: str, data_dir: str | None = None) -> None:
        self.dataset, self.data_dir = dataset, data_dir
        self._opened: dict[str, Any] = {}
        import_class(dataset)

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_opened": {}}  # the user's objects may not be picklable

    def load(self, task: Task, split: str, *, labels: bool = True) -> Examples:
        """Load all rows of one split.

        Args:
            task: the task whose rows are loaded.
            split: one of ``task.splits``.
            labels: whether to read labels. If ``False``, every row is returned, whatever its label.

        Raises:
            DataError: the class raised an exception, or a row does not have the documented form.
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
        """Return whether the class has the split; always ``False`` for tasks that are only evaluated (AX).

        Raises:
            DataError: the class raised an exception that does not mean that the split is missing.
        """
        if task.train is None or split not in task.splits:
            return False
        listed = getattr(import_class(self.dataset)[0], "splits", None)
        if isinstance(listed, Collection) and not isinstance(listed, str):
            return split in listed
        try:
            self._opened[split] = self._open(split, f"{self.describe(task)}/{split}")  # for the next `load`
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
        """Return ``custom:`` and the import path of the class."""
        return f"custom:{self.dataset}"

    def _open(self, split: str, place: str) -> Any:
        make, parameters = import_class(self.dataset)
        arguments = {
            name: value for name, value in (("split", split), ("data_dir", self.data_dir)) if name in parameters
        }
        try:
            dataset = make(**arguments)
        except Exception as error:
            call = ", ".join(f"{name}={value!r}" for name, value in arguments.items())
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
    """Yield the texts and the label of every row."""
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
    """Return a label as a number, `UNLABELLED` if there is none."""
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
    """Return the rows with their labels, without the unlabelled rows if the task has such rows."""
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
    """Return whether an exception means that the dataset has no such split."""
    if isinstance(error, FileNotFoundError | NotImplementedError):
        return True
    return isinstance(error, LookupError | ValueError) and split in str(error)
