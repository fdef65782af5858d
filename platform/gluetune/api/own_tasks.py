"""Tasks of the user's own in a run's folder: their definitions, and rows that a Python program held in memory."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from gluetune.api.places import with_values
from gluetune.config import JobConfig
from gluetune.config.own_task_checks import SPLITS
from gluetune.events import ROWS_FOLDER, TaskPlan, read_run_file
from gluetune.storage import Storage
from gluetune.tasks import Task
from gluetune.tasks.definition import TASKS_FILE, dump_definitions, parse_definitions
from gluetune.tasks.frames import is_kept


def save_tasks(folder: Storage, tasks: Iterable[Task]) -> None:
    """Write the definitions of a run's own tasks into its folder, where it has such tasks."""
    own = [task for task in tasks if task.own]
    if own:
        folder.write(TASKS_FILE, dump_definitions(own))


def save_cards(folder: Storage, tasks: Iterable[TaskPlan]) -> None:
    """Write the data cards of a run's own tasks into its folder, as ``report/<task>_data_card.md``."""
    for task in tasks:
        if task.card:
            folder.write(f"report/{task.task}_data_card.md", task.card.encode())


def saved_tasks(folder: Storage) -> Mapping[str, Task]:
    """Return a run's own tasks by name, as its folder defines them.

    Raises:
        DataError: the file is broken, or a newer version of gluetune wrote it.
    """
    data = read_run_file(folder, TASKS_FILE)
    return {} if data is None else parse_definitions(data, folder.uri(TASKS_FILE))


def with_rows_of_memory(job: JobConfig, storage: Storage) -> JobConfig:
    """Copy the rows that a Python program gave as DataFrames into the run's folder, where a resume finds them.

    Args:
        job: the job, whose own tasks may name files of `gluetune.tasks.frames`.
        storage: the run's folder.

    Returns:
        The job, whose tasks name the copies.

    Raises:
        StorageError: the copies cannot be written.
    """
    tasks = dict(job.tasks)
    for name, files in job.own_tasks.items():
        kept = {split: path for split in SPLITS if (path := getattr(files, split)) is not None and is_kept(path)}
        moved = {}
        for split, path in kept.items():
            folder = f"{ROWS_FOLDER}/{name}/{split}"
            storage.upload(Path(path).parent, folder)
            moved[split] = storage.uri(f"{folder}/{Path(path).name}")
        tasks[name] = with_values(files, **moved)
    return job.model_copy(update={"tasks": tasks})
