"""Where a run writes: its MLflow store, a job's absolute paths, and whether what is there outlasts the job.

Names that are not paths stay: models and datasets of the hub, search spaces, modules. So do paths that begin with
``~``, which are the same everywhere. Ray runs a job of ``ray job submit`` in a copy of its working directory, which is
deleted after the job: what such a job writes below a relative path is lost, so that it is refused.
"""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeVar

from gluetune.config import (
    SYNTHETIC_ENCODER,
    DataConfig,
    JobConfig,
    ModelConfig,
    SearchConfig,
    SearchSpace,
    Section,
    StorageConfig,
    TaskFiles,
    TrackingConfig,
    without_password,
)
from gluetune.config.checks import split_dataset
from gluetune.config.own_task_checks import SPLITS
from gluetune.errors import ConfigError, ConfigIssue
from gluetune.storage import Storage
from gluetune.storage.durable import absolute
from gluetune.tracking.uris import DEFAULT_FILE, artifact_location, sqlite_file, sqlite_uri

_ARTIFACTS = "mlartifacts"
_Section = TypeVar("_Section", bound=Section)


class Recorded(Protocol):
    """A job of any kind: it has a folder and an MLflow store."""

    @property
    def storage(self) -> StorageConfig:
        """Where its runs are."""

    @property
    def tracking(self) -> TrackingConfig:
        """Where they are recorded."""


def tracking_uri(job: Recorded) -> str:
    """Return the MLflow store of a job: the one named, else SQLite beside the runs.

    A run's record keeps no password: where ``MLFLOW_TRACKING_URI`` is the same address with one, that is it.
    """
    uri = job.tracking.uri
    if uri is None:
        return sqlite_uri(Path(_home(job.storage).uri(DEFAULT_FILE)))
    given = os.environ.get("MLFLOW_TRACKING_URI", "")
    return given if given and without_password(given) == uri else uri


def artifacts(storage: StorageConfig, tracking: TrackingConfig) -> str | None:
    """Return where a new experiment keeps its artifacts: beside the SQLite file of its store.

    Args:
        storage: of the job.
        tracking: of the job; without a store of its own, the artifacts lie beside the runs.

    Returns:
        The location; ``None`` where a server or another database decides.
    """
    if tracking.uri is None:
        return artifact_location(_home(storage).uri(_ARTIFACTS))
    file = sqlite_file(tracking.uri)
    return None if file is None else artifact_location(str(file.absolute().parent / _ARTIFACTS))


def absolute_job(job: JobConfig) -> JobConfig:
    """Return a search's job with absolute paths."""
    if in_submitted_job():
        return job
    places = absolute_places(job.storage, job.tracking)
    tasks = {name: _task(entry) if isinstance(entry, TaskFiles) else entry for name, entry in job.tasks.items()}
    return job.model_copy(
        update={
            "tasks": tasks,
            "data": _data(job.data),
            "model": _model(job.model),
            "search": _search(job.search),
            **places,
        }
    )


def absolute_places(storage: StorageConfig, tracking: TrackingConfig) -> dict[str, Section]:
    """Return the sections ``storage`` and ``tracking`` of a job with absolute paths."""
    storage = with_values(storage, path=Storage(storage.path).uri())
    uri = tracking.uri or ""
    file = sqlite_file(uri)
    if file is not None and not file.is_absolute() and str(file) != ":memory:":
        tracking = with_values(tracking, uri=sqlite_uri(file) if "?" not in uri else _joined(uri))
    return {"storage": storage, "tracking": tracking}


def _joined(uri: str) -> str:
    """Return a SQLite URI with options, whose file begins at the root."""
    scheme, slashes, rest = uri.partition(":///")
    prefix = "file:" if rest.startswith("file:") else ""
    return f"{scheme}{slashes}{prefix}{Path.cwd()}/{rest.removeprefix(prefix)}"


def _data(data: DataConfig) -> DataConfig:
    """Return the section with absolute paths; files that stand in for official ones stay, for they lie in ``dir``."""
    dataset = data.dataset
    parts = None if dataset is None else split_dataset(dataset)
    if parts is not None and parts[0].endswith(".py"):
        dataset = f"{absolute_path(parts[0])}:{parts[1]}"
    return with_values(data, dir=absolute_path(data.dir), dataset=dataset, cache_dir=absolute_path(data.cache_dir))


def _task(files: TaskFiles) -> TaskFiles:
    """Return the description of an own task with absolute paths; names of splits and of datasets on the hub stay."""
    if files.dataset is not None:
        return with_values(files, dataset=folder_or_name(files.dataset))
    splits = {split: getattr(files, split) for split in SPLITS}
    return with_values(
        files,
        **{split: path if path is None or "://" in path else absolute_path(path) for split, path in splits.items()},
    )


def _model(model: ModelConfig) -> ModelConfig:
    names = tuple(map(encoder_place, model.names))
    return with_values(
        model,
        name_or_path=names[0] if len(names) == 1 else names,
        cache_dir=absolute_path(model.cache_dir),
    )


def _search(search: SearchConfig) -> SearchConfig:
    spaces = search.spaces
    if not isinstance(spaces, dict):
        return search
    return with_values(search, spaces={encoder_place(name): space for name, space in spaces.items()})


def absolute_space(space: SearchSpace) -> SearchSpace:
    """Return a search space with absolute paths of its encoders."""
    if in_submitted_job() or not space.encoders:
        return space
    return space.model_copy(update={"encoders": {encoder_place(name): part for name, part in space.encoders.items()}})


def check_encoders(key: str, names: Iterable[str]) -> None:
    """Refuse encoders of which two are the same folder.

    Args:
        key: the key of the job that names the encoders, or their search space.
        names: the encoders.

    Raises:
        ConfigError: two are.
    """
    known: dict[str, str] = {}
    for name in names:
        folder = Path(name).expanduser()
        place = str(folder.resolve()) if name != SYNTHETIC_ENCODER and folder.is_dir() else name
        if place in known:
            message = f"each encoder must be named once, but {known[place]!r} and {name!r} are the same folder"
            raise ConfigError([ConfigIssue(key, message)])
        known[place] = name


def encoder_place(name: str) -> str:
    """Return an encoder with the absolute path of its folder; names on the hub, and ``synthetic``, as they are."""
    return name if name == SYNTHETIC_ENCODER else str(folder_or_name(name))


def folder_or_name(name: str | None) -> str | None:
    """Return a folder's absolute path; a name on the hub as it is."""
    return absolute_path(name) if name is not None and (Path(name).is_dir() or name.startswith((".", "/"))) else name


def absolute_path(path: str | None) -> str | None:
    """Return a path from the root; one that begins with ``~`` as it is."""
    return path if path is None or path.startswith("~") else str(absolute(Path(path)))


def with_values(section: _Section, **values: Any) -> _Section:
    """Return the section with those values that have changed; the others stay unset where they were."""
    changed = {name: value for name, value in values.items() if value != getattr(section, name)}
    return section.model_copy(update=changed) if changed else section


def _home(storage: StorageConfig) -> Storage:
    """Beside the runs, or in ``runs`` here when they are in a bucket."""
    root = Storage(storage.path)
    return root if root.local else Storage("runs")


_RAY_SETS = "RAY_JOB_CONFIG_JSON_ENV_VAR"  # in the job's driver: its runtime environment and metadata as JSON
_SHOWN = ("PYTHONPATH", "RAY_JOB_STOP_WAIT_TIME_S")  # others may hold passwords


def in_submitted_job() -> bool:
    """Whether this process is the driver of a submitted job, or was started by one."""
    return _RAY_SETS in os.environ


def check_lasting(paths: Iterable[tuple[str, str | None]]) -> None:
    """Refuse paths to write to that end with a submitted job; do nothing outside of one.

    Args:
        paths: settings or flags, and their values; ``None`` is skipped.

    Raises:
        ConfigError: inside a submitted job a path is relative.
    """
    if in_submitted_job() and (issues := list(lasting_issues(paths))):
        raise ConfigError(issues)


def lasting_issues(paths: Iterable[tuple[str, str | None]]) -> Iterator[ConfigIssue]:
    """Yield the paths to write to that would end with a submitted job, wherever this process runs.

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
    """Refuse a job whose results or MLflow record would end with the submitted job that makes them.

    Raises:
        ConfigError: inside a submitted job a path is relative, or the MLflow store would be made in its working folder.
    """
    if in_submitted_job() and (issues := list(lasting_job_issues(storage, tracking))):
        raise ConfigError(issues)


def lasting_job_issues(storage: StorageConfig, tracking: TrackingConfig) -> Iterator[ConfigIssue]:
    """Yield what of a job's results would end with a submitted job, wherever this process runs."""
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
    """Return the shell command that submits a job like this one.

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
