"""Comma-separated and tab-separated files as tables, read in batches by pyarrow."""

from __future__ import annotations

import csv
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv as arrow_csv

from gluetune.data.byte_streams import data_suffix, open_bytes, open_text, text_encoding, undecodable
from gluetune.data.table import Table
from gluetune.errors import DataError

_SEPARATORS = {",": "a comma", ";": "a semicolon", "\t": "a tab", "|": "a vertical bar"}
_BLOCK_BYTES = 1 << 24
_MAX_BLOCK_BYTES = 1 << 30  # of a row in quotes that is longer than a block
_END = "gluetune: end of the file"
_WELL_QUOTED = r'(?s)^"(?:[^"]|"")*"$'


@dataclass(frozen=True, slots=True)
class _Format:
    """How the cells of a file are separated.

    Attributes:
        encoding: ``utf-8-sig`` or ``utf-16``.
        separator: the character between cells.
        quotes: whether quotes enclose cells, which may then contain separators and line ends.
        names: the cells of the header.
    """

    encoding: str
    separator: str
    quotes: bool
    names: list[str]


class DelimitedTable(Table):
    r"""The rows of a ``.csv`` or ``.tsv`` file, whose first line names the columns; it may be compressed.

    Cells of a ``.csv`` file are separated by commas. If the header names more columns with semicolons, tabs or vertical
    bars, these separate them. Quotes may enclose a cell, which may then contain separators and line ends; two quotes
    stand for one. In a ``.tsv`` file, quotes are part of the text, unless each cell that begins with a quote is
    correctly quoted, or the lines alone do not form rows of equal width. Lines end at ``\n``, ``\r\n`` or ``\r``; blank
    lines are not rows. The encoding is UTF-8, or UTF-16 with its byte order mark.

    Args:
        file: the file.
    """

    def __init__(self, file: Path) -> None:
        self.file, self.place = file, str(file)

    def names(self) -> list[str]:
        """Return the cells of the header."""
        return self._format.names

    def read(self, columns: Sequence[str]) -> pa.Table:
        """Read columns as text.

        Raises:
            DataError: the file cannot be read, is not text, has no such column or no rows, or a row has too few or too
                many cells.
        """
        self.check_columns(columns, self.names(), 1)
        places = [self.names().index(column) for column in columns]
        table = pa.Table.from_batches(list(self._batches(self._format, places)), _schema(places))
        return self.check_rows(table.rename_columns(list(columns)))

    def line(self, row: int) -> int | None:
        """Return the 1-based line at which a row begins; ``None`` if Python's own reader cannot find it."""
        try:
            return next((line for number, (line, _) in enumerate(self._rows(self._format)) if number == row), None)
        except DataError:
            return None

    def notes(self) -> list[str]:
        """Return the encoding and the separator where they are not UTF-8 and that of the file's ending."""
        found = []
        if self._format.encoding == "utf-16":
            found.append(f"{self.place} is read as UTF-16, by its byte order mark")
        if self._format.separator != _usual_separator(self.file):
            found.append(f"{self.place} is read with {_SEPARATORS[self._format.separator]} between cells")
        return found

    @cached_property
    def _format(self) -> _Format:
        encoding = text_encoding(self.file)
        usual = _usual_separator(self.file)
        candidates = [usual, *(other for other in _SEPARATORS if other != usual)]
        headers = {separator: self._header(encoding, separator) for separator in candidates}
        separator = max(candidates, key=lambda each: len(headers[each]))  # the first of equals
        found = _Format(encoding, separator, True, headers[separator])
        if data_suffix(self.file) == ".tsv" and not self._quotes_enclose_cells(found):
            return _Format(encoding, separator, False, self._header(encoding, separator, quotes=False))
        self._check_last_quote(found)
        return found

    def _check_last_quote(self, found: _Format) -> None:
        """Check that the file does not end within quotes, which would make many rows one cell of the last one.

        Raises:
            DataError: it does; names the line of the row in which they begin.
        """
        with open_bytes(self.file) as stream:
            quotes = sum(chunk.count(b'"') for chunk in iter(lambda: stream.read(_BLOCK_BYTES), b""))
        if quotes % 2 == 0:
            return  # the usual case; an odd number may also be of a quote within a text
        line, cells = deque(self._rows(found, after=[_END]), maxlen=1).pop()
        if cells[-1] != _END:
            raise DataError(
                "each quote that begins a cell must have one that ends it, but one has none", self.place, line
            )

    def _header(self, encoding: str, separator: str, quotes: bool = True) -> list[str]:
        with open_text(self.file, encoding, newline="", errors="replace") as text:
            return next((row for row in _reader(text, separator, quotes) if row), [])

    def _quotes_enclose_cells(self, found: _Format) -> bool:
        """Return whether each cell that begins with a quote is enclosed by quotes, or lines are no rows."""
        unquoted = _Format(found.encoding, found.separator, False, self._header(found.encoding, found.separator, False))
        any_quoted = False
        try:
            for batch in self._arrow_batches(unquoted, range(len(unquoted.names)), _BLOCK_BYTES):
                for cells in batch.columns:
                    quoted = pc.starts_with(cells, '"')
                    well_quoted = pc.match_substring_regex(cells, _WELL_QUOTED)
                    if pc.any(pc.and_not(quoted, well_quoted)).as_py():
                        return False
                    any_quoted = any_quoted or bool(pc.any(quoted).as_py())
        except pa.ArrowInvalid:
            return True
        return any_quoted

    def _batches(self, found: _Format, places: Sequence[int]) -> Iterator[pa.RecordBatch]:
        for block_bytes in (_BLOCK_BYTES, _MAX_BLOCK_BYTES):
            try:
                return iter(list(self._arrow_batches(found, places, block_bytes)))
            except pa.ArrowInvalid as error:
                if "straddl" not in str(error) or block_bytes == _MAX_BLOCK_BYTES:
                    raise self._explained(found, error) from error
        raise AssertionError("unreachable")

    def _arrow_batches(self, found: _Format, places: Sequence[int], block_bytes: int) -> Iterator[pa.RecordBatch]:
        """Yield batches of the columns at these positions, which are also their names."""
        read = arrow_csv.ReadOptions(
            use_threads=False,
            block_size=block_bytes,
            column_names=[str(place) for place in range(len(found.names))],  # names need not be unique
            skip_rows_after_names=1,
            encoding="utf8" if found.encoding == "utf-8-sig" else found.encoding,
        )
        parse = arrow_csv.ParseOptions(
            delimiter=found.separator, quote_char='"' if found.quotes else False, newlines_in_values=found.quotes
        )
        schema = _schema(places)
        convert = arrow_csv.ConvertOptions(
            column_types=schema, include_columns=schema.names, strings_can_be_null=False, check_utf8=True
        )
        with open_bytes(self.file) as stream, arrow_csv.open_csv(stream, read, parse, convert) as reader:
            yield from reader

    def _explained(self, found: _Format, error: pa.ArrowInvalid) -> DataError:
        """Find the row that pyarrow refused, and return the error that names its line."""
        if "UTF8" in str(error):
            return undecodable(self.file, found.encoding)
        width, line = len(found.names), 1
        try:
            for line, cells in self._rows(found):
                if len(cells) != width:
                    return DataError(
                        f"a row must have {width} cells ({', '.join(found.names)}), but got {len(cells)}",
                        self.place,
                        line,
                    )
        except csv.Error as broken:
            return DataError(
                f"each quote that begins a cell must have one that ends it, but got {broken}", self.place, line
            )
        return DataError(f"the file must be readable, but pyarrow reports: {error}", self.place)

    def _rows(
        self, found: _Format, *, strict: bool = False, after: Sequence[str] = ()
    ) -> Iterator[tuple[int, list[str]]]:
        """Yield the 1-based line at which each row after the header begins, and its cells, by Python's own reader.

        Args:
            found: how cells are separated.
            strict: whether quotes that do not enclose a cell are errors.
            after: lines to read after those of the file.

        Raises:
            DataError: a row cannot be read.
        """
        with open_text(self.file, found.encoding, newline="") as text:
            reader = _reader(chain(text, ["\n"] if after else [], after), found.separator, found.quotes, strict)
            header, begin = True, 1
            try:
                for cells in reader:
                    if cells and not header:
                        yield begin, cells
                    header = header and not cells
                    begin = reader.line_num + 1
            except csv.Error as error:
                rule = "each quote that begins a cell must have one that ends it"
                raise DataError(f"{rule}, but got {error}", self.place, begin) from error


def _usual_separator(file: Path) -> str:
    return "\t" if data_suffix(file) == ".tsv" else ","


def _schema(places: Sequence[int]) -> pa.Schema:
    return pa.schema([(str(place), pa.large_string()) for place in places])


def _reader(text: Iterable[str], separator: str, quotes: bool, strict: bool = False) -> Any:
    if quotes:
        return csv.reader(text, delimiter=separator, strict=strict)
    return csv.reader(text, delimiter=separator, quoting=csv.QUOTE_NONE, strict=strict)
