"""A job's values in layers: the file, then flags on top; each value remembers where it came from."""

from __future__ import annotations

import copy
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

from gluetune.config.job import named_scheduler
from gluetune.config.options import Options
from gluetune.config.tasks_field import task_weights
from gluetune.config.validation import format_value
from gluetune.config.yaml_files import YamlDocument
from gluetune.errors import ConfigIssue, KeyPath, dotted_path

_SHORTHANDS: dict[KeyPath, Callable[[Any], Any]] = {("search", "scheduler"): named_scheduler, ("tasks",): task_weights}


@dataclass(frozen=True, slots=True)
class Override:
    """A value given on the command line.

    Attributes:
        path: dotted path of the key, such as ``search.num_samples``.
        value: the new value; a mapping replaces the whole section.
        flag: the flag as the user gave it, such as ``--num-samples`` or ``--set``.
    """

    path: str
    value: Any
    flag: str = "--set"


class Overrides:
    """The merged values of a job.

    Args:
        document: the job file; one without a name where there is none.
        overrides: what replaces its values, later ones winning.
        options: choices in it. One that an override makes takes away the settings of the file that it does not use.

    Attributes:
        tree: the values.
        issues: overrides that have no place among them.
    """

    def __init__(
        self,
        document: YamlDocument,
        overrides: Iterable[Override] = (),
        options: Iterable[Options] = (),
    ) -> None:
        self.tree: dict[str, Any] = document.value or {}
        self.issues: list[ConfigIssue] = []
        self._file = document.file
        self._lines = dict(document.lines)
        self._flags: dict[KeyPath, str] = {}
        self._options = tuple(options)
        for override in overrides:
            self.apply(override)

    def given(self, path: str) -> bool:
        """Whether file or overrides set a key, by its dotted path."""
        *sections, key = path.split(".")
        section: Any = self.tree
        for name in sections:
            section = section.get(name) if isinstance(section, dict) else None
        return isinstance(section, dict) and key in section

    def apply(self, override: Override) -> None:
        """Puts one more override on top."""
        path = tuple(override.path.split("."))
        section = self.tree
        for depth in range(1, len(path)):
            inner = _expand(path[:depth], section.get(path[depth - 1]))
            if not isinstance(inner, dict):
                self.issues.append(
                    ConfigIssue.at(path, f"{dotted_path(path[:depth])} must be a mapping, but is {format_value(inner)}")
                )
                inner = {}  # keeps the file's own value, which may be what is wrong
            else:
                section[path[depth - 1]] = inner
            section = inner
        section[path[-1]] = copy.deepcopy(override.value)
        self._lines = {known: line for known, line in self._lines.items() if known[: len(path)] != path}
        self._flags[path] = override.flag
        for options in self._options:
            if path == (*options.section, options.chooser):
                self._take_away(options, section, override.value)

    def _take_away(self, options: Options, section: dict[str, Any], choice: Any) -> None:
        """Forgets the file's settings that go with another choice; those of flags stay, and are issues."""
        for setting in options.unused(choice) & section.keys():
            if (*options.section, setting) not in self._flags:
                del section[setting]

    def _locate(self, issue: ConfigIssue) -> ConfigIssue:
        """The issue with the file and line, or the flag, that its value came from."""
        for end in range(len(issue.keys), 0, -1):
            prefix = issue.keys[:end]
            flag = self._flags.get(prefix) or self._made_by(prefix)
            if flag is not None:
                return replace(issue, path=f"--set {issue.path}" if flag == "--set" else flag)
            if prefix in self._lines:
                return replace(issue, file=self._file, line=self._lines[prefix])
        return replace(issue, file=self._file or None)

    def _made_by(self, path: KeyPath) -> str | None:
        """The flag that made a section which is not in the file, by setting a key in it."""
        inside = (flag for known, flag in self._flags.items() if known[: len(path)] == path)
        return None if path in self._lines else next(inside, None)

    def locate(self, issues: Iterable[ConfigIssue]) -> list[ConfigIssue]:
        """Fills in the file and line, or the flag, that each value came from; in file order, those of flags last."""
        found = [self._locate(issue) for issue in issues]
        return sorted(found, key=lambda p: (p.file is None, p.line or sys.maxsize))


def _expand(path: KeyPath, value: Any) -> Any:
    """The mapping that a missing or shortened section stands for."""
    if value is None:
        return {}
    try:
        return _SHORTHANDS[path](value) if path in _SHORTHANDS else value
    except ValueError:
        return value  # validation says what is wrong with it
