"""What problem the labels of a task's train rows pose, and which classes there are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NoReturn

import pyarrow as pa
import pyarrow.compute as pc

from gluetune.config import TaskFiles
from gluetune.data.label_cells import (
    LIST_TEXT,
    ParsedLabels,
    are_lists,
    are_numbers,
    are_whole,
    as_lists,
    class_ids,
    class_sets,
    enumerated,
    flags,
    number_mask,
    numbers,
    text_cells,
)
from gluetune.data.table import Table, counted
from gluetune.errors import ConfigError, ConfigIssue, DataError
from gluetune.tasks.task import Problem

MAX_WHOLE_CLASSES = 20
"""Whole numbers of at most this many different values are classes."""

_ROWS_PER_ID = 5
_SEPARATORS = ("|", ";", ",")
_MIN_DIFFERENT = 10  # classes that may have fewer than two rows on average


@dataclass(frozen=True)
class LabelRule:
    """How label columns become labels.

    Attributes:
        problem: what the labels are.
        columns: the label columns: one, or for multi-label one per class.
        names: names of the classes in the order of their ids; empty for a regression.
        decided: how the problem was decided, a sentence.
        whole: whether ``1.0`` is another spelling of the class ``1``.
        separator: what separates the classes in a cell of text of a multi-label task, as in
            `gluetune.data.label_cells.as_lists`.
    """

    problem: Problem
    columns: tuple[str, ...]
    names: tuple[str, ...]
    decided: str
    whole: bool = False
    separator: str | None = None

    def parse(self, rows: pa.Table, table: Table) -> ParsedLabels:
        """Return the labels of rows, and which rows have one.

        Args:
            rows: has the label columns.
            table: the table that they come from, whose place messages name.

        Returns:
            [rows] class ids (int64), [rows] numbers (float32) or, for multi-label, [rows, labels] float32 zeros and
            ones; and [rows] whether the row has a label. Labels of rows without one are 0.

        Raises:
            DataError: a label is none of the classes, or not a number; names its row.
        """
        if len(self.columns) > 1:
            return flags(rows, self.columns, table)
        column = rows.column(self.columns[0])
        if self.problem == "multi_label":
            _check_kind(column, self.columns[0], table, lists=self.separator is None)
            return class_sets(as_lists(column, self.separator, table), self.names, table)
        _check_kind(column, self.columns[0], table, lists=False)
        cells = text_cells(column, self.names, whole=self.whole)
        return numbers(cells, table) if self.problem == "regression" else class_ids(cells, self.names, table)


def _check_kind(column: pa.ChunkedArray, name: str, table: Table, *, lists: bool) -> None:
    if pa.types.is_large_list(column.type) != lists:
        kinds = ("text or numbers", "lists")
        raise DataError(
            f"{name!r} must hold {kinds[lists]}, as in the train rows, but holds {kinds[not lists]}", table.place
        )


def decide_labels(tables: Sequence[Table], files: TaskFiles, task: str) -> LabelRule:
    """Decide by the train rows what problem a task's labels pose, and which classes there are.

    ``problem: auto`` decides in this order:

    1. Several label columns, or a column of lists, are ``multi_label``. A column of text is one of lists if each cell
       is a list as JSON or Python write it.
    2. If the task has ``labels``, it is ``single_label``.
    3. Numbers of which one is not whole are a ``regression``.
    4. Whole numbers are ``single_label`` if there are at most 20 different ones, or if they are all of 0, 1, …, k or
       all of 1, 2, …, k with five rows each on average; else a ``regression``.
    5. Everything else is ``single_label``.

    Classes are sorted, whole numbers by value, unless the task has ``labels``.

    Args:
        tables: the tables of the train rows.
        files: the task.
        task: its name, for messages.

    Raises:
        ConfigError: ``problem`` or ``labels`` do not fit the label columns.
        DataError: no row has a label, there is one class only, or nearly as many classes as rows.
    """
    columns = (files.label,) if isinstance(files.label, str) else tuple(files.label)
    twice = [name for name, count in Counter(files.labels or ()).items() if count > 1]
    if twice:
        _refuse(task, "labels", f"must name each class once, but got {twice[0]!r} twice")
    if len(columns) > 1:
        return _several_columns(columns, files, task)
    cells = [(table, table.read(columns).column(columns[0])) for table in tables]
    first_table, first = cells[0]
    for table, column in cells:
        _check_kind(column, columns[0], table, lists=pa.types.is_large_list(first.type))
    names = next((found for table in tables if (found := table.class_names(columns[0]))), None)
    files = files if files.labels or names is None else files.model_copy(update={"labels": names})
    if pa.types.is_large_list(first.type):
        return _lists(cells, columns[0], files, task, None)
    joined = pa.chunked_array([text_cells(column, files.labels or ()) for _, column in cells])
    if joined.null_count == len(joined):
        raise DataError(
            f"{columns[0]!r} must hold labels, but none of {counted(len(joined), 'row')} has one", first_table.place
        )
    if files.problem == "multi_label" or (files.problem == "auto" and are_lists(joined)):
        return _lists(cells, columns[0], files, task, _separator(joined))
    return _one_column(joined, columns[0], files, task, first_table)


def known_labels(tables: Sequence[Table], columns: Sequence[str], problem: Problem, names: Sequence[str]) -> LabelRule:
    """Return how new rows of a task become its labels, whatever classes occur in them.

    Args:
        tables: the rows; have the label columns.
        columns: the label columns.
        problem: what the labels of the task are.
        names: its classes in the order of their ids; empty for a regression.

    Raises:
        DataError: a table cannot be read.
    """
    if len(columns) > 1:
        return LabelRule(problem, tuple(names), tuple(names), "")
    separator = None
    if problem == "multi_label":
        cells = [table.read(columns).column(columns[0]) for table in tables]
        if not pa.types.is_large_list(cells[0].type):
            separator = _separator(pa.chunked_array([text_cells(each) for each in cells]))
    whole = problem == "single_label" and all(name.lstrip("-").isdecimal() for name in names)
    return LabelRule(problem, tuple(columns), tuple(names), "", whole=whole, separator=separator)


def _several_columns(columns: tuple[str, ...], files: TaskFiles, task: str) -> LabelRule:
    if files.problem not in ("auto", "multi_label"):
        _refuse(task, "problem", f"must be multi_label for {len(columns)} label columns, but got {files.problem}")
    if len(set(columns)) < len(columns):
        _refuse(task, "label", f"must name each column once, but got {', '.join(columns)}")
    if files.labels is not None and sorted(files.labels) != sorted(columns):
        _refuse(task, "labels", f"must be the label columns {', '.join(columns)}, but got {', '.join(files.labels)}")
    names = columns if files.labels is None else tuple(files.labels)
    return LabelRule("multi_label", names, names, f"there are {len(columns)} label columns: multi_label")


def _lists(
    cells: Sequence[tuple[Table, pa.ChunkedArray]], column: str, files: TaskFiles, task: str, separator: str | None
) -> LabelRule:
    if files.problem not in ("auto", "multi_label"):
        _refuse(task, "problem", f"must be multi_label for a column of lists, but got {files.problem}")
    found = [pc.unique(pc.list_flatten(as_lists(each, separator, table))) for table, each in cells]
    different = pc.unique(pa.chunked_array(found))
    names = tuple(files.labels or _sorted(different.to_pylist()))
    if len(names) < 2:
        raise DataError(f"{column!r} must hold at least two classes, but holds {len(names)}", cells[0][0].place)
    kinds = {None: "lists", LIST_TEXT: "lists as text"}
    kind = kinds.get(separator, f"text that is split at {separator!r}")
    rule = LabelRule("multi_label", (column,), names, "", separator=separator)
    return replace(rule, decided=f"{column!r} holds {kind} with {len(different)} different classes: multi_label")


def _separator(cells: pa.ChunkedArray) -> str:
    """Return what separates class names in cells of text: the first of ``|``, ``;`` and ``,`` that occurs in one.

    If a cell begins as a list does, all must be lists.
    """
    if pc.any(pc.starts_with(cells, "[")).as_py():
        return LIST_TEXT
    occurring = (each for each in _SEPARATORS if pc.any(pc.match_substring(cells, each)).as_py())
    return next(occurring, _SEPARATORS[0])


def _one_column(cells: pa.ChunkedArray, column: str, files: TaskFiles, task: str, table: Table) -> LabelRule:
    values = pc.drop_null(pc.unique(cells))
    numeric, whole = are_numbers(values), are_whole(values)
    problem = _problem(values, len(cells) - cells.null_count, files) if files.problem == "auto" else files.problem
    kind = ("whole numbers" if whole else "numbers") if numeric else "texts"
    decided = f"{column!r} holds {len(values)} different {kind}: {problem}"
    if files.problem != "auto":
        decided = f"problem is {problem}, as the task says; {column!r} holds {len(values)} different {kind}"
    if problem == "regression":
        if files.labels is not None:
            _refuse(task, "labels", "must be left out for a regression, whose labels are numbers")
        if numeric and len(values) < 2:
            raise DataError(f"{column!r} must hold different numbers, but all rows have {values[0]}", table.place)
        return LabelRule("regression", (column,), (), decided)
    dotted = pc.and_(number_mask(values), pc.match_substring(values, "."))
    drop_zeros = files.labels is None and are_whole(values.filter(dotted))
    if drop_zeros:
        values = pc.unique(text_cells(pa.chunked_array([values]), whole=True))
    names = tuple(files.labels or _sorted(values.to_pylist()))
    _check_class_count(names, values, len(cells) - cells.null_count, column, table)
    return LabelRule("single_label", (column,), names, decided, whole=drop_zeros)


def _problem(values: pa.Array, rows: int, files: TaskFiles) -> Problem:
    """Decide between classes and numbers, as `decide_labels` describes."""
    if files.labels is not None or not are_numbers(values):
        return "single_label"
    if not are_whole(values):
        return "regression"
    ids = sorted({int(float(value)) for value in values.to_pylist()})
    counted = ids[0] in (0, 1) and ids[-1] - ids[0] + 1 == len(ids) and rows >= _ROWS_PER_ID * len(ids)
    return "single_label" if len(ids) <= MAX_WHOLE_CLASSES or counted else "regression"


def _check_class_count(names: Sequence[str], values: pa.Array, rows: int, column: str, table: Table) -> None:
    if len(values) < 2:
        raise DataError(
            f"{column!r} must hold at least two classes, but {counted(rows, 'row')} with a label have only "
            f"{enumerated(values.to_pylist())}",
            table.place,
        )
    if len(names) > max(_MIN_DIFFERENT, rows / 2):
        raise DataError(
            f"classes must have two rows or more on average, but {column!r} holds {len(names):,} different ones in "
            f"{counted(rows, 'row')}",
            table.place,
        )


def _sorted(names: Sequence[str]) -> list[str]:
    """Return class names in the order of their ids: whole numbers by value, everything else as text."""
    try:
        return sorted(names, key=int)
    except ValueError:
        return sorted(names)


def _refuse(task: str, field: str, message: str) -> NoReturn:
    raise ConfigError([ConfigIssue.at(("tasks", task, field), message)])
