"""Files and folders as tables, by their endings."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from gluetune.data.byte_streams import COMPRESSIONS, data_suffix
from gluetune.data.delimited import DelimitedTable
from gluetune.data.table import Table
from gluetune.errors import DataError, did_you_mean_file

_FORMATS: dict[str, Callable[[Path], Table]] = {".csv": DelimitedTable, ".tsv": DelimitedTable}


def open_tables(file: Path) -> list[Table]:
    """Return the tables of a file, without reading it.

    Args:
        file: a file of a format that its ending names, which may be compressed.

    Raises:
        DataError: there is no such file, or its ending names no format.
    """
    file = file.expanduser()
    if not file.exists():
        raise DataError(f"must be a file or a folder, but there is none{did_you_mean_file(file)}", file)
    return [_open_file(file)]


def _open_file(file: Path) -> Table:
    kind = _FORMATS.get(data_suffix(file))
    if kind is None:
        raise DataError(
            f"the file's name must end in {', '.join(_FORMATS)}, or in one of these and {', '.join(COMPRESSIONS)}", file
        )
    return kind(file)
