"""How a job names its tasks: ``cola,sst2``, ``[cola, sst2]`` or ``{cola: 2, sst2: 1}``."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator

from gluetune.errors import ConfigError
from gluetune.tasks import get_task


def _trainable(name: str) -> str:
    """The canonical name of a task that can be searched.

    Raises:
        ValueError: no such task, or one without training data.
    """
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


TaskName = Annotated[str, AfterValidator(_trainable)]


def task_weights(value: Any) -> Any:
    """Task names in any of the three forms as a mapping from name to weight.

    Raises:
        ValueError: no task, one that is not text, or one named twice.
    """
    if isinstance(value, str):
        value = [name.strip() for name in value.split(",") if name.strip()]
    names = list(value) if isinstance(value, dict | list) else None
    if names is None:
        return value
    if not names:
        raise ValueError("must name at least one task")
    if strange := [name for name in names if not isinstance(name, str)]:
        raise ValueError(f"must be names of tasks, but got {strange[0]!r}")
    _distinct(names)
    return value if isinstance(value, dict) else dict.fromkeys(names, 1.0)


def _distinct(names: list[str]) -> None:
    seen: dict[str, str] = {}
    for name in names:
        key = name.lower().replace("-", "").replace("_", "")
        if key in seen:
            raise ValueError(f"must name each task once, but got {seen[key]!r} and {name!r}")
        seen[key] = name
