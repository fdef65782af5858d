"""Where a run's record goes, and how it is resumed."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from gluetune.cli.absolute import absolute_script
from gluetune.cli.submitted import in_submitted_job, submission
from gluetune.config import StorageConfig, TrackingConfig, without_password
from gluetune.storage import Storage
from gluetune.tracking.uris import artifact_location, sqlite_uri


def tracking_uri(storage: StorageConfig, tracking: TrackingConfig) -> str:
    """The MLflow store: the one named, else SQLite beside the runs.

    A run's record keeps no password: where ``MLFLOW_TRACKING_URI`` is the same address with one, that is it.
    """
    if tracking.uri is None:
        return sqlite_uri(Path(_home(storage).uri("mlflow.db")))
    given = os.environ.get("MLFLOW_TRACKING_URI", "")
    return given if given and without_password(given) == tracking.uri else tracking.uri


def artifacts(storage: StorageConfig, tracking: TrackingConfig) -> str | None:
    """Where the default MLflow store keeps its artifacts; another store knows itself."""
    return None if tracking.uri else artifact_location(_home(storage).uri("mlartifacts"))


def resume_command(name: str, storage: StorageConfig, address: str | None, more: Sequence[str] = ()) -> str:
    """What to type, in any folder, to go on with a run that was stopped; of a submitted job, how to submit it again."""
    where = ["--storage-path", Storage(storage.path).uri()] + (["--address", address] if address else [])
    arguments = ["--resume", name, *where, *more]
    if in_submitted_job():
        return submission([sys.argv[0], *arguments])
    return shlex.join([sys.executable, absolute_script(sys.argv[0]), *arguments])


def _home(storage: StorageConfig) -> Storage:
    """Beside the runs, or in ``runs`` here when they are in a bucket."""
    root = Storage(storage.path)
    return root if root.local else Storage("runs")
