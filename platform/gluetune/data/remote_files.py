"""Files in buckets: copied to this machine once per process, and named by their URIs in messages."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import pyarrow as pa
from pyarrow import fs

from gluetune.data.table import Table
from gluetune.errors import DataError


def is_remote(place: str) -> bool:
    """Return whether a place is a URI, such as ``s3://bucket/train.csv``, rather than a path on this machine."""
    return "://" in place


def local_copy(uri: str) -> Path:
    """Copy a file or folder of a bucket to this machine, and return the copy, which the end of the process deletes.

    An object that has not changed since the last call is not copied again.

    Args:
        uri: ``s3://…``, ``gs://…``, ``hdfs://…`` or ``file:///…``.

    Raises:
        DataError: there is no such file or folder, or the bucket cannot be reached.
    """
    try:
        files, path = fs.FileSystem.from_uri(uri)
        found = files.get_file_info(path)
        if found.type == fs.FileType.NotFound:
            raise DataError("must be a file or a folder, but there is none", uri)
        if found.type == fs.FileType.File:
            return _copied(uri, ((found.base_name, found.size, found.mtime_ns),))
        entries = [entry for entry in files.get_file_info(fs.FileSelector(path)) if entry.type == fs.FileType.File]
        return _copied(uri, tuple(sorted((entry.base_name, entry.size, entry.mtime_ns) for entry in entries)))
    except (pa.ArrowException, OSError, ValueError) as error:
        raise DataError(f"the file must be readable, but pyarrow reports: {error}", uri) from error


@cache
def _copied(uri: str, version: tuple[tuple[str, int | None, int | None], ...]) -> Path:
    """Return a copy of a file or folder of which ``version`` has the names, sizes and times of change."""
    name = uri.rstrip("/").rpartition("/")[2]
    copy = Path(tempfile.mkdtemp(dir=_folder())) / name
    single = len(version) == 1 and version[0][0] == name
    if not single:
        copy.mkdir()
    fs.copy_files(uri, str(copy), use_threads=False)
    return copy


@cache
def _folder() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="gluetune-files-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


class RemoteTable(Table):
    """A table of a bucket, read from a copy on this machine.

    Args:
        table: the copy.
        copy: the file or folder that was copied.
        uri: where it was copied from; messages name it.
    """

    def __init__(self, table: Table, copy: Path, uri: str) -> None:
        self._table, self._copy, self._uri = table, str(copy), uri.rstrip("/")
        self.place = table.place = self._named(table.place)

    def names(self) -> list[str]:
        """Return the names of the columns."""
        with self._naming():
            return self._table.names()

    def read(self, columns: Sequence[str]) -> pa.Table:
        """Read columns as text or lists of texts.

        Raises:
            DataError: the table lacks a column, or a row has the wrong format.
        """
        with self._naming():
            return self._table.read(columns)

    def line(self, row: int) -> int | None:
        """Return the line at which a row begins."""
        return self._table.line(row)

    def class_names(self, column: str) -> list[str] | None:
        """Return the names of the classes, where the table defines them."""
        return self._table.class_names(column)

    def notes(self) -> list[str]:
        """Return what was done to read the table."""
        return self._table.notes()

    def _named(self, place: str) -> str:
        return place.replace(self._copy, self._uri, 1)

    @contextmanager
    def _naming(self) -> Iterator[None]:
        """Name the URI in errors, in place of the copy."""
        try:
            yield
        except DataError as error:
            raise DataError(error.message, error.file and self._named(error.file), error.line) from error
