"""JSON files as tables: one object per line, or one list of objects."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa

from gluetune.config.yaml_files import TOO_DEEP
from gluetune.data.byte_streams import data_suffix, open_text, text_encoding
from gluetune.data.records import find_lone_surrogate, parse_object
from gluetune.data.table import Table
from gluetune.errors import DataError

_ROWS_PER_BATCH = 8192
_HEADER_ROWS = 100  # whose keys are the columns; other keys are found as rows are read

Row = tuple[int, dict[str, object]]
"""The 1-based line at which an object begins, and the object."""


class JsonTable(Table):
    """The rows of a ``.jsonl``, ``.ndjson`` or ``.json`` file, which may be compressed.

    A ``.jsonl`` or ``.ndjson`` file has one object per line; blank lines are not rows. A ``.json`` file has a list of
    objects, or objects one after the other. A row may lack keys that other rows have; its cells are then null. Numbers
    and booleans become text as `gluetune.data.table.as_cells` writes them.

    Args:
        file: the file.
    """

    def __init__(self, file: Path) -> None:
        self.file, self.place = file, str(file)

    def names(self) -> list[str]:
        """Return the keys of the first rows."""
        return list(dict.fromkeys(key for _, row in islice(self._rows(), _HEADER_ROWS) for key in row))

    def read(self, columns: Sequence[str]) -> pa.Table:
        """Read columns as text or lists of texts.

        Raises:
            DataError: the file cannot be read or is not JSON, no row has such a key, there are no rows, or a value is
                an object, or a list in one row and not in another.
        """
        seen: set[str] = set()
        parts: dict[str, list[pa.Array]] = {name: [] for name in columns}
        lists: dict[str, bool] = {}
        rows = self._rows()
        while batch := list(islice(rows, _ROWS_PER_BATCH)):
            for name in columns:
                cells = [self._cell(line, name, row.get(name)) for line, row in batch]
                seen.update([name] if any(name in row for _, row in batch) else [])
                parts[name].append(self._array(batch, name, cells, lists))
        missing = [name for name in columns if name not in seen]
        if any(parts.values()):
            self.check_columns(missing, self.names())
        table = pa.table({name: _chunked(arrays) for name, arrays in parts.items()})
        return self.check_rows(table)

    def line(self, row: int) -> int | None:
        """Return the 1-based line at which a row begins."""
        return next((line for line, _ in islice(self._rows(), row, None)), None)

    def notes(self) -> list[str]:
        """Return the encoding where it is not UTF-8."""
        return [f"{self.place} is read as UTF-16, by its byte order mark"] if self._encoding == "utf-16" else []

    @cached_property
    def _encoding(self) -> str:
        return text_encoding(self.file)

    def _rows(self) -> Iterator[Row]:
        return self._objects() if data_suffix(self.file) == ".json" else self._lines()

    def _lines(self) -> Iterator[Row]:
        with open_text(self.file, self._encoding, newline="\n") as text:
            for line, content in enumerate(text, 1):
                if content.strip():
                    yield line, parse_object(self.file, line, content)

    def _objects(self) -> Iterator[Row]:
        """Yield the objects of a list, or of a sequence."""
        with open_text(self.file, self._encoding, newline="") as text:
            content = text.read()
        decode = json.JSONDecoder().raw_decode
        position, line, counted = _skip(content, 0), 1, 0
        in_list = content.startswith("[", position)
        position = _skip(content, position + in_list)
        while position < len(content) and not (in_list and content[position] == "]"):
            line, counted = line + content.count("\n", counted, position), position
            try:
                row, end = decode(content, position)
            except json.JSONDecodeError as error:
                raise DataError(f"the file must be JSON, but got {error.msg}", self.file, error.lineno) from error
            except RecursionError as error:
                raise DataError(f"an object {TOO_DEEP}", self.file, line) from error
            except ValueError as error:
                raise DataError("a number must not have thousands of digits", self.file, line) from error
            if not isinstance(row, dict):
                rule = "the file must be a list of objects, or objects one after the other"
                raise DataError(f"{rule}, but got {type(row).__name__}", self.file, line)
            yield line, row
            position = self._next(content, end, line, in_list)

    def _next(self, content: str, end: int, line: int, in_list: bool) -> int:
        """Return the position of the next object, or of the end of the list."""
        position = _skip(content, end)
        if in_list:
            if not content.startswith((",", "]"), position):
                raise DataError("a list of objects must have commas and end with `]`, but does not", self.file, line)
            position = _skip(content, position + content.startswith(",", position))
        return position

    def _cell(self, line: int, name: str, value: object) -> str | list[str | None] | None:
        """Return a value as text or a list of texts; null for NaN."""
        if isinstance(value, list):
            return [self._text(line, name, item) for item in value]
        return self._text(line, name, value)

    def _text(self, line: int, name: str, value: object) -> str | None:
        if isinstance(value, str):
            return value
        if value is None or value != value:
            return None
        if isinstance(value, bool | int):
            return str(value)
        if isinstance(value, float):
            return repr(value).removesuffix(".0")
        kind = "an object" if isinstance(value, dict) else "a list in a list"
        raise DataError(f"{name!r} must be text, a number or a list of these, but is {kind}", self.file, line)

    def _array(self, batch: Sequence[Row], name: str, cells: list[Any], lists: dict[str, bool]) -> Any:
        """Return the cells of one batch.

        Args:
            batch: the rows.
            name: the column.
            cells: its cells.
            lists: whether the column holds lists, by name; set by the first cell that has a value.
        """
        for (line, _), cell in zip(batch, cells, strict=True):
            if cell is not None and isinstance(cell, list) != lists.setdefault(name, isinstance(cell, list)):
                rule = f"{name!r} must be a list in all rows or in none"
                raise DataError(f"{rule}, but is {'a list' if isinstance(cell, list) else 'none'}", self.file, line)
        kind = pa.large_list(pa.large_string()) if lists.get(name) else pa.large_string()
        try:
            return pa.array(cells, kind)
        except UnicodeEncodeError as error:
            raise self._lone_surrogate(batch, name, cells) from error

    def _lone_surrogate(self, batch: Sequence[Row], name: str, cells: list[Any]) -> DataError:
        for (line, _), cell in zip(batch, cells, strict=True):
            for text in cell if isinstance(cell, list) else [cell]:
                if text is not None and (half := find_lone_surrogate(text)):
                    rule = f"{name!r} must be Unicode text"
                    return DataError(f"{rule}, but has a lone surrogate: {half}", self.file, line)
        return DataError(f"{name!r} must be Unicode text", self.file)


def _skip(content: str, position: int) -> int:
    while position < len(content) and content[position] in " \t\r\n":
        position += 1
    return position


def _chunked(arrays: list[Any]) -> pa.ChunkedArray:
    """Return the batches of one column; batches without any value take the type of the others."""
    kinds = [array.type for array in arrays if array.null_count < len(array)] or [pa.large_string()]
    return pa.chunked_array([array if array.type == kinds[0] else pa.nulls(len(array), kinds[0]) for array in arrays])
