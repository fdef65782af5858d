"""Tasks of the user's own as Python programs make them: `gluetune.Task.from_files` and its like."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import Any

from gluetune.config import JobConfig
from gluetune.config.checks import job_issues
from gluetune.config.own_task_checks import missing_files, name_from_file
from gluetune.config.validation import validate
from gluetune.data.preparation import open_own_task
from gluetune.errors import ConfigError, ConfigIssue
from gluetune.tasks import Task


def make_task(
    name: str | None,
    places: Mapping[str, str | os.PathLike[str]],
    text: str | Sequence[str],
    label: str | Sequence[str],
    settings: Mapping[str, Any],
) -> Task:
    """Make a task from the keys and values of its section of a job file.

    Args:
        name: its name; ``None`` for that of the train file or the dataset.
        places: the files by split, or the dataset.
        text: the text columns.
        label: the label columns.
        settings: further keys.

    Raises:
        ConfigError: a setting breaks its rule; all mistakes at once.
        DataError: a file cannot be read, or its labels form no task.
    """
    named = {key: _plain(value) for key, value in {**places, **settings}.items()}
    values = named | {"text": _plain(text), "label": _plain(label)}
    if name is None:
        name = name_from_file(str(values.get("dataset") or values.get("train")))
    if not isinstance(name, str):
        raise ConfigError([ConfigIssue("name", f"must be text, but got {name!r}")])
    job, issues = validate(JobConfig, {"tasks": {name: values}})
    if job is not None:
        issues = [*job_issues(job), *missing_files(job)]
    if job is None or issues:
        raise ConfigError(issues)
    return open_own_task(name, job.own_tasks[name]).task


def _plain(value: Any) -> Any:
    if isinstance(value, PurePath):
        return str(value)
    return list(value) if isinstance(value, tuple) else value
