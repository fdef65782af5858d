r"""Reader of tab-separated files without quoting and of files with one JSON object per line.

A line ends at ``\n``, ``\r\n`` or ``\r`` and nowhere else. Quotes and other separators (U+2028, form feeds) are part of
the text, as in GLUE's own readers (``csv`` with ``QUOTE_NONE`` in ``datasets/glue/glue.py``). Each line is a row. In a
file with one column, a blank line is a row with an empty text; in other files blank lines at the end are ignored, and
blank lines before the end are errors.
"""

from __future__ import annotations

import json
import re
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

from gluetune.config.yaml_files import MAX_DEPTH, TOO_DEEP
from gluetune.errors import DataError, did_you_mean
from gluetune.tasks import FileLayout

_MAX_VALUE_CHARACTERS = 40  # in a message
_STRING_OR_BRACKET = re.compile(r'"(?:[^"\\]|\\.)*"|[\[{]|[\]}]', re.DOTALL)


@dataclass(slots=True)
class Records:
    """The rows of one file, unparsed.

    Attributes:
        columns: the text columns, each a list with one string per row.
        labels: [rows] labels as strings, or as numbers where a JSON file has numbers; empty if the layout has no label.
        lines: [rows] 1-based line numbers.
        malformed: number of rows that were skipped because they have too few columns.
    """

    columns: list[list[str]]
    labels: list[str | float] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)
    malformed: int = 0


def read_records(file: Path, layout: FileLayout) -> Records:
    """Read the columns that a layout names.

    Args:
        file: a file with one JSON object per line if its name ends in ``.jsonl``, else a tab-separated file.
        layout: columns and header of the file.

    Raises:
        DataError: the file cannot be read, is not UTF-8, has no rows, or a line does not fit the layout.
    """
    lines = _lines(file)
    records = (_json if file.suffix.lower() == ".jsonl" else _tsv)(file, lines, layout)
    if not records.lines:
        reason = f"{records.malformed} malformed ones" if records.malformed else "a header"
        raise DataError(f"the file must hold rows, but got only {reason}", file)
    return records


def read_header(file: Path) -> list[str]:
    """Return the cells of the first line, or the keys of its object in a ``.jsonl`` file.

    Raises:
        DataError: the file cannot be read, is not UTF-8 or JSON, or is empty.
    """
    try:
        with file.open("rb") as stream:
            raw = stream.readline()
    except OSError as error:
        raise _unreadable(file, error) from error
    line = _split(file, raw)[0]
    return list(parse_object(file, 1, line)) if file.suffix.lower() == ".jsonl" else line.split("\t")


def _lines(file: Path) -> list[str]:
    """Return the lines of a file, blank lines included."""
    try:
        return _split(file, file.read_bytes())
    except OSError as error:
        raise _unreadable(file, error) from error


def _unreadable(file: Path, error: OSError) -> DataError:
    return DataError(f"the file must be readable, but got {error.strerror}", file)


def _split(file: Path, raw: bytes) -> list[str]:
    if kind := detect_non_text_format(raw):
        raise DataError(
            f"the file must be UTF-8 text, tab-separated or, in .jsonl, one JSON object per line, but is {kind}", file
        )
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = error.object[: error.start].replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        byte = f"0x{error.object[error.start]:02x}"
        raise DataError(
            f"text must be UTF-8, but got byte {byte} ({error.reason})",
            file,
            before.count(b"\n") + 1,
        ) from error
    lines = text.replace("\r\n", "\n").replace("\r", "\n").removesuffix("\n").split("\n")
    if not any(lines):
        raise DataError("the file must hold rows, but is empty", file)
    return lines


def _without_blank_end(lines: list[str]) -> list[str]:
    end = next((number for number in range(len(lines), 0, -1) if lines[number - 1].strip()), 0)
    return lines[:end]


def _tsv(file: Path, lines: list[str], layout: FileLayout) -> Records:
    names = lines[0].split("\t") if layout.header else []
    text = [_position(file, names, name) for name in layout.text]
    label = None if layout.label is None else _position(file, names, layout.label)
    width = len(names) or 1 + max(*text, label or 0)
    if layout.ragged and label is not None:
        label -= width
    records = Records([[] for _ in text])
    for line, row in enumerate(
        (lines if width == 1 else _without_blank_end(lines))[layout.header :], 1 + layout.header
    ):
        cells = row.split("\t")
        if len(cells) < width and layout.skip_malformed:
            records.malformed += 1
            continue
        if len(cells) != width and not (layout.ragged and len(cells) > width):
            _refuse_width(file, line, names, width, len(cells))
        for column, position in zip(records.columns, text, strict=True):
            column.append(cells[position])
        if label is not None:
            records.labels.append(cells[label])
        records.lines.append(line)
    return records


def _position(file: Path, names: list[str], column: str | int) -> int:
    """Return the position of a column, looked up in the header if it is a name."""
    if isinstance(column, int):
        return column
    if column not in names:
        raise DataError(
            f"the header must name {column!r}, but got ({', '.join(names)}){did_you_mean(column, names)}", file, 1
        )
    return names.index(column)


def _refuse_width(file: Path, line: int, names: list[str], width: int, got: int) -> NoReturn:
    which = f" ({', '.join(names)})" if names else ""
    raise DataError(f"a row must have {width} tab-separated columns{which}, but got {got}", file, line)


def _json(file: Path, lines: list[str], layout: FileLayout) -> Records:
    records = Records([[] for _ in layout.text])
    for line, text in enumerate(_without_blank_end(lines), 1):
        row = parse_object(file, line, text)
        for column, name in zip(records.columns, layout.text, strict=True):
            column.append(_string(file, line, row, str(name)))
        if layout.label is not None:
            records.labels.append(_label(file, line, row, str(layout.label)))
        records.lines.append(line)
    return records


def parse_object(file: Path, line: int, text: str) -> dict[str, object]:
    """Parse a line that must be one JSON object.

    Args:
        file: the file, named in messages.
        line: 1-based number of the line, named in messages.
        text: the line.

    Raises:
        DataError: it is not, nests too deep, or has a number of thousands of digits.
    """
    if json_too_deep(text):
        raise DataError(f"a line {TOO_DEEP}", file, line)
    try:
        row = json.loads(text)
    except json.JSONDecodeError as error:
        raise DataError(
            f"a line must be one JSON object, but got {error.msg} at character {error.pos + 1}",
            file,
            line,
        ) from error
    except ValueError as error:  # a number with more digits than Python converts
        raise DataError(
            f"a number must have at most {sys.get_int_max_str_digits():,} digits, but one has more", file, line
        ) from error
    if not isinstance(row, dict):
        raise DataError(f"a line must be one JSON object, but got {_shown(row)}", file, line)
    return row


def _label(file: Path, line: int, row: dict[str, object], key: str) -> str | float:
    """Return a label as the file has it: a string, or a number that is a class id or the value of a regression."""
    value = row.get(key)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value
    return _string(file, line, row, key, "a string or a number")


def _string(file: Path, line: int, row: dict[str, object], key: str, kind: str = "a string") -> str:
    if key not in row:
        raise DataError(f"the object must have {key!r}, but got ({', '.join(row)}){did_you_mean(key, row)}", file, line)
    value = row[key]
    if not isinstance(value, str):
        raise DataError(f"{key!r} must be {kind}, but got {_shown(value)}", file, line)
    if half := find_lone_surrogate(value):
        raise DataError(f"{key!r} must be Unicode text, but has a lone surrogate: {half}", file, line)
    return value


def _shown(value: object) -> str:
    """Return the first characters of a JSON value, written as JSON."""
    text = json.dumps(value, ensure_ascii=True)
    return text if len(text) <= _MAX_VALUE_CHARACTERS else f"{text[:_MAX_VALUE_CHARACTERS]}…"


_SURROGATE = re.compile("[\ud800-\udfff]")
_NUL_SEARCH_BYTES = 512
_KINDS = (
    (b"PK\x03\x04", "a zip archive, as .xlsx and .ods files are"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Microsoft Office file, as .xls files are"),
    (b"PAR1", "a Parquet file"),
    (b"ARROW1", "an Arrow file"),
    (b"SQLite format 3\x00", "an SQLite database"),
    (b"\x1f\x8b", "compressed by gzip"),
    (b"BZh", "compressed by bzip2"),
    (b"\xfd7zXZ\x00", "compressed by xz"),
    (b"(\xb5/\xfd", "compressed by zstd"),
    (b"%PDF-", "a PDF file"),
    (b"\xff\xfe", "text in UTF-16"),
    (b"\xfe\xff", "text in UTF-16"),
)


def detect_non_text_format(data: bytes) -> str | None:
    """Return a description of a file format that is not UTF-8 text, or ``None`` if the bytes look like text.

    Args:
        data: the content of the file, or its first bytes.
    """
    return next((kind for start, kind in _KINDS if data.startswith(start)), None) or (
        "a binary file: it begins with NUL bytes" if b"\0" in data[:_NUL_SEARCH_BYTES] else None
    )


def find_lone_surrogate(text: str) -> str | None:
    r"""Return a description of the first lone surrogate in a text, such as ``"\ud800"``, or ``None``.

    Strings in JSON and Python can contain lone surrogates, but these are not characters: they cannot be encoded as
    UTF-8, and tokenizers reject them.
    """
    found = None if text.isascii() else _SURROGATE.search(text)
    return None if found is None else f"\\u{ord(found.group()):04x} at character {found.start() + 1}"


def json_too_deep(text: str) -> bool:
    """Return whether a JSON text nests more than `MAX_DEPTH` arrays and objects.

    Python's parser stops at the recursion limit instead, which depends on the process: libraries raise it on import,
    and the caller has used up some of it. Brackets inside strings do not count. Texts with few brackets, which is
    nearly all of them, are only counted.

    Example:
        >>> json_too_deep('{"a": "[[["}'), json_too_deep("[" * 200 + "]" * 200)
        (False, True)
    """
    if text.count("[") + text.count("{") <= MAX_DEPTH:
        return False
    depth = 0
    for token in _STRING_OR_BRACKET.finditer(text):
        first = token.group()[0]
        depth += (first in "[{") - (first in "]}")
        if depth > MAX_DEPTH:
            return True
    return False
