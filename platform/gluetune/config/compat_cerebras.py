"""Maps the sections of Cerebras Model Zoo's YAML files to gluetune's keys.

A job file may contain ``train_input`` and ``eval_input``, with ``data_dir``, ``max_sequence_length`` and
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
_GLUETUNE_KEYS: dict[KeyPath, tuple[str, str]] = {
    ("train_input", "data_dir"): _DIR,
    ("eval_input", "data_dir"): _DIR,
    ("train_input", "max_sequence_length"): ("data", "max_seq_length"),
    ("eval_input", "max_sequence_length"): ("data", "max_seq_length"),
    ("train_input", "batch_size"): ("training", "batch_size"),
    ("eval_input", "batch_size"): ("training", "eval_batch_size"),
}
_SOURCES_WITHOUT_FOLDER = ("synthetic", "hub")
_TASK_FOLDERS = {
    name.split("/")[0].casefold()
    for task in TASKS.values()
    for tables in task.layouts.values()
    for table in tables
    for name in table.files
}


@dataclass(slots=True)
class MappedJob:
    """A job file with gluetune's keys alone.

    Attributes:
        document: its values; a mapped key has the line of the key that it came from.
        issues: keys that could not be mapped.
        notes: one line for each key that was mapped.
    """

    document: YamlDocument
    issues: list[ConfigIssue] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def map_cerebras_keys(document: YamlDocument, overrides: Iterable[Override] = ()) -> MappedJob:
    """Replace the sections of the Cerebras dialect by gluetune's.

    ``data_dir`` becomes ``data.dir`` with ``data.source: dir``; the folder of one task (``glue/SST-2``) becomes its
    parent. It is dropped where a flag sets a source that does not read a folder.

    Args:
        document: a job file that contains a mapping or nothing.
        overrides: values from the command line, which go before.
    """
    if not any(section in (document.value or {}) for section in _SECTIONS):
        return MappedJob(document)
    mapped = MappedJob(replace(document, value=copy.deepcopy(document.value), lines=dict(document.lines)))
    found = dict(_take_keys(mapped))
    for old, value in found.items():
        first = next(known for known in found if _GLUETUNE_KEYS[known] == _GLUETUNE_KEYS[old])
        if old != first and value != found[first]:
            mapped.issues.append(
                ConfigIssue.at(
                    old,
                    f"must be what {dotted_path(first)} is, {format_value(found[first])}, "
                    f"but got {format_value(value)}",
                )
            )
        elif old != first:
            mapped.notes.append(f"{dotted_path(old)} is read as {dotted_path(_GLUETUNE_KEYS[old])}")
        if old == first and _move(mapped, old, value) and _GLUETUNE_KEYS[old] == _DIR:
            _set_source(mapped, old, {override.path: override for override in overrides})
    return mapped


def _take_keys(mapped: MappedJob) -> Iterator[tuple[KeyPath, Any]]:
    """Remove the Cerebras sections from a file and yield their keys and values."""
    known = [str(key) for section, key in _GLUETUNE_KEYS if section == _SECTIONS[0]]
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


def _move(mapped: MappedJob, old: KeyPath, value: Any) -> bool:
    """Set gluetune's key to the value of the Cerebras key, unless the file has both; return whether it was set."""
    values, lines, (section, key) = mapped.document.value, mapped.document.lines, _GLUETUNE_KEYS[old]
    if values.get(section) is None:
        values[section] = {}
        lines.setdefault((section,), lines[old])
    if not isinstance(values[section], dict):
        return False  # `validate` reports it
    if key in values[section]:
        mapped.issues.append(
            ConfigIssue.at(
                old, f"must not be given beside {section}.{key} (line {lines[section, key]}), which is the same setting"
            )
        )
        return False
    values[section][key], lines[section, key] = value, lines[old]
    mapped.notes.append(f"{dotted_path(old)} is read as {section}.{key}")
    return True


def _set_source(mapped: MappedJob, old: KeyPath, flags: dict[str, Override]) -> None:
    """Set the source to a folder, and the folder to the one that contains the tasks' folders."""
    data, lines = mapped.document.value["data"], mapped.document.lines
    flag, found = flags.get(dotted_path(_SOURCE)), data.get("source", "dir")
    if flag is not None and flag.value in _SOURCES_WITHOUT_FOLDER:
        del data["dir"], lines[_DIR]
        mapped.notes[-1] = f"{dotted_path(old)} is left unused, because {flag.flag} says {flag.value}"
        return
    instead = f" instead of {format_value(found)}" if flag is None and found != "dir" else ""
    data["source"] = "dir"
    lines.setdefault(_SOURCE, lines[old])
    mapped.notes[-1] += f", with data.source dir{instead}"
    if isinstance(data["dir"], str) and _is_task_folder(Path(data["dir"])):
        folder = Path(data["dir"])
        data["dir"] = str(folder.parent)
        mapped.notes[-1] += f"; it is {folder.parent}, the folder that contains {folder.name}/"


def _is_task_folder(folder: Path) -> bool:
    """Whether a folder is that of one task, such as ``glue/SST-2``: a task's name, no subfolder of that name."""
    return folder.name.casefold() in _TASK_FOLDERS and not (folder / folder.name).is_dir()
