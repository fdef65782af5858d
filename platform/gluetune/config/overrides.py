"""The values of a job: those of its file, with overrides on top; the file and line, or the flag, of each."""

from __future__ import annotations

import copy
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from gluetune.config.job import named_scheduler
from gluetune.config.task_files import TaskFiles
from gluetune.config.tasks import read_tasks
from gluetune.config.validation import SettingsByChoice, format_value
from gluetune.config.yaml_files import YamlDocument
from gluetune.errors import ConfigIssue, KeyPath, dotted_path

_SHORTHANDS: dict[KeyPath, Callable[[Any], Any]] = {("search", "scheduler"): named_scheduler, ("tasks",): read_tasks}


@dataclass(frozen=True, slots=True)
class Override:
    """A value given on the command line.

    Attributes:
        path: dotted path of the key, such as ``search.num_samples``.
        value: the new value; a mapping replaces the whole section.
        flag: the flag as it was typed, such as ``--num-samples`` or ``--set``.
    """

    path: str
    value: Any
    flag: str = "--set"


class Overrides:
    """The merged values of a job.

    Args:
        document: the job file; one without a name where there is none.
        overrides: values that replace those of the file; later ones go before earlier ones.
        tables: settings that only one choice of another setting uses. Where an override makes the choice, the file's
            settings that the new choice does not use are dropped.

    Attributes:
        tree: the values.
        issues: overrides of keys below a value that is not a mapping.
    """

    def __init__(
        self,
        document: YamlDocument,
        overrides: Iterable[Override] = (),
        tables: Iterable[SettingsByChoice] = (),
    ) -> None:
        self.tree: dict[str, Any] = document.value or {}
        self.issues: list[ConfigIssue] = []
        self._file = document.file
        self._lines = dict(document.lines)
        self._flags: dict[KeyPath, str] = {}
        self._tables = tuple(tables)
        for override in overrides:
            self.apply(override)

    def is_set(self, path: str) -> bool:
        """Whether the file or an override sets a key, by its dotted path."""
        *sections, key = path.split(".")
        section: Any = self.tree
        for name in sections:
            section = section.get(name) if isinstance(section, dict) else None
        return isinstance(section, dict) and key in section

    def apply(self, override: Override) -> None:
        """Put one more override on top."""
        path = self._keys(override.path)
        section = self.tree
        for depth in range(1, len(path)):
            inner = _expand(path[:depth], section.get(path[depth - 1]))
            if not isinstance(inner, dict):
                rule = f"{dotted_path(path[:depth])} must be a mapping, but is {format_value(inner)}"
                self.issues.append(ConfigIssue.at(path, rule))
                inner = {}  # keeps the file's own value, which may be the mistake
            else:
                section[path[depth - 1]] = inner
            section = inner
        value = override.value if path != ("tasks",) else _selected(section.get("tasks"), override.value)
        section[path[-1]] = copy.deepcopy(value)
        self._lines = {known: line for known, line in self._lines.items() if known[: len(path)] != path}
        self._flags[path] = override.flag
        for table in self._tables:
            if path == (*table.section, table.chooser):
                self._drop_unused(table, section, override.value)

    def locate(self, issues: Iterable[ConfigIssue]) -> list[ConfigIssue]:
        """Fill in the file and line, or the flag, that each value came from; in file order, those of flags last."""
        found = [self._locate(issue) for issue in issues]
        return sorted(found, key=lambda issue: (issue.file is None, issue.line or sys.maxsize))

    def _locate(self, issue: ConfigIssue) -> ConfigIssue:
        for end in range(len(issue.keys), 0, -1):
            prefix = issue.keys[:end]
            flag = self._flags.get(prefix) or self._flag_inside(prefix)
            if flag is not None:
                return replace(issue, path=self._place(issue, prefix, flag))
            if prefix in self._lines:
                return replace(issue, file=self._file, line=self._lines[prefix])
        return replace(issue, file=self._file or None)

    def _place(self, issue: ConfigIssue, prefix: KeyPath, flag: str) -> str:
        """Return what a message names: the flag, or the key inside of a value that ``--set`` or a program gave."""
        if flag == "--set":
            return f"--set {issue.path}"
        inside = flag == dotted_path(prefix) and len(issue.keys) > len(prefix) + 1
        return issue.path if inside else flag

    def _keys(self, path: str) -> tuple[str, ...]:
        """Return the keys of a dotted path; the names of a job's own tasks may contain dots."""
        section, _, rest = path.partition(".")
        tasks = self.tree.get("tasks")
        if section == "tasks" and isinstance(tasks, dict):
            names = [name for name in tasks if isinstance(name, str) and (rest == name or rest.startswith(f"{name}."))]
            if names:
                name = max(names, key=len)
                inner = rest[len(name) + 1 :]
                return (section, name, *(inner.split(".") if inner else ()))
        return tuple(path.split("."))

    def _flag_inside(self, path: KeyPath) -> str | None:
        """Return the flag that created a section by setting a key in it; ``None`` where the file has the section."""
        inside = (flag for known, flag in self._flags.items() if known[: len(path)] == path)
        return None if path in self._lines else next(inside, None)

    def _drop_unused(self, table: SettingsByChoice, section: dict[str, Any], choice: Any) -> None:
        """Drop the file's settings that go with another choice; those of flags stay, and are mistakes."""
        for setting in table.unused(choice) & section.keys():
            if (*table.section, setting) not in self._flags:
                del section[setting]


def _selected(before: Any, names: Any) -> Any:
    """Return a list of tasks with the descriptions that the job file has of those among them that are its own."""
    if not isinstance(before, dict) or not isinstance(names, str | list):
        return names
    own = {name: entry for name, entry in before.items() if isinstance(entry, Mapping | TaskFiles)}
    chosen = [name.strip() for name in names.split(",") if name.strip()] if isinstance(names, str) else names
    if not any(isinstance(name, str) and name in own for name in chosen):
        return names
    return {name: own.get(name, 1.0) for name in chosen} if len(set(chosen)) == len(chosen) else names


def _expand(path: KeyPath, value: Any) -> Any:
    """Return the mapping that a missing or shortened section stands for."""
    if value is None:
        return {}
    try:
        return _SHORTHANDS[path](value) if path in _SHORTHANDS else value
    except ValueError:
        return value  # `validate` reports the mistake
