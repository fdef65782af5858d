"""The section ``tasks`` of a job: known tasks with their weights, and descriptions of the user's own tasks."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BeforeValidator, Discriminator, Field, Tag

from gluetune.config.task_files import TaskFiles
from gluetune.errors import ConfigError
from gluetune.tasks import TASKS, Task, get_task, normal_name, plugin_names

_OWN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


class _OwnName(str):
    """The name of a task that a job describes, where all other names are those of known tasks."""

    __slots__ = ()


def read_tasks(value: Any) -> Any:
    """Return each task's weight or description, from ``cola,sst2``, ``[cola, sst2]`` or a mapping.

    Args:
        value: the value of ``tasks``; one that is in none of the three forms is returned as it is. A `Task` of the
            user's own files stands for its description.

    Raises:
        ValueError: no task, one that is not text, or one named twice.
    """
    if isinstance(value, str):
        value = [name.strip() for name in value.split(",") if name.strip()]
    if not isinstance(value, Mapping | list | tuple):
        return value
    if not value:
        raise ValueError("must name at least one task")
    pairs = list(value.items()) if isinstance(value, Mapping) else [_listed(item) for item in value]
    if strange := [name for name, _ in pairs if not isinstance(name, str)]:
        raise ValueError(f"must be names of tasks, but got {strange[0]!r}")
    _check_distinct([name for name, _ in pairs])
    return {_OwnName(name) if _is_own(entry) else str(name): _description(entry) for name, entry in pairs}


def only_own_tasks(value: Any) -> bool:
    """Whether a value of ``tasks``, which may have mistakes, describes tasks of the user's own files alone."""
    if isinstance(value, Mapping):
        return bool(value) and all(_is_own(entry) for entry in value.values())
    return isinstance(value, list | tuple) and bool(value) and all(_is_own(entry) for entry in value)


def _listed(item: Any) -> tuple[Any, Any]:
    """Return name and entry of one item of a list."""
    return (item.name, item) if isinstance(item, Task) else (item, 1.0)


def _is_own(entry: Any) -> bool:
    return isinstance(entry, Mapping | TaskFiles) or (isinstance(entry, Task) and entry.own)


def _description(entry: Any) -> Any:
    """Return the description of a `Task`; a built-in one counts 1."""
    if isinstance(entry, Task):
        return dict(entry.files) if entry.own else 1.0
    return entry


def _check_distinct(names: list[str]) -> None:
    seen: dict[str, str] = {}
    for name in names:
        key = normal_name(name)
        if key in seen:
            raise ValueError(f"must name each task once, but got {seen[key]!r} and {name!r}")
        seen[key] = name


def _task_name(name: Any) -> Any:
    """Return the canonical name of a task that can be searched, or the name of one of the user's own files.

    Raises:
        ValueError: no such task, or one without training data; a name that an own task cannot have.
    """
    if isinstance(name, _OwnName):
        check_own_name(name)
        return str(name)
    return _trainable_task(name) if isinstance(name, str) else name


def check_own_name(name: str) -> None:
    """Check the name of a task of the user's own files.

    Args:
        name: the name, which also names folders and MLflow models.

    Raises:
        ValueError: it has other characters than letters, digits and ``._-``, or is that of a known task.
    """
    if not _OWN_NAME.fullmatch(name):
        raise ValueError(
            "the name of a task of your own files must be letters, digits, '.', '_' and '-' that start with a letter "
            f"or digit, at most 100, but got {name!r}"
        )
    if normal_name(name) in TASKS:
        raise ValueError(
            f"a task of your own files must not have the name of a built-in task, but got {name!r}: that is "
            f"{TASKS[normal_name(name)].title}, whose rows data.source gives; choose another name"
        )
    if name in plugin_names():
        raise ValueError(
            f"a task of your own files must not have the name of a task that a plugin registers, but got {name!r}"
        )


def _trainable_task(name: str) -> str:
    try:
        task = get_task(name)
    except ConfigError as error:
        raise ValueError(error.issues[0].message) from error
    if task.train is None:
        raise ValueError(
            f"must have training data, but {task.name!r} has none: it is evaluated with the winner of "
            f"{task.evaluated_with!r}; search that one"
        )
    return task.name


def _kind(entry: Any) -> str:
    return "description" if isinstance(entry, Mapping | TaskFiles) else "weight"


TaskName = Annotated[str, BeforeValidator(_task_name)]
Weight = Annotated[float, Field(gt=0)]
TaskEntry = Annotated[Annotated[Weight, Tag("weight")] | Annotated[TaskFiles, Tag("description")], Discriminator(_kind)]
"""The weight of a known task, or the description of a task of the user's own files."""
