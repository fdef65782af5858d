"""What is different in a job that ``ray job submit`` has sent to a cluster.

Ray runs the job in a copy of its working directory, which is deleted after the job: a file that the job writes below a
relative path is lost.
"""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from gluetune.config import StorageConfig, TrackingConfig
from gluetune.errors import ConfigError, ConfigIssue
from gluetune.storage import Storage
from gluetune.tracking.uris import sqlite_file

_RAY_SETS = "RAY_JOB_CONFIG_JSON_ENV_VAR"  # in the job's driver: its runtime environment and metadata as JSON
_SHOWN = ("PYTHONPATH", "RAY_JOB_STOP_WAIT_TIME_S")  # others may hold passwords


def in_submitted_job() -> bool:
    """Whether this process is the driver of a submitted job, or was started by one."""
    return _RAY_SETS in os.environ


def check_lasting(paths: Iterable[tuple[str, str | None]]) -> None:
    """Refuses paths to write to that end with a submitted job; does nothing outside of one.

    Args:
        paths: settings or flags, and their values; ``None`` is skipped.

    Raises:
        ConfigError: inside a submitted job a path is relative.
    """
    if in_submitted_job() and (issues := list(lasting_issues(paths))):
        raise ConfigError(issues)


def lasting_issues(paths: Iterable[tuple[str, str | None]]) -> Iterator[ConfigIssue]:
    """Paths to write to that would end with a submitted job, wherever this process runs.

    Args:
        paths: settings or flags, and their values; ``None`` is skipped.
    """
    for name, path in paths:
        if path is not None and _relative(path):
            yield ConfigIssue(
                name,
                "must be an absolute path or a bucket inside a submitted job, whose working folder Ray "
                f"deletes afterwards, but got {path!r}",
            )


def check_job_lasts(storage: StorageConfig, tracking: TrackingConfig) -> None:
    """Refuses a job whose results or MLflow record would end with the submitted job that makes them.

    Raises:
        ConfigError: inside a submitted job a path is relative, or the MLflow store would be made in its working folder.
    """
    if in_submitted_job() and (issues := list(lasting_job_issues(storage, tracking))):
        raise ConfigError(issues)


def lasting_job_issues(storage: StorageConfig, tracking: TrackingConfig) -> Iterator[ConfigIssue]:
    """What of a job's results would end with a submitted job, wherever this process runs."""
    yield from lasting_issues(
        [("storage.path (--storage-path)", storage.path), ("tracking.uri (--tracking-uri)", tracking.uri)]
    )
    if tracking.uri is None and not Storage(storage.path).local:
        yield ConfigIssue(
            "tracking.uri (--tracking-uri)",
            "must name a server or an absolute sqlite:/// file inside a submitted job with a bucket, whose working "
            "folder Ray deletes afterwards, but got none",
        )


def submission(command: Sequence[str]) -> str:
    """The shell command that submits a job like this one.

    Args:
        command: the program and its arguments.
    """
    try:
        environment = json.loads(os.environ.get(_RAY_SETS, "")).get("runtime_env") or {}
    except (ValueError, AttributeError):
        environment = {}
    variables = {name: value for name, value in (environment.get("env_vars") or {}).items() if name in _SHOWN}
    folder = ["--working-dir", "."] if "working_dir" in environment else []
    runtime = ["--runtime-env-json", json.dumps({"env_vars": variables})] if variables else []
    return shlex.join(["ray", "job", "submit", *folder, *runtime, "--", "python", *command])


def _relative(path: str) -> bool:
    file = sqlite_file(path)
    if file is not None:
        return not file.is_absolute()
    return "://" not in path and path != "databricks" and not Path(path).expanduser().is_absolute()
