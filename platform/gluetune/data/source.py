"""Where rows come from."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

from gluetune.data.examples import Examples
from gluetune.errors import DataError, did_you_mean
from gluetune.tasks import Task


class DataSource(ABC):
    """Where rows come from. Every source gives the columns, labels and splits of the task's row in ``TASKS``.

    Attributes:
        synthetic: whether gluetune generates the rows.
    """

    synthetic: ClassVar[bool] = False

    @abstractmethod
    def load(self, task: Task, split: str, *, labels: bool = True) -> Examples:
        """Reads one split.

        Args:
            task: the task.
            split: one of ``task.splits``.
            labels: whether to read labels. Without, no row is left out for the label that it has or lacks.

        Raises:
            DataError: the task has no such split, the source lacks it, or its rows break their format.
        """

    def has(self, task: Task, split: str) -> bool:
        """Whether the source has the split."""
        return split in task.splits

    @abstractmethod
    def describe(self, task: Task) -> str:
        """Where the task's rows would come from, in words. Reads nothing."""


def check_split(task: Task, split: str, place: object) -> None:
    """Refuses a split that the task does not have.

    Args:
        task: the task.
        split: its alleged split.
        place: where it was looked for, for the message.

    Raises:
        DataError: names the nearest split.
    """
    if split not in task.splits:
        raise DataError(
            f"the split of {task.name} must be one of {', '.join(task.splits)}, but got {split!r}"
            f"{did_you_mean(split, task.splits)}",
            str(place),
        )
