"""Rows of text with labels."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

Labels = NDArray[np.int64] | NDArray[np.float32]
RowIndices = NDArray[np.int64]


@dataclass(frozen=True)
class Examples:
    """The rows of one split.

    Attributes:
        task: the task's name.
        split: the split's name, one of ``Task.splits``.
        columns: the text columns of ``Task.columns``, each one string per row.
        labels: [rows] class ids (int64) or similarities (float32); ``None`` where the split has no labels.
        source: where the rows come from, in words, such as ``dir:glue/CoLA/train.tsv``.
        synthetic: whether gluetune generated the rows.
    """

    task: str
    split: str
    columns: dict[str, list[str]]
    labels: Labels | None
    source: str
    synthetic: bool = False

    def __len__(self) -> int:
        return len(next(iter(self.columns.values())))

    def take(self, rows: RowIndices) -> Examples:
        """The given rows, in the given order."""
        columns = {name: [texts[row] for row in rows] for name, texts in self.columns.items()}
        return replace(self, columns=columns, labels=None if self.labels is None else self.labels[rows])
