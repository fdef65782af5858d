"""Labelled rows that a Python program passes to a classifier: a file, a table in memory, or texts beside labels."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from gluetune.data import Examples, read_labelled_file
from gluetune.data.examples import Labels, class_ids
from gluetune.data.label_cells import enumerated
from gluetune.data.own_rows import read_labelled_frame
from gluetune.errors import DataError, did_you_mean
from gluetune.inference.predictions import Rows, as_examples
from gluetune.tasks import Task


def as_labelled(rows: Rows, labels: Sequence[Any] | None, task: Task) -> Examples:
    """Turn rows into examples with labels.

    Args:
        rows: the path of a file, a table in memory, or with ``labels`` what `as_examples` takes.
        labels: the label of each row; ``None`` where ``rows`` has labels.
        task: names the columns and the classes.

    Raises:
        DataError: rows or labels are missing or malformed; names the row, and the nearest class.
    """
    if isinstance(rows, str | os.PathLike):
        if labels is not None:
            raise DataError(f"labels of a file's rows must be in the file, but were given beside {os.fspath(rows)!r}")
        return read_labelled_file(os.fspath(rows), task)
    if labels is not None:
        examples = as_examples(rows, task)
        return replace(examples, labels=_parsed(labels, len(examples), task))
    if hasattr(rows, "column_names") or hasattr(rows, "columns"):
        return read_labelled_frame(rows, task)
    raise DataError(
        "rows must be scored with labels: one for each row, or rows that have them (a file, or a DataFrame with the "
        "task's label column)"
    )


def _parsed(labels: Sequence[Any], rows: int, task: Task) -> Labels:
    """Return labels as numbers."""
    cells = list(labels)
    if isinstance(labels, str) or len(cells) != rows:
        given = "one text" if isinstance(labels, str) else f"{len(cells):,}"
        raise DataError(f"there must be one label for each of the {rows:,} rows, but got {given}")
    if not rows:
        raise DataError("rows must be scored, but there are none")
    if task.regression:
        return np.array([_number(cell, row) for row, cell in enumerate(cells)], np.float32)
    ids = {name: number for name, number in class_ids(task).items() if number >= 0}
    if not task.multi_label:
        return np.array([_class(cell, ids, row, task) for row, cell in enumerate(cells)], np.int64)
    found = np.zeros((rows, task.num_labels), np.float32)
    for row, cell in enumerate(cells):
        if isinstance(cell, str) or not hasattr(cell, "__iter__"):
            raise DataError(f"a label of {task.name} must be a list of class names, but row {row} has {cell!r}")
        found[row, [_class(name, ids, row, task) for name in cell]] = 1
    return found


def _class(name: Any, ids: dict[str, int], row: int, task: Task) -> int:
    if str(name) not in ids:
        raise DataError(
            f"the label must be one of the classes {enumerated(task.labels)}, but row {row} has {name!r}"
            f"{did_you_mean(str(name), ids)}"
        )
    return ids[str(name)]


def _number(cell: Any, row: int) -> float:
    try:
        value = float(cell)
    except (TypeError, ValueError):
        value = np.nan
    if not np.isfinite(value):
        raise DataError(f"the label must be a number, but row {row} has {cell!r}")
    return value
