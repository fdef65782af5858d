"""Cells of label columns as class ids, numbers, or zeros and ones."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from gluetune.data.examples import Labels
from gluetune.data.table import Table
from gluetune.errors import did_you_mean

MISSING = ("", "nan", "NaN", "NAN", "null", "NULL", "NA", "N/A", "<NA>", "#N/A")
"""Cells that mean that a row has no label, unless the task's ``labels`` name one of them as a class."""

LIST_TEXT = "["
"""Stands for cells of text that are lists as JSON or Python write them, in the place of a separator."""

_NUMBER = r"^[+-]?(?:(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?|inf)$"
_WHOLE = r"^[+-]?[0-9]+(?:\.0*)?$"
_TRUE, _FALSE = (("1", "1.0", "True", "true", "TRUE"), ("0", "0.0", "False", "false", "FALSE"))
_SHOWN_CLASSES = 10  # in a message
_SHOWN_CHARACTERS = 60

ParsedLabels = tuple[Labels, NDArray[np.bool_]]
"""Labels of all rows, 0 where a row has none, and [rows] whether a row has a label."""


def text_cells(column: pa.ChunkedArray, keep: Sequence[str] = (), *, whole: bool = False) -> pa.LargeStringArray:
    """Return label cells without the spaces around them; null where the row has no label.

    Args:
        column: [rows] cells of text.
        keep: classes that are never a missing label.
        whole: whether to write ``1.0`` as ``1``.
    """
    cells = pc.utf8_trim_whitespace(column.combine_chunks())
    missing = pa.array([word for word in MISSING if word not in keep], pa.large_string())
    cells = pc.if_else(pc.is_in(cells, value_set=missing), None, cells)
    return pc.replace_substring_regex(cells, r"^([+-]?[0-9]+)\.0*$", r"\1") if whole else cells


def number_mask(cells: Any) -> Any:
    """Return for each cell whether it is a decimal number; null for null."""
    return pc.match_substring_regex(cells, _NUMBER)


def are_numbers(cells: Any) -> bool:
    """Return whether all cells that have a value are decimal numbers."""
    return bool(pc.all(number_mask(cells)).as_py())


def are_whole(cells: Any) -> bool:
    """Return whether all cells that have a value are whole numbers; ``1.0`` is one."""
    return bool(pc.all(pc.match_substring_regex(cells, _WHOLE)).as_py())


def are_lists(cells: Any) -> bool:
    """Return whether all cells that have a value begin and end as a list in JSON or Python does."""
    return bool(pc.all(pc.match_substring_regex(cells, r"(?s)^\[.*\]$")).as_py())


def class_ids(cells: pa.LargeStringArray, names: Sequence[str], table: Table) -> ParsedLabels:
    """Return [rows] class ids (int64).

    Raises:
        DataError: a cell is none of the classes; names its row.
    """
    ids = pc.index_in(cells, value_set=pa.array(names, pa.large_string()))
    _check_classes(pc.and_(pc.is_null(ids), pc.is_valid(cells)), cells, names, table)
    known = cells.is_valid().to_numpy(zero_copy_only=False)
    return pc.fill_null(ids, 0).to_numpy(zero_copy_only=False).astype(np.int64), known


def numbers(cells: pa.LargeStringArray, table: Table) -> ParsedLabels:
    """Return [rows] numbers (float32).

    Raises:
        DataError: a cell is not a finite number; names its row.
    """
    row = pc.index(number_mask(cells), False).as_py()
    if row >= 0:
        raise table.error(f"the label must be a number, but got {short(cells[row].as_py())}", row)
    known = cells.is_valid().to_numpy(zero_copy_only=False)
    with np.errstate(over="ignore"):
        values = pc.fill_null(cells.cast(pa.float64()), 0.0).to_numpy(zero_copy_only=False).astype(np.float32)
    if not np.isfinite(values).all():
        row = int(np.flatnonzero(~np.isfinite(values))[0])
        raise table.error(f"the label must be a number that float32 has, but got {short(cells[row].as_py())}", row)
    return values, known


def flags(rows: pa.Table, columns: Sequence[str], table: Table) -> ParsedLabels:
    """Return [rows, columns] zeros and ones (float32). A row without a value in all columns has no label.

    Raises:
        DataError: a cell is neither 0 nor 1, or a row has a value in some columns only; names its row.
    """
    labels, known = (np.zeros((len(rows), len(columns)), np.float32), np.zeros((len(rows), len(columns)), np.bool_))
    for number, name in enumerate(columns):
        cells = text_cells(rows.column(name))
        true, false = (pc.is_in(cells, value_set=pa.array(words, pa.large_string())) for words in (_TRUE, _FALSE))
        wrong = pc.index(pc.and_(cells.is_valid(), pc.invert(pc.or_(true, false))), True).as_py()
        if wrong >= 0:
            raise table.error(f"{name!r} must be 0 or 1, but is {short(cells[wrong].as_py())}", wrong)
        labels[:, number] = true.to_numpy(zero_copy_only=False)
        known[:, number] = cells.is_valid().to_numpy(zero_copy_only=False)
    partly = np.flatnonzero(known.any(axis=1) & ~known.all(axis=1))
    if len(partly):
        empty = columns[int(np.argmin(known[partly[0]]))]
        raise table.error(f"a row must have all labels or none, but {empty!r} is empty", int(partly[0]))
    complete: NDArray[np.bool_] = np.logical_and.reduce(known, axis=1)
    return labels, complete


def class_sets(lists: pa.LargeListArray, names: Sequence[str], table: Table) -> ParsedLabels:
    """Return [rows, labels] zeros and ones (float32).

    Args:
        lists: [rows] names of classes; null where the row has no label, empty where it has none of the classes.
        names: the classes in the order of their ids.
        table: the table, whose place messages name.

    Raises:
        DataError: a name is none of the classes; names its row.
    """
    cells = pc.list_flatten(lists)
    rows = pc.list_parent_indices(lists).to_numpy(zero_copy_only=False)
    ids = pc.index_in(cells, value_set=pa.array(names, pa.large_string()))
    _check_classes(pc.is_null(ids), cells, names, table, rows)
    labels = np.zeros((len(lists), len(names)), np.float32)
    labels[rows, ids.to_numpy(zero_copy_only=False)] = 1
    return labels, lists.is_valid().to_numpy(zero_copy_only=False)


def as_lists(column: pa.ChunkedArray, separator: str | None, table: Table) -> pa.LargeListArray:
    """Return lists of class names, without spaces around them and without empty ones.

    Args:
        column: [rows] lists, or text.
        separator: what separates names in a cell of text; `LIST_TEXT` if the cell is a list in JSON or Python; ``None``
            if the cells are lists.
        table: the table, whose place messages name.

    Raises:
        DataError: a cell of text is not a list; names its row.
    """
    kind = pa.large_list(pa.large_string())
    if separator is None:
        lists = pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], kind)
    elif separator == LIST_TEXT:
        lists = pa.array(_parsed(text_cells(column), table), kind)
    else:
        lists = pc.split_pattern(text_cells(column), separator)
    items = pc.utf8_trim_whitespace(pc.list_flatten(lists)).cast(pa.large_string())
    kept = pc.fill_null(pc.not_equal(items, ""), False).to_numpy(zero_copy_only=False)
    rows = pc.list_parent_indices(lists).to_numpy(zero_copy_only=False)[kept]
    offsets = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=len(lists)))])
    return pa.LargeListArray.from_arrays(pa.array(offsets), items.filter(pa.array(kept)), mask=lists.is_null())


def _parsed(cells: pa.LargeStringArray, table: Table) -> Iterator[list[str] | None]:
    for row, cell in enumerate(cells):
        text = cell.as_py()
        if text is None:
            yield None
            continue
        found = _literal(text)
        if not isinstance(found, list) or not all(isinstance(item, str | int) for item in found):
            raise table.error(f"the label must be a list of class names, but got {short(text)}", row)
        yield [str(item) for item in found]


def _literal(text: str) -> object:
    """Return the value of a list as JSON or Python write it; ``None`` if it is neither."""
    for parse in (json.loads, ast.literal_eval):
        try:
            return parse(text)
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            continue
    return None


def _check_classes(
    unknown: Any, cells: Any, names: Sequence[str], table: Table, rows: NDArray[np.int64] | None = None
) -> None:
    """Raise the error of the first cell that is none of the classes, if there is one.

    Args:
        unknown: [cells] whether a cell is none of the classes.
        cells: [cells] names.
        names: the classes.
        table: the table, whose place the message names.
        rows: [cells] the row that each cell is in; ``None`` if there is one cell per row.
    """
    cell = pc.index(unknown, True).as_py()
    if cell < 0:
        return
    value = cells[cell].as_py()
    raise table.error(
        f"the label must be one of the classes {enumerated(names)}, but got {short(str(value))}"
        f"{did_you_mean(str(value), names)}",
        cell if rows is None else int(rows[cell]),
    )


def enumerated(names: Sequence[str]) -> str:
    """Return the names in quotes, separated by commas; of many, the first ones and their number."""
    shown = ", ".join(short(name) for name in names[:_SHOWN_CLASSES])
    return shown if len(names) <= _SHOWN_CLASSES else f"{shown}, … ({len(names)} in all)"


def short(value: str) -> str:
    """Return a cell in quotes, cut after 60 characters."""
    text = repr(value)
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}…"
