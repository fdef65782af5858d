"""Rows that a Python program holds in memory, kept as Parquet files until a run copies them into its folder."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from gluetune.errors import DataError

if TYPE_CHECKING:
    import datasets
    import pandas as pd

    Rows: TypeAlias = pd.DataFrame | datasets.Dataset


@cache
def _folder() -> Path:
    """Return this process's folder of such files, which is removed when the process ends."""
    folder = Path(tempfile.mkdtemp(prefix="gluetune-rows-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def keep_rows(rows: Rows, split: str) -> str:
    """Write rows to a Parquet file.

    Args:
        rows: a pandas DataFrame, whose index is left out, a `datasets.Dataset`, or a table that Arrow reads
            (``pyarrow.Table``, a polars DataFrame).
        split: name of the split that they are, for messages and the file's name.

    Returns:
        The file's path.

    Raises:
        DataError: the rows are of another type, or a column cannot be written.
    """
    file = Path(tempfile.mkdtemp(dir=_folder())) / f"{split}.parquet"
    columns: Any = getattr(rows, "columns", None)
    if columns is not None and hasattr(columns, "duplicated") and columns.duplicated().any():
        raise DataError(
            f"the {split} rows must have columns of different names, but got {', '.join(map(str, columns))}"
        )
    try:
        if hasattr(rows, "iloc"):
            rows.rename(columns=str).to_parquet(file, index=False)
        elif hasattr(rows, "to_parquet"):
            rows.to_parquet(str(file))
        elif hasattr(rows, "__arrow_c_stream__"):
            _write_arrow(rows, file)
        else:
            kind = f"{type(rows).__module__}.{type(rows).__name__}"
            rule = "must be a pandas DataFrame, a datasets.Dataset or an Arrow table"
            raise DataError(f"the {split} rows {rule}, but are {kind}")
    except (ValueError, TypeError, OSError) as error:  # pyarrow's errors are ValueErrors and TypeErrors
        raise DataError(f"the {split} rows must be written as Parquet, but cannot be: {error}") from error
    return str(file)


def _write_arrow(rows: Any, file: Path) -> None:
    import pyarrow as pa  # slow to import, and most jobs do not need it
    from pyarrow import parquet

    parquet.write_table(pa.table(rows), file)


def is_kept(path: str) -> bool:
    """Whether a path is that of a file that `keep_rows` of this process has written."""
    return _folder.cache_info().currsize > 0 and Path(path).is_relative_to(_folder())
