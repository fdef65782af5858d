"""Data source that loads the Hugging Face hub's datasets, or local copies of them, with the datasets library."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gluetune.data.examples import UNLABELLED, DataSource, Examples, Labels, check_split, class_ids
from gluetune.errors import DataError, did_you_mean
from gluetune.tasks import Task


class HubSource(DataSource):
    """Rows of ``nyu-mll/glue`` and ``stanfordnlp/snli``.

    Args:
        cache_dir: cache folder of the datasets library; ``None`` for its default. A local copy gets a sub-folder whose
            name is a fingerprint of the copy's files, so that an edited copy is read again.
        mirror: a local folder with copies of the hub's repositories (``<mirror>/nyu-mll/glue/README.md``, …) for
            machines without a network; ``None`` for the hub.
    """

    def __init__(self, cache_dir: str | None = None, mirror: str | Path | None = None) -> None:
        self.cache_dir = cache_dir
        self.mirror = None if mirror is None else Path(mirror).expanduser()

    def load(self, task: Task, split: str, *, labels: bool = True) -> Examples:
        """Load all rows of one split; rows with the label -1 have no label.

        Args:
            task: the task whose rows are loaded.
            split: one of ``task.splits``.
            labels: whether to read labels. If ``False``, every row is returned, whatever its label.

        Raises:
            DataError: the split cannot be loaded, lacks a column, or a cell has the wrong type or value.
        """
        place = self._place(task, split)
        check_split(task, split, place)
        dataset = self._dataset(task, split, place)
        columns = [*task.columns, *(["label"] if labels else [])]
        for name in columns:
            if name not in dataset.column_names:
                raise DataError(
                    f"the dataset must have the column {name!r}, but got "
                    f"({', '.join(dataset.column_names)}){did_you_mean(name, dataset.column_names)}",
                    place,
                )
        table = dataset.select_columns(columns)[:]
        for name in task.columns:
            _check_texts(table[name], name, place)
        found = _labels(task, table["label"], dataset.features["label"], place) if labels else None
        examples = Examples(task.name, split, {name: table[name] for name in task.columns}, found, place)
        return _labelled_rows(examples, task, place)

    def describe(self, task: Task) -> str:
        """Return ``hub:`` and the dataset with its configuration."""
        path, name = task.hub
        return "hub:" + "/".join(str(part) for part in (self.mirror, path, name) if part is not None)

    def _place(self, task: Task, split: str) -> str:
        return f"{self.describe(task)}/{split}"

    def _dataset(self, task: Task, split: str, place: str) -> Any:
        path, name = task.hub
        where = path if self.mirror is None else str(self.mirror / path)
        return load_dataset_split(
            where,
            name,
            split,
            cache_dir=self.cache_dir,
            place=place,
            hint="without a network, use `data.source: dir` or `synthetic`, or name a local copy of the "
            "hub in `data.dir`",
        )


def _check_texts(texts: list[Any], name: str, place: str) -> None:
    """Check that all cells are text; a reader of CSV files guesses the type of each cell.

    Raises:
        DataError: a cell is empty or not text.
    """
    row = next((row for row, text in enumerate(texts) if not isinstance(text, str)), None)
    if row is None:
        return
    if texts[row] is None:
        raise DataError(
            f"{name!r} must be text, but row {row} has none: its cell is empty, or a word such as NA or "
            "null that a reader of CSV takes for an empty cell",
            place,
        )
    raise DataError(
        f"{name!r} must be text, but is {texts[row]!r} ({type(texts[row]).__name__}) in row {row}; in a "
        "copy as Parquet or JSON lines text stays text, CSV has no types",
        place,
    )


def _labels(task: Task, values: list[Any], feature: Any, place: str) -> Labels | None:
    """Return labels with the task's class ids, or ``None`` if no row has a label."""
    numbers = np.array([_number(task, value, row, place) for row, value in enumerate(values)], np.float64)
    missing = np.isnan(numbers)
    numbers[missing] = UNLABELLED
    if (numbers == UNLABELLED).all():
        return None
    if missing.any() and not task.ignored_labels:
        raise DataError(
            f"all rows must have a label or none, but row {np.flatnonzero(numbers != UNLABELLED)[0]} has "
            f"one and row {np.flatnonzero(missing)[0]} has none",
            place,
        )
    if task.regression:
        return _checked(numbers, (task.minimum <= numbers) & (numbers <= task.maximum), task, place).astype(np.float32)
    ids = np.where(np.isfinite(numbers), numbers, UNLABELLED - 1).astype(np.int64)
    names = getattr(feature, "names", None) or list(task.labels)
    if set(names) != set(task.labels):
        raise DataError(f"the classes must be {', '.join(task.labels)}, but got {', '.join(names)}", place)
    known = (ids >= 0) & (ids < len(names)) | (ids == UNLABELLED) & bool(task.ignored_labels)
    order = np.array([*(task.labels.index(name) for name in names), UNLABELLED], np.int64)
    _checked(numbers, known & (ids == numbers), task, place)
    numbered: Labels = order[ids]
    return numbered


def _number(task: Task, value: Any, row: int, place: str) -> float:
    """Return a cell of the label column as a number; class names and aliases become ids, empty cells NaN."""
    if value is None or value == "":
        return np.nan
    if task.regression or not isinstance(value, str):
        try:
            return float(value)
        except (TypeError, ValueError):
            raise DataError(f"the label must be a number, but got {value!r} in row {row}", place) from None
    ids = class_ids(task)
    if value not in ids:
        raise DataError(
            f"the label must be one of {', '.join(map(repr, task.labels))}, but got {value!r} in row {row}"
            f"{did_you_mean(value, ids)}",
            place,
        )
    return ids[value]


def _checked(values: NDArray[Any], valid: NDArray[np.bool_], task: Task, place: str) -> NDArray[Any]:
    """Return the values if all are valid.

    Raises:
        DataError: a value is invalid; names the first one.
    """
    if valid.all():
        return values
    low, high = (task.minimum, task.maximum) if task.regression else (0, task.num_labels - 1)
    row = int(np.flatnonzero(~valid)[0])
    whole = "" if task.regression or float(values[row]).is_integer() else " and be whole"
    raise DataError(f"`{low:g} <= label <= {high:g}` must hold{whole}, but got {values[row]:g} in row {row}", place)


def _labelled_rows(examples: Examples, task: Task, place: str) -> Examples:
    if examples.labels is None or not task.ignored_labels:
        return examples
    kept = np.flatnonzero(examples.labels != UNLABELLED)
    if len(kept) == len(examples):
        return examples
    left = f"{place} ({len(examples) - len(kept)} rows without a label left out)"
    return replace(examples.take(kept), source=left)


# The datasets library keys its cache by a folder's settings, not by the files in it. Without a cache folder of its own
# for each state of a local copy, an edited copy would yield the rows of the cached one.
_FOLDER = "gluetune-local-copies"
_CHUNK_BYTES = 1 << 20


def load_dataset_split(
    dataset: str, name: str | None, split: str, *, cache_dir: str | None, place: str, hint: str
) -> Any:
    """Load one split with the datasets library.

    Args:
        dataset: name on the hub, or a local folder.
        name: configuration of the dataset; ``None`` for the only one.
        split: name of the split.
        cache_dir: cache folder of the datasets library; ``None`` for its default.
        place: what messages name as the place of an error.
        hint: end of the message if the hub cannot be reached.

    Returns:
        A ``datasets.Dataset``.

    Raises:
        DataError: the datasets library cannot load the split.
    """
    import datasets  # slow to import, and most jobs do not need it

    try:
        return datasets.load_dataset(dataset, name, split=split, cache_dir=local_copy_cache_dir(dataset, cache_dir))
    except DataError:
        raise
    except Exception as error:  # a broken README is a YAML error, a broken CSV one of pandas
        if Path(dataset).is_dir():
            raise DataError(
                f"the datasets library must be able to load the local copy, but could not ({_reason(error)})", place
            ) from error
        raise DataError(
            "the dataset must be in the cache or within reach, but loading it failed "
            f"({type(error).__name__}: {error}); {hint}",
            place,
        ) from error


def _reason(error: BaseException) -> str:
    """Return type and message of the exception at the start of the chain of causes."""
    while error.__cause__ is not None:
        error = error.__cause__
    return f"{type(error).__name__}: {error}"


def local_copy_cache_dir(dataset: str, cache_dir: str | None) -> str | None:
    """Return the cache folder with which a dataset is loaded.

    Args:
        dataset: name on the hub, or a local folder.
        cache_dir: cache folder of the datasets library; ``None`` for its default.

    Returns:
        ``cache_dir`` for a name on the hub, whose cache the library keys by commit. For a local folder, a sub-folder
        whose name is a fingerprint of all files in that folder.

    Raises:
        DataError: a file in the folder cannot be read.
    """
    folder = Path(dataset)
    if not folder.is_dir():
        return cache_dir
    from datasets import config  # slow to import

    return str(Path(cache_dir or config.HF_DATASETS_CACHE).expanduser() / _FOLDER / folder_fingerprint(folder)[:32])


def folder_fingerprint(folder: Path) -> str:
    """Return the SHA-256 of the names and contents of all files in a folder except hidden ones.

    Raises:
        DataError: a file cannot be read.
    """
    digest = hashlib.sha256()
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    for name in names:
        if any(part.startswith(".") for part in name.split("/")):
            continue
        file = folder / name
        try:
            status = file.stat()
            content = _content(str(file), status.st_size, status.st_mtime_ns)
        except OSError as error:
            raise DataError(f"the file must be readable, but got {error.strerror}", file) from error
        digest.update(f"{name}\0{content}\n".encode())
    return digest.hexdigest()


@lru_cache(maxsize=4096)
def _content(file: str, size: int, modified: int) -> str:
    """Return the SHA-256 of a file; the cached value is used while size and modification time are unchanged."""
    digest = hashlib.sha256()
    with open(file, "rb") as stream:
        while chunk := stream.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()
