"""The definition of a task of the user's own files as JSON, which runs and trained models keep in their folders.

With it, a resumed run, an evaluation or a prediction knows the classes and their ids without the train file.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, JsonValue, ValidationError

from gluetune.errors import DataError
from gluetune.tasks.task import Problem, Task

TASKS_FILE = "tasks.json"
"""The file in a run's folder that defines its own tasks."""

_PLACES = ("train", "validation", "test", "dataset", "dataset_config", "weight", "group")


class TaskDefinition(BaseModel):
    """What a task of the user's own files is: its columns, classes, metrics and splits.

    Attributes:
        name: the task's name.
        title: its name in tables.
        columns: its text columns, one or two.
        labels: class names by class id; empty for a regression.
        problem: what the labels are.
        metrics: names of all its metrics.
        primary: the metric that ranks trials.
        train, dev, test: its splits.
        minimum, maximum: range of a regression's labels; ``None`` for no limit.
        tuned_thresholds: whether the winner gets decision thresholds.
        files: the keys and values of its section of a job file.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)

    name: str
    title: str
    columns: tuple[str, ...]
    labels: tuple[str, ...]
    problem: Problem
    metrics: tuple[str, ...]
    primary: str
    train: str | None = "train"
    dev: tuple[str, ...] = ()
    test: tuple[str, ...] = ()
    minimum: float | None = None
    maximum: float | None = None
    tuned_thresholds: bool = False
    files: dict[str, JsonValue]

    @classmethod
    def of(cls, task: Task) -> TaskDefinition:
        """Return the definition of a task.

        Args:
            task: a task of the user's own files.
        """
        fields = {name: getattr(task, name) for name in cls.model_fields}
        limits = {name: fields[name] if math.isfinite(fields[name]) else None for name in ("minimum", "maximum")}
        return cls.model_validate(fields | limits | {"files": dict(task.files)})

    def without_places(self) -> TaskDefinition:
        """Return the definition without the paths of the files, for a folder that is given to other people."""
        return self.model_copy(update={"files": {key: self.files[key] for key in self.files if key not in _PLACES}})

    def task(self) -> Task:
        """Return the task that this defines."""
        values: dict[str, Any] = {name: getattr(self, name) for name in type(self).model_fields}
        values["minimum"] = -math.inf if self.minimum is None else self.minimum
        values["maximum"] = math.inf if self.maximum is None else self.maximum
        return Task(**values, layouts={})


class _Definitions(BaseModel):
    """The content of ``tasks.json``."""

    model_config = ConfigDict(frozen=True)

    version: Literal[1] = 1
    tasks: dict[str, TaskDefinition]


def dump_definitions(tasks: Iterable[Task]) -> bytes:
    """Return the content of ``tasks.json``.

    Args:
        tasks: the tasks of a run; those that are not of the user's own files are left out.
    """
    own = {task.name: TaskDefinition.of(task) for task in tasks if task.own}
    return (_Definitions(tasks=own).model_dump_json(indent=1) + "\n").encode()


def parse_definitions(data: bytes, file: str) -> Mapping[str, Task]:
    """Read the content of ``tasks.json``.

    Args:
        data: the file's bytes.
        file: its name in messages.

    Returns:
        The tasks by name.

    Raises:
        DataError: the file is broken, or a newer version of gluetune wrote it.
    """
    try:
        return {name: each.task() for name, each in _Definitions.model_validate_json(data).tasks.items()}
    except (ValidationError, ValueError) as error:
        detail = error.errors()[0] if isinstance(error, ValidationError) else {"loc": (), "msg": str(error)}
        where = ".".join(map(str, detail["loc"]))
        raise DataError(
            f"the file must define the run's own tasks as gluetune wrote it, but got: {where or 'the file'}: "
            f"{detail['msg']}",
            file,
        ) from error
