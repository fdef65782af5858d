"""The argument ``MODEL`` of commands that use a trained model: a folder, a run's winner, or a model in MLflow."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from gluetune.errors import ModelError, did_you_mean
from gluetune.events import JOB_FILE, winner_folder
from gluetune.storage import Storage


def find_model(name: str, storage_path: str) -> str:
    """Return the folder of a trained model.

    Args:
        name: a ``save_pretrained`` folder, a run with one winner, or a run and a task as ``RUN/TASK``; runs by their
            folder or by their name.
        storage_path: the folder of all runs.

    Raises:
        ModelError: there is no such model.
    """
    run, _, task = name.rstrip("/").rpartition("/")
    for root in (Storage(name), Storage(storage_path).sub(name)):
        if root.exists("config.json"):
            return root.uri()
        winners = root.list("winners")
        if len(winners) == 1:
            return root.uri(winner_folder(winners[0]))
        if winners:
            raise ModelError(
                f"the run {root.uri()} has winners of {', '.join(winners)}; name one of them, such as "
                f"{name.rstrip('/')}/{winners[0]}"
            )
    for root in (Storage(run or "."), Storage(storage_path).sub(run)) if run else ():
        winners = root.list("winners")
        if task in winners:
            return root.uri(winner_folder(task))
        if winners:
            raise ModelError(
                f"the run {root.uri()} has no winner of {task!r}; there are: {', '.join(winners)}"
                f"{did_you_mean(task, winners)}"
            )
    known = Storage(storage_path).list()
    raise ModelError(
        f"MODEL must be a trained model's folder (with config.json) or a run's winner (RUN/TASK), but got {name!r}"
        f"{did_you_mean((run or name).rpartition('/')[2], known)}"
    )


@contextmanager
def model_folder(name: str, storage_path: str) -> Iterator[str]:
    """Provide the folder of a trained model.

    Args:
        name: as `find_model` takes it, or a ``models:/`` URI. The MLflow store is that of ``MLFLOW_TRACKING_URI``, or
            the one in ``storage_path``, or MLflow's default.
        storage_path: the folder of all runs.

    Yields:
        Path or URI of the folder. One that was downloaded from MLflow is deleted at the end of the block.

    Raises:
        ModelError: there is no such model.
        TrackingError: the MLflow store has no such model, or cannot be used.
    """
    if not name.startswith("models:/"):
        yield find_model(name, storage_path)
        return
    from gluetune.tracking.registration import downloaded_model  # imports MLflow
    from gluetune.tracking.uris import DEFAULT_FILE, sqlite_uri

    beside_runs = Path(Storage(storage_path).uri(DEFAULT_FILE))
    is_default = "MLFLOW_TRACKING_URI" not in os.environ and beside_runs.is_file()
    with downloaded_model(name, sqlite_uri(beside_runs) if is_default else None) as folder:
        yield folder


class RunWinner(NamedTuple):
    """The winner of a run.

    Attributes:
        root: the folder of all runs, as a path or URI.
        run: the run's name.
        task: the winner's task.
    """

    root: str
    run: str
    task: str


def winner_of(folder: str) -> RunWinner | None:
    """Return the run that a trained model's folder belongs to; ``None`` for a folder outside runs.

    Args:
        folder: the model's folder, as `find_model` returns it.
    """
    parent, _, task = folder.rstrip("/").rpartition("/")
    run_folder, _, winners = parent.rpartition("/")
    root, _, run = run_folder.rpartition("/")
    if winners != "winners" or not root or not Storage(run_folder).exists(JOB_FILE):
        return None
    return RunWinner(root, run, task)
