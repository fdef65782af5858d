"""Rows of text as Python programs hold them: strings, pairs, and data frames."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias

from gluetune.data import Examples
from gluetune.errors import DataError, did_you_mean
from gluetune.tasks import Task

Rows: TypeAlias = "Sequence[str] | Sequence[Sequence[str]] | Any"
"""A list of texts, of pairs of texts for a task of two columns, or of dicts from the task's columns to texts.

Also a NumPy array of texts or ``[rows, 2]`` texts, and a pandas DataFrame with the task's columns.
"""

_SHOWN = 60  # characters of a value in a message


def as_examples(rows: Rows, task: Task) -> Examples:
    """Turns rows into examples without labels.

    Args:
        rows: texts, pairs of texts, dicts from columns to texts, or a DataFrame (or a mapping of lists, or of one
            row's texts) with the task's text columns; other columns are ignored.
        task: names the columns.

    Raises:
        DataError: a column is missing, a row has not the task's number of texts, or a value is no text.
    """
    if isinstance(rows, str):
        raise DataError(f"rows must be a list of texts, but got one text: {_shown(rows)}")
    if not isinstance(rows, Iterable):
        raise DataError(f"rows must be a list of texts, but got {_shown(rows)}")
    if isinstance(rows, Mapping) or hasattr(rows, "columns"):
        columns = {name: list(_column(rows, name, task)) for name in task.columns}
        lengths = {name: len(texts) for name, texts in columns.items()}
        if len(set(lengths.values())) > 1:
            raise DataError(f"columns must be of one length, but got {lengths}")
    else:
        pairs = [_texts(row, number, task) for number, row in enumerate(rows)]
        columns = {name: [row[place] for row in pairs] for place, name in enumerate(task.columns)}
    for name, texts in columns.items():
        for number, text in enumerate(texts):
            if not isinstance(text, str):
                raise DataError(f"values must be texts, but row {number} has {_shown(text)} in column {name!r}")
    split = task.test[0] if task.test else task.dev[0]
    return Examples(task.name, split, columns, None, "the rows given")


def _column(rows: Any, name: str, task: Task) -> Iterable[Any]:
    known = [str(column) for column in (rows if isinstance(rows, Mapping) else rows.columns)]
    if name not in known:
        raise DataError(
            f"rows of {task.name} must have the columns {', '.join(task.columns)}, but {name!r} is missing "
            f"from {', '.join(known) or 'none'}{did_you_mean(name, known)}"
        )
    column: Iterable[Any] = rows[name]
    return [column] if isinstance(column, str) else column


def _texts(row: Any, number: int, task: Task) -> Sequence[Any]:
    """A row's texts, one for each column."""
    if isinstance(row, Mapping):
        if missing := [name for name in task.columns if name not in row]:
            raise DataError(
                f"rows of {task.name} must have the columns {', '.join(task.columns)}, but row {number} has no "
                f"{missing[0]!r}{did_you_mean(missing[0], map(str, row))}"
            )
        return [row[name] for name in task.columns]
    if hasattr(row, "tolist"):  # of NumPy or pandas
        row = row.tolist()
    texts: Sequence[Any] = (row,) if isinstance(row, str) or not isinstance(row, Sequence) else row
    if len(texts) != len(task.columns):
        wanted = "one text" if len(task.columns) == 1 else f"a pair ({', '.join(task.columns)})"
        raise DataError(f"a row of {task.name} must be {wanted}, but row {number} is {_shown(row)}")
    return texts


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
