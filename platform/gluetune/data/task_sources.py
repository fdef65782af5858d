"""Tasks with the sources of their rows: those of a job, and those that a Python program makes."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import PurePath
from typing import Any, NamedTuple

from gluetune.config import DataConfig, JobConfig, TaskFiles
from gluetune.config.checks import job_issues
from gluetune.config.own_task_checks import missing_files, name_from_file
from gluetune.config.validation import validate
from gluetune.data.custom import CustomSource
from gluetune.data.examples import DataSource
from gluetune.data.files import FolderSource
from gluetune.data.hub import HubSource
from gluetune.errors import ConfigError, ConfigIssue
from gluetune.tasks import Task, get_task


class OpenedTask(NamedTuple):
    """A task and the source of its rows.

    Attributes:
        task: the task.
        source: returns its rows.
    """

    task: Task
    source: DataSource


def open_tasks(tasks: Mapping[str, float | TaskFiles], config: DataConfig) -> dict[str, OpenedTask]:
    """Resolve the tasks of a job: find the known ones, and read the classes of those of the user's own files.

    Args:
        tasks: the job's section ``tasks``: the weight or the description of each task by name.
        config: the job's section ``data``, which names the source of the known tasks.

    Returns:
        Each task with the source of its rows, by name, in the order of the job.

    Raises:
        ConfigError: the data source of the known tasks cannot be opened, or a registered task not be imported.
        DataError: a file of an own task cannot be read, or has not the columns that the job names.
    """
    known = {name: get_task(name) for name, entry in tasks.items() if not isinstance(entry, TaskFiles)}
    official = open_source(config) if any(not task.own for task in known.values()) else None
    opened = {}
    for name, entry in tasks.items():
        if isinstance(entry, TaskFiles):
            opened[name] = open_own_task(name, entry, config.cache_dir)
        elif known[name].own or official is None:  # of a plugin
            opened[name] = open_own_task(name, TaskFiles.model_validate(known[name].files), config.cache_dir)
        else:
            opened[name] = OpenedTask(known[name], official)
    return opened


def open_own_task(name: str, files: TaskFiles, cache_dir: str | None = None) -> OpenedTask:
    """Read the classes of a task of the user's own files.

    Args:
        name: the task's name.
        files: its description.
        cache_dir: cache folder of the datasets library; ``None`` for its default.

    Raises:
        ConfigError: a file has not the columns that the description names; all of them at once.
        DataError: a file cannot be read.
    """
    from gluetune.data.own_rows import check_columns
    from gluetune.data.own_tasks import open_task  # imports pyarrow, which GLUE's files do not need

    if files.dataset is None:
        check_columns(name, files)
    task, source = open_task(name, files, cache_dir=cache_dir)
    return OpenedTask(replace(task, files=files.model_dump(mode="json", exclude_none=True)), source)


def reopen_task(task: Task, files: TaskFiles, cache_dir: str | None = None) -> DataSource:
    """Return the source of the rows of an own task whose classes are known already, without a look at train.

    Args:
        task: the task, as a run or a model's folder defines it.
        files: where its rows are.
        cache_dir: cache folder of the datasets library; ``None`` for its default.
    """
    from gluetune.data.own_rows import reopen_task as reopened

    return reopened(task, files, cache_dir)


def open_source(config: DataConfig) -> DataSource:
    """Return the data source that a job names.

    Args:
        config: the job's section ``data``.

    Raises:
        ConfigError: ``source`` is ``dir`` without ``dir``, or ``custom`` without a ``dataset`` that can be imported.
        DataError: ``dir`` is not a folder.
    """
    sources: dict[str, Callable[[DataConfig], DataSource]] = {
        "synthetic": _synthetic,
        "hub": lambda config: HubSource(config.cache_dir, mirror=config.dir),
        "dir": _folder,
        "custom": _custom,
    }
    return sources[config.source](config)


def _synthetic(config: DataConfig) -> DataSource:
    from gluetune.data.synthetic_source import SyntheticSource  # only searches of generated rows need the grammar

    return SyntheticSource()


def _folder(config: DataConfig) -> DataSource:
    if config.dir is None:
        raise ConfigError(
            [ConfigIssue("data.dir", "must name the GLUE folder when `data.source` is 'dir', but got none")]
        )
    return FolderSource(config.dir, train=config.train_file, validation=config.validation_file, test=config.test_file)


def _custom(config: DataConfig) -> DataSource:
    if config.dataset is None:
        rule = "must name your dataset class when `data.source` is 'custom', but got none"
        raise ConfigError([ConfigIssue("data.dataset", rule)])
    return CustomSource(config.dataset, config.dir)


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
