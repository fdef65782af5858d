"""The rows that a Python program passes to a classifier, and its predictions for them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from gluetune.data import Examples
from gluetune.errors import DataError, did_you_mean
from gluetune.tasks import Task
from gluetune.tasks.outputs import class_probabilities, predicted_classes

if TYPE_CHECKING:
    from gluetune.data.texts import TextTemplate


@dataclass(frozen=True)
class Predictions:
    """What a classifier says of rows, in row order.

    Attributes:
        task: the task.
        logits: [rows, num_labels] float32, finite.
        thresholds: [classes] probabilities above which a class is predicted; ``None`` for 0.5, and for the likeliest
            of classes that exclude each other.
    """

    task: Task
    logits: NDArray[np.float32]
    thresholds: NDArray[np.float64] | None = None

    def __len__(self) -> int:
        return len(self.logits)

    @property
    def label_ids(self) -> NDArray[np.int64]:
        """[rows] the predicted classes; for tasks with one class per row."""
        ids: NDArray[np.int64] = predicted_classes(self.task, self.logits, self.thresholds)
        return ids

    @property
    def labels(self) -> list[str]:
        """[rows] names of `label_ids`."""
        return [self.task.labels[number] for number in self.label_ids]

    @property
    def label_sets(self) -> list[list[str]]:
        """[rows] names of each row's classes, in the order of their ids; for multi-label tasks."""
        chosen = predicted_classes(self.task, self.logits, self.thresholds)
        return [[name for name, found in zip(self.task.labels, row, strict=True) if found] for row in chosen]

    @property
    def probabilities(self) -> NDArray[np.float64]:
        """[rows, classes] softmax of the logits, or the logistic function of a multi-label task's; no regression."""
        return class_probabilities(self.task, self.logits)

    @property
    def scores(self) -> NDArray[np.float32]:
        """[rows] the predicted numbers; for regression."""
        return self.logits[:, 0]


Rows: TypeAlias = "Sequence[str] | Sequence[Sequence[str]] | Any"
"""A list of texts, of pairs of texts for a task of two columns, or of dicts from the task's columns to texts.

Also a NumPy array of texts or ``[rows, 2]`` texts, and a pandas DataFrame with the task's columns.
"""

_SHOWN = 60  # characters of a value in a message


def as_examples(rows: Rows, task: Task) -> Examples:
    """Turn rows into examples without labels.

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
        columns = {name: _texts_of_column(rows, name, task) for name in task.columns}
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
    split = next(iter((*task.test, *task.dev)), "rows")
    return Examples(task.name, split, columns, None, "the rows given")


def _texts_of_column(rows: Any, name: str, task: Task) -> list[Any]:
    """Return a text column; one that the task makes from other columns by a template may be missing."""
    template = _template(task, name)
    known = [str(column) for column in (rows if isinstance(rows, Mapping) else rows.columns)]
    if template is None or name in known:
        return list(_column(rows, name, task))
    fields = [list(_column(rows, field, task)) for field in template.fields]
    return [template.format(dict(zip(template.fields, cells, strict=True))) for cells in zip(*fields, strict=False)]


def _template(task: Task, name: str) -> TextTemplate | None:
    """Return how the texts of a column are made from other columns; ``None`` where they are a column's own."""
    if not task.own:
        return None
    from gluetune.data.texts import parse_text  # imports pyarrow

    found = dict(zip(task.columns, parse_text(task.files["text"], task.name), strict=True))[name]
    return None if found.fields == (name,) else found


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
    """Return a row's texts, one for each column."""
    if isinstance(row, Mapping):
        row = _with_templates(row, task)
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


def _with_templates(row: Mapping[str, Any], task: Task) -> Mapping[str, Any]:
    """Return a row with the texts that the task makes from its other columns."""
    made = {}
    for name in task.columns if task.own else ():
        template = _template(task, name)
        if template is not None and name not in row and set(template.fields) <= set(row):
            made[name] = template.format(row)
    return {**row, **made} if made else row


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
