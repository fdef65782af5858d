"""Tasks that other distributions register by an entry point of the group ``gluetune.tasks``.

An entry point's name is the task's name; its value is a `Task`, or a function without parameters that returns one::

    [project.entry-points."gluetune.tasks"]
    tickets = "my_package.tasks:tickets"
"""

from __future__ import annotations

from functools import cache
from importlib.metadata import EntryPoint, entry_points

from gluetune.errors import ConfigError, ConfigIssue
from gluetune.tasks.task import Task

GROUP = "gluetune.tasks"


@cache
def _registered() -> dict[str, EntryPoint]:
    """Return the entry points by the name that a job file uses; of several with one name the first."""
    found: dict[str, EntryPoint] = {}
    for point in entry_points(group=GROUP):
        found.setdefault(point.name, point)
    return found


def plugin_names() -> list[str]:
    """Return the names of all registered tasks, without importing them."""
    return list(_registered())


@cache
def load_plugin(name: str) -> Task:
    """Import a registered task.

    Args:
        name: one of `plugin_names`.

    Raises:
        ConfigError: the import or the function raises an exception, or the value is no task of that name; the message
            names the distribution.
    """
    point = _registered()[name]
    place = f"{point.value}, which {_distribution(point)} registers,"
    try:
        value = point.load()
        task = value() if callable(value) and not isinstance(value, Task) else value
    except Exception as error:  # of code that is not gluetune's
        reason = f"{type(error).__name__}: {error}".removesuffix(": ")
        raise _refused(name, f"{place} must be importable and return a gluetune.Task, but raised {reason}") from error
    if not isinstance(task, Task):
        raise _refused(
            name, f"{place} must be a gluetune.Task or return one, but is {type(task).__module__}.{type(task).__name__}"
        )
    if task.name != name:
        raise _refused(name, f"{place} must be a task of this name, but its name is {task.name!r}")
    return task


def forget_plugins() -> None:
    """Look entry points up anew at the next call, as after the installation of a distribution in a notebook."""
    _registered.cache_clear()
    load_plugin.cache_clear()


def _distribution(point: EntryPoint) -> str:
    return "another distribution" if point.dist is None else f"{point.dist.name} {point.dist.version}"


def _refused(name: str, message: str) -> ConfigError:
    return ConfigError([ConfigIssue(f"tasks.{name}", message)])
