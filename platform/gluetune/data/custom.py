"""Data source that imports a dataset class of the user and loads its rows."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import sys
import traceback
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, NoReturn

import numpy as np

from gluetune.config.checks import split_dataset
from gluetune.data.examples import UNLABELLED, DataSource, Examples, Labels, check_split
from gluetune.data.records import find_lone_surrogate
from gluetune.errors import ConfigError, ConfigIssue, DataError, did_you_mean, did_you_mean_file
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


PARAMETERS = ("split", "data_dir")
"""Parameters that gluetune passes to a dataset class."""

_OWN_FILES = (__file__, importlib.__file__)


def import_class(path: str) -> tuple[Callable[..., Any], tuple[str, ...]]:
    """Import a dataset class.

    Args:
        path: ``package.module:Class`` or ``path/to/file.py:Class``.

    Returns:
        The class, and those of `PARAMETERS` that it accepts.

    Raises:
        ConfigError: module, file or class do not exist; the module raised an exception; the class does not accept
            ``split``, or has another parameter without a default.
    """
    parts = split_dataset(path)
    if parts is None:
        _refuse(f"must be package.module:Class or path/to/file.py:Class, but got {path!r}")
    where, name = parts
    module = _file(where) if where.endswith(".py") else _module(where)
    if not hasattr(module, name):
        known = [known for known, value in vars(module).items() if callable(value)]
        _refuse(f"{where} must have {name!r}, but has none{did_you_mean(name, known)}")
    found = getattr(module, name)
    if not callable(found):
        _refuse(f"{path} must be a class, but is {type(found).__name__}")
    return found, _parameters(found, path)


def describe_exception(error: BaseException, file: str | None = None) -> str:
    """Return the type and the message of an exception in the user's code, and the line that raised it.

    Args:
        error: the exception.
        file: the user's file, whose innermost line is named; ``None`` names the innermost line of the traceback.
    """
    message = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if frame.filename not in _OWN_FILES and not frame.filename.startswith("<frozen ")
    ]
    in_file = [frame for frame in frames if file is not None and _same_file(frame.filename, file)] or frames
    place = (
        f" ({in_file[-1].filename}, line {in_file[-1].lineno})"
        if in_file and not isinstance(error, SyntaxError)
        else ""
    )
    return message + place


def _same_file(first: str, second: str) -> bool:
    return Path(first).resolve() == Path(second).resolve()


def source_file(found: Callable[..., Any]) -> str | None:
    """Return the file that defines a class or function; ``None`` if there is none."""
    try:
        return inspect.getsourcefile(found)
    except TypeError:
        return None


def _module(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except Exception as error:
        return _raised(name, error)


def _file(name: str) -> ModuleType:
    """Run a file as a module, once per process."""
    file = Path(name).expanduser().resolve()
    if not file.is_file():
        _refuse(f"{name} must be a file, but there is none{did_you_mean_file(file)}")
    known = f"gluetune dataset {file}"
    spec = importlib.util.spec_from_file_location(known, file)
    if known in sys.modules or spec is None or spec.loader is None:
        return sys.modules[known]
    module = sys.modules[known] = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[known]
        _raised(name, error)
    return module


def _parameters(found: Callable[..., Any], path: str) -> tuple[str, ...]:
    try:
        signature = inspect.signature(found)
    except ValueError:  # some classes that are written in C have no signature
        return PARAMETERS
    takes = signature.parameters.values()
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in takes):
        taken: tuple[str, ...] = PARAMETERS
    else:
        named = {p.name for p in takes if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)}
        taken = tuple(name for name in PARAMETERS if name in named)
    needed = [p.name for p in takes if p.default is p.empty and p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)]
    if "split" not in taken:
        _refuse(f"{path} must take the parameter 'split', but takes {signature}")
    if other := [name for name in needed if name not in taken]:
        _refuse(f"{path} is called with (split, data_dir) alone, but needs {other[0]!r} too: {signature}")
    return taken


def _raised(name: str, error: Exception) -> NoReturn:
    hint = "; a file can be named as path/to/file.py:Class" if isinstance(error, ModuleNotFoundError) else ""
    file = name if name.endswith(".py") else None
    reason = f"{describe_exception(error, file)}{hint}"
    raise ConfigError([ConfigIssue("data.dataset", f"{name} cannot be imported: {reason}")]) from error


def _refuse(message: str) -> NoReturn:
    raise ConfigError([ConfigIssue("data.dataset", message)])
