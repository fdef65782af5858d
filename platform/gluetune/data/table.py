"""A table of rows that a task of the user's own is made from: its interface, and tables in memory.

Every table returns its columns in one form, whatever the file holds: text (``large_string``), in which numbers and
booleans are written as Python writes them, or lists of texts (``large_list``). A cell without a value is null.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from gluetune.errors import DataError, did_you_mean

_MAX_COLUMNS = 20  # in a message


def counted(number: int, what: str) -> str:
    """Return a number with its noun in the singular or plural, such as ``1 train row`` or ``2,000 train rows``."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"


class Table(ABC):
    """The rows of one file, dataset or object in memory.

    Attributes:
        place: the file or dataset, as messages name it.
    """

    place: str

    @abstractmethod
    def names(self) -> list[str]:
        """Return the names of the columns, without reading all rows.

        Raises:
            DataError: the table cannot be read.
        """

    @abstractmethod
    def read(self, columns: Sequence[str]) -> pa.Table:
        """Read columns in the form that this module describes.

        Args:
            columns: names of columns, each once.

        Raises:
            DataError: the table has no such column or two of that name, no rows, or a row has the wrong format.
        """

    def line(self, row: int) -> int | None:
        """Return the 1-based line at which a row begins, or ``None`` where rows have no lines.

        Args:
            row: position of the row in the table, counted from 0.
        """
        return None

    def class_names(self, column: str) -> list[str] | None:
        """Return the names of the classes in the order of their ids, where the table itself defines them."""
        return None

    def notes(self) -> list[str]:
        """Return what was done to read the table that is not a matter of course, one sentence each."""
        return []

    def error(self, message: str, row: int) -> DataError:
        """Build an error that names the place of a row.

        Args:
            message: the rule, then the values.
            row: position of the row in the table, counted from 0.
        """
        line = self.line(row)
        return DataError(message if line is not None else f"{message} in row {row}", self.place, line)

    def check_columns(self, columns: Sequence[str], names: Sequence[str], line: int | None = None) -> None:
        """Check that a table has columns, and only one of each name.

        Args:
            columns: the columns that are read.
            names: the columns that the table has.
            line: line of the header.

        Raises:
            DataError: a column is missing or its name occurs twice; the message suggests the nearest name.
        """
        for column in columns:
            if column not in names:
                shown = ", ".join(names[:_MAX_COLUMNS]) + (", …" if len(names) > _MAX_COLUMNS else "")
                raise DataError(
                    f"the columns must include {column!r}, but are ({shown}){did_you_mean(column, names)}",
                    self.place,
                    line,
                )
            if names.count(column) > 1:
                raise DataError(
                    f"each column must have a name of its own, but {names.count(column)} are named {column!r}",
                    self.place,
                    line,
                )

    def check_rows(self, table: pa.Table) -> pa.Table:
        """Return a table that has rows.

        Raises:
            DataError: it has none.
        """
        if len(table) == 0:
            raise DataError("the table must hold rows, but has none", self.place)
        return table


class ArrowTable(Table):
    """The rows of an Arrow table in memory.

    Args:
        table: the rows.
        place: what messages name as the place of an error.
        class_names: names of the classes by column, whose cells are ids; id -1 is a row without a label.
    """

    def __init__(self, table: pa.Table, place: str, class_names: dict[str, list[str]] | None = None) -> None:
        self.table, self.place, self._class_names = table, place, class_names or {}

    def names(self) -> list[str]:
        """Return the names of the columns."""
        return list(self.table.column_names)

    def read(self, columns: Sequence[str]) -> pa.Table:
        """Return columns as text or lists of texts.

        Raises:
            DataError: there is no such column, there are no rows, or a column holds neither text nor numbers.
        """
        self.check_columns(columns, self.names())
        self.check_rows(self.table)
        return pa.table({name: self._cells(name) for name in columns})

    def class_names(self, column: str) -> list[str] | None:
        """Return the names of the classes, where the cells are ids."""
        return self._class_names.get(column)

    def _cells(self, name: str) -> pa.ChunkedArray:
        column = self.table.column(name)
        if names := self._class_names.get(name):
            try:
                column = _named(column, names)
            except (pa.ArrowException, IndexError) as error:
                rule = f"the ids of {name!r} must be -1 to {len(names) - 1}"
                raise DataError(f"{rule}, but others occur", self.place) from error
        return as_cells(column, name, self.place)


def _named(ids: pa.ChunkedArray, names: Sequence[str]) -> pa.ChunkedArray:
    """Return the names of class ids; null for -1."""
    if pa.types.is_list(ids.type) or pa.types.is_large_list(ids.type):
        return pa.chunked_array([_named_lists(chunk, names) for chunk in ids.chunks], pa.large_list(pa.large_string()))
    known = pc.if_else(pc.equal(ids, -1), None, ids)
    return pc.take(pa.array(names, pa.large_string()), known)


def _named_lists(ids: Any, names: Sequence[str]) -> Any:
    lists = [None if row is None else [names[item] for item in row] for row in ids.to_pylist()]
    return pa.array(lists, pa.large_list(pa.large_string()))


def as_cells(column: pa.ChunkedArray, name: str, place: str) -> pa.ChunkedArray:
    """Convert a column of any type to text or lists of texts.

    Whole numbers become their digits, other numbers the shortest digits that give the same number again, booleans
    ``True`` and ``False``, dates and times what pyarrow writes (``2026-01-31``); NaN becomes null.

    Args:
        column: the cells.
        name: name of the column, for messages.
        place: what messages name as the place of an error.

    Raises:
        DataError: the cells are neither text, numbers, booleans, dates nor lists of these.
    """
    chunks = [_convert(chunk, name, place) for chunk in column.chunks]
    return pa.chunked_array(chunks, None if chunks else pa.large_string())


def _convert(cells: Any, name: str, place: str) -> Any:
    kind = cells.type
    text = pa.large_string()
    if pa.types.is_dictionary(kind):
        return _convert(cells.dictionary_decode(), name, place)
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        lists = cells.cast(pa.large_list(kind.value_type))
        items = _convert(lists.values, name, place)
        if pa.types.is_large_list(items.type):
            raise DataError(f"{name!r} must hold text, numbers or lists of these, but holds {kind}", place)
        return pa.LargeListArray.from_arrays(lists.offsets, items, mask=lists.is_null())
    if pa.types.is_boolean(kind):
        return pc.if_else(cells, pa.scalar("True", text), pa.scalar("False", text))
    if pa.types.is_floating(kind):
        return pc.if_else(pc.is_nan(cells), None, cells).cast(text)
    if (
        pa.types.is_string(kind)
        or pa.types.is_large_string(kind)
        or pa.types.is_string_view(kind)
        or pa.types.is_integer(kind)
        or pa.types.is_decimal(kind)
        or pa.types.is_temporal(kind)
        or pa.types.is_null(kind)
    ):
        return cells.cast(text)
    raise DataError(f"{name!r} must hold text, numbers or lists of these, but holds {kind}", place)
