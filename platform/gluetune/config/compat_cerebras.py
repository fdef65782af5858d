"""The sections of the YAML-driven classifier (Cerebras Model Zoo): its keys as ours.

``train_input`` and ``eval_input`` may stand in a job file, with ``data_dir``, ``max_sequence_length`` and
``batch_size``.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from gluetune.config.overrides import Override
from gluetune.config.validation import format_value, unknown_key
from gluetune.config.yaml_files import YamlDocument
from gluetune.errors import ConfigIssue, KeyPath, dotted_path
from gluetune.tasks import TASKS

_SECTIONS = ("train_input", "eval_input")
_DIR, _SOURCE = ("data", "dir"), ("data", "source")
_OURS: dict[KeyPath, tuple[str, str]] = {
    ("train_input", "data_dir"): _DIR,
    ("eval_input", "data_dir"): _DIR,
    ("train_input", "max_sequence_length"): ("data", "max_seq_length"),
    ("eval_input", "max_sequence_length"): ("data", "max_seq_length"),
    ("train_input", "batch_size"): ("training", "batch_size"),
    ("eval_input", "batch_size"): ("training", "eval_batch_size"),
}
_NO_FOLDER = ("synthetic", "hub")  # sources
_FOLDERS = {
    name.split("/")[0].casefold()
    for task in TASKS.values()
    for tables in task.layouts.values()
    for table in tables
    for name in table.files
}


@dataclass(slots=True)
class Mapped:
    """A job file in our keys.

    Attributes:
        document: its values; a key that was mapped has the line of the one it came from.
        issues: what could not be mapped.
        notes: one line for each key that was.
    """

    document: YamlDocument
    issues: list[ConfigIssue] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def map_cerebras_keys(document: YamlDocument, overrides: Iterable[Override] = ()) -> Mapped:
    """Replaces the sections of the YAML-driven classifier by ours.

    ``data_dir`` is ``data.dir`` with ``data.source: dir``; where it is a task's own folder (``glue/SST-2``), the folder
    that holds it. It falls away where a flag sets another source that has no use for it.

    Args:
        document: a job file that holds a mapping or nothing.
        overrides: values from the command line, which win.
    """
    if not any(section in (document.value or {}) for section in _SECTIONS):
        return Mapped(document)
    mapped = Mapped(replace(document, value=copy.deepcopy(document.value), lines=dict(document.lines)))
    given = dict(_given(mapped))
    for old, value in given.items():
        first = next(known for known in given if _OURS[known] == _OURS[old])
        if old != first and value != given[first]:
            mapped.issues.append(
                ConfigIssue.at(
                    old,
                    f"must be what {dotted_path(first)} is, {format_value(given[first])}, "
                    f"but got {format_value(value)}",
                )
            )
        elif old != first:
            mapped.notes.append(f"{dotted_path(old)} is {dotted_path(_OURS[old])} here")
        if old == first and _move(mapped, old, value) and _OURS[old] == _DIR:
            _settle_source(mapped, old, {override.path: override for override in overrides})
    return mapped


def _given(mapped: Mapped) -> Iterator[tuple[KeyPath, Any]]:
    """Takes the old sections out of a file, key by key."""
    known = [str(key) for section, key in _OURS if section == _SECTIONS[0]]
    for section in _SECTIONS:
        values = mapped.document.value.pop(section, None) or {}
        if not isinstance(values, dict):
            mapped.issues.append(ConfigIssue.at((section,), f"must be a mapping, but got {format_value(values)}"))
            continue
        for key, value in values.items():
            if key in known:
                yield (section, key), value
            else:
                mapped.issues.append(ConfigIssue.at((section, key), unknown_key(key, known)))


def _move(mapped: Mapped, old: KeyPath, value: Any) -> bool:
    """Sets our key to the old one's value, unless both were given."""
    values, lines, (section, key) = mapped.document.value, mapped.document.lines, _OURS[old]
    if values.get(section) is None:
        values[section] = {}
        lines.setdefault((section,), lines[old])
    if not isinstance(values[section], dict):
        return False  # validation says so
    if key in values[section]:
        mapped.issues.append(
            ConfigIssue.at(
                old, f"must not be given beside {section}.{key} (line {lines[section, key]}), which is the same setting"
            )
        )
        return False
    values[section][key], lines[section, key] = value, lines[old]
    mapped.notes.append(f"{dotted_path(old)} is {section}.{key} here")
    return True


def _settle_source(mapped: Mapped, old: KeyPath, flags: dict[str, Override]) -> None:
    """Makes the source a folder, and the folder the one that holds the tasks' folders."""
    data, lines = mapped.document.value["data"], mapped.document.lines
    flag, given = flags.get(dotted_path(_SOURCE)), data.get("source", "dir")
    if flag is not None and flag.value in _NO_FOLDER:
        del data["dir"], lines[_DIR]
        mapped.notes[-1] = f"{dotted_path(old)} is left unused, because {flag.flag} says {flag.value}"
        return
    instead = f" instead of {format_value(given)}" if flag is None and given != "dir" else ""
    data["source"] = "dir"
    lines.setdefault(_SOURCE, lines[old])
    mapped.notes[-1] += f", with data.source dir{instead}"
    if isinstance(data["dir"], str) and _is_tasks_own(Path(data["dir"])):
        folder = Path(data["dir"])
        data["dir"] = str(folder.parent)
        mapped.notes[-1] += f"; it is {folder.parent}, the folder that holds {folder.name}/"


def _is_tasks_own(folder: Path) -> bool:
    """Whether it is such a folder as ``glue/SST-2``, by its name and by not holding another of that name."""
    return folder.name.casefold() in _FOLDERS and not (folder / folder.name).is_dir()
