"""Rows of text with labels, and where they come from."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from gluetune.tasks import Task

Labels = NDArray[np.int64] | NDArray[np.float32]
Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Examples:
    """The rows of one split.

    Attributes:
        task: the task's name.
        split: the split's name, one of ``Task.splits``.
        columns: the text columns of ``Task.columns``, each one string per row.
        labels: [rows] class ids (int64) or similarities (float32); ``None`` where the split has no labels.
        source: where the rows come from, in words, such as ``dir:glue/CoLA/train.tsv``.
    """

    task: str
    split: str
    columns: dict[str, list[str]]
    labels: Labels | None
    source: str

    def __len__(self) -> int:
        return len(next(iter(self.columns.values())))

    def take(self, rows: Rows) -> Examples:
        """The given rows, in the given order."""
        columns = {name: [texts[row] for row in rows] for name, texts in self.columns.items()}
        return replace(self, columns=columns, labels=None if self.labels is None else self.labels[rows])


class DataSource(ABC):
    """Where rows come from. Every source gives the columns, labels and splits of the task's row in ``TASKS``."""

    @abstractmethod
    def load(self, task: Task, split: str) -> Examples:
        """Reads one split.

        Args:
            task: the task.
            split: one of ``task.splits``.

        Raises:
            DataError: the split is missing, or its rows break their format.
        """

    def has(self, task: Task, split: str) -> bool:
        """Whether the source has the split."""
        return split in task.splits

    @abstractmethod
    def describe(self, task: Task) -> str:
        """Where the task's rows would come from, in words. Reads nothing."""
