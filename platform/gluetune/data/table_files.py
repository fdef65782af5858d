"""Files, folders, datasets and objects in memory as tables."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import pyarrow as pa
from pyarrow import parquet

from gluetune.data.byte_streams import COMPRESSIONS, data_suffix
from gluetune.data.delimited import DelimitedTable
from gluetune.data.hub import load_dataset_split
from gluetune.data.json_table import JsonTable
from gluetune.data.remote_files import RemoteTable, is_remote, local_copy
from gluetune.data.table import ArrowTable, Table, as_cells
from gluetune.errors import DataError, did_you_mean, did_you_mean_file

if TYPE_CHECKING:
    import datasets
    import pandas as pd

Frame: TypeAlias = "pa.Table | pd.DataFrame | datasets.Dataset"
"""Rows in memory."""

_ROWS_PER_BATCH = 1 << 16
_SAVED_DATASET, _SAVED_DICT = (
    "state.json",
    "dataset_dict.json",
)  # files of Dataset.save_to_disk, DatasetDict.save_to_disk


class ParquetTable(Table):
    """The rows of a ``.parquet`` file.

    Args:
        file: the file.
    """

    def __init__(self, file: Path) -> None:
        self.file, self.place = file, str(file)

    def names(self) -> list[str]:
        """Return the names of the columns."""
        with self._open() as opened:
            return list(opened.schema_arrow.names)

    def read(self, columns: Sequence[str]) -> pa.Table:
        """Read columns as text or lists of texts.

        Raises:
            DataError: the file is damaged, has no such column or no rows, or a column holds neither text nor numbers.
        """
        self.check_columns(columns, self.names())
        try:
            with self._open() as opened:
                batches = list(opened.iter_batches(_ROWS_PER_BATCH, columns=list(columns)))
                for batch in batches:
                    batch.validate(full=True)  # that text is UTF-8
        except (pa.ArrowException, OSError) as error:
            raise self._unreadable(error) from error
        kinds = [] if batches else [pa.table({name: pa.array([], pa.large_string()) for name in columns})]
        table = self.check_rows(pa.Table.from_batches(batches) if batches else kinds[0])
        return pa.table({name: as_cells(table.column(name), name, self.place) for name in columns})

    def _open(self) -> parquet.ParquetFile:
        try:
            return parquet.ParquetFile(self.file)
        except (pa.ArrowException, OSError) as error:
            raise self._unreadable(error) from error

    def _unreadable(self, error: Exception) -> DataError:
        return DataError(f"the file must be a whole Parquet file, but pyarrow reports: {error}", self.file)


_FORMATS: dict[str, Callable[[Path], Table]] = {
    ".csv": DelimitedTable,
    ".tsv": DelimitedTable,
    ".jsonl": JsonTable,
    ".ndjson": JsonTable,
    ".json": JsonTable,
    ".parquet": ParquetTable,
}


def open_tables(place: str | Path) -> list[Table]:
    """Return the tables of a file or folder, without reading their rows; those of a bucket from a local copy.

    Args:
        place: a path or URI: a file whose ending names its format, after which the ending of a compression may follow;
            a folder of such files of one format, which are read in the order of their names; or a folder that
            ``datasets.Dataset.save_to_disk`` wrote. Files that begin with ``.`` or ``_`` and files of other endings do
            not count.

    Raises:
        DataError: there is no such file or folder, or its ending names no format.
    """
    if is_remote(str(place)):
        copy = local_copy(str(place))
        return [RemoteTable(table, copy, str(place)) for table in open_tables(copy)]
    place = Path(place).expanduser()
    if not place.exists():
        raise DataError(f"must be a file or a folder, but there is none{did_you_mean_file(place)}", place)
    if not place.is_dir():
        return [_open_file(place)]
    if (place / _SAVED_DATASET).is_file():
        return [DatasetTable(_load_saved(place), str(place))]
    if (place / _SAVED_DICT).is_file():
        rule = "a folder of several splits must be named by `dataset`, and its splits by `train`, `validation`, `test`"
        raise DataError(f"{rule}, but is named here", place)
    return _open_folder(place)


def _open_file(file: Path) -> Table:
    kind = _FORMATS.get(data_suffix(file))
    if kind is None:
        endings, packed = ", ".join(_FORMATS), ", ".join(COMPRESSIONS)
        raise DataError(f"the file's name must end in one of {endings}, and then may in {packed}", file)
    return kind(file)


def _open_folder(folder: Path) -> list[Table]:
    files = sorted(path for path in folder.iterdir() if path.is_file() and not path.name.startswith((".", "_")))
    files = [file for file in files if data_suffix(file) in _FORMATS]
    endings = sorted({data_suffix(file) for file in files})
    if not files:
        raise DataError(f"the folder must hold files that end in one of {', '.join(_FORMATS)}, but holds none", folder)
    if len(endings) > 1:
        raise DataError(f"the files of a folder must have one format, but end in {', '.join(endings)}", folder)
    return [_open_file(file) for file in files]


def open_dataset(dataset: str, config: str | None, split: str, cache_dir: str | None) -> Table:
    """Return the table of one split of a dataset.

    Args:
        dataset: a name on the Hugging Face hub, a folder that ``DatasetDict.save_to_disk`` wrote, or a local copy of a
            repository of the hub.
        config: configuration of the dataset; ``None`` for the only one.
        split: name of the split.
        cache_dir: cache folder of the datasets library; ``None`` for its default.

    Raises:
        DataError: the split cannot be loaded.
    """
    place = "/".join(part for part in (dataset, config, split) if part)
    folder = Path(dataset).expanduser()
    if (folder / _SAVED_DICT).is_file():
        splits = _load_saved(folder)
        if split not in splits:
            rule = f"the split must be one of {', '.join(splits)}"
            raise DataError(f"{rule}, but got {split!r}{did_you_mean(split, splits)}", folder)
        return DatasetTable(splits[split], place)
    hint = "without a network, `dataset` may be a local folder"
    where = str(folder) if folder.is_dir() else dataset
    return DatasetTable(load_dataset_split(where, config, split, cache_dir=cache_dir, place=place, hint=hint), place)


def _load_saved(folder: Path) -> Any:
    import datasets  # slow to import, and most jobs do not need it

    try:
        return datasets.load_from_disk(str(folder))
    except Exception as error:  # a missing or damaged file of the folder, in many kinds
        rule = "the folder must be one that the datasets library saved"
        raise DataError(f"{rule}, but loading it failed ({type(error).__name__}: {error})", folder) from error


class DatasetTable(Table):
    """The rows of a ``datasets.Dataset``; cells of a ``ClassLabel`` column become names of classes, -1 null.

    Args:
        dataset: the rows.
        place: what messages name as the place of an error.

    Raises:
        DataError: it is not one split of a dataset.
    """

    def __init__(self, dataset: datasets.Dataset, place: str) -> None:
        self.dataset, self.place = dataset, place
        if not all(hasattr(dataset, name) for name in ("features", "__len__", "__getitem__")):
            raise DataError(f"must be one split of a dataset, but is {type(dataset).__name__}", place)

    def names(self) -> list[str]:
        """Return the names of the columns."""
        return list(self.dataset.column_names)

    def read(self, columns: Sequence[str]) -> pa.Table:
        """Read columns as text or lists of texts.

        Raises:
            DataError: the dataset has no such column or no rows, or a column holds neither text nor numbers.
        """
        self.check_columns(columns, self.names())
        if len(self.dataset) == 0:
            raise DataError("the dataset must hold rows, but has none", self.place)
        rows = self.dataset.select_columns(list(columns)).with_format("arrow")[:]
        names = {name: found for name in columns if (found := self.class_names(name))}
        return ArrowTable(rows, self.place, names).read(columns)

    def class_names(self, column: str) -> list[str] | None:
        """Return the names of a ``ClassLabel``, or of a list of them."""
        return _class_names(self.dataset.features.get(column))


def _class_names(feature: Any) -> list[str] | None:
    names = getattr(getattr(feature, "feature", feature), "names", None)
    return list(names) if names else None


def frame_table(frame: Frame, columns: Sequence[str], place: str) -> Table:
    """Return the table of rows in memory.

    Args:
        frame: a ``pandas.DataFrame``, a ``datasets.Dataset`` or a ``pyarrow.Table``.
        columns: the columns that are read; others need not be of types that Arrow has.
        place: what messages name as the place of an error, such as ``the DataFrame of train``.

    Raises:
        DataError: it is none of these, or a column that is read cannot be an Arrow array.
    """
    if isinstance(frame, pa.Table):
        return ArrowTable(frame, place)
    if hasattr(frame, "with_format"):
        return DatasetTable(frame, place)
    if hasattr(frame, "__arrow_c_stream__") and not hasattr(frame, "loc"):
        return ArrowTable(pa.table(frame), place)
    if not (hasattr(frame, "columns") and hasattr(frame, "loc")):
        rule = "must be a pandas.DataFrame, a datasets.Dataset or a pyarrow.Table"
        raise DataError(f"{rule}, but is {type(frame).__name__}", place)
    names = [str(name) for name in frame.columns]
    unread = pa.nulls(len(frame))
    arrays = [
        _series_array(frame.iloc[:, number], name, place) if name in columns else unread
        for number, name in enumerate(names)
    ]
    return ArrowTable(pa.table(arrays, names), place)


def _series_array(series: pd.Series[Any], name: str, place: str) -> Any:
    try:
        if series.dtype == object:
            return pa.array([_plain(value) for value in series], from_pandas=True)
        return pa.Array.from_pandas(series)
    except (pa.ArrowException, UnicodeEncodeError, OverflowError) as error:
        raise DataError(_odd_value(series, name, str(error)), place) from error


def _plain(value: Any) -> Any:
    """Return an array as a list: pyarrow refuses columns of arrays of which some are empty."""
    return value.tolist() if isinstance(value, np.ndarray) else value


def _odd_value(series: pd.Series[Any], name: str, reason: str) -> str:
    """Return a message about the first value that is not of the type of those before it."""
    first: type | None = None
    for row, value in enumerate(series):
        if value is None or (isinstance(value, float) and np.isnan(value)):
            continue
        first = first or type(value)
        if type(value) is not first:
            return f"{name!r} must hold values of one type, but is {value!r} ({type(value).__name__}) in row {row}"
    return f"{name!r} must hold text, numbers or lists of these, but pyarrow reports: {reason}"


def frame_tables(frames: Mapping[str, Frame], columns: Sequence[str]) -> dict[str, list[Table]]:
    """Return the tables of rows in memory by split, with the type of the object and the split as their place."""
    return {
        split: [frame_table(frame, columns, f"the {type(frame).__name__} of {split}")]
        for split, frame in frames.items()
    }
