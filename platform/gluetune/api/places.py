"""Where a run writes: its MLflow store, and a job's paths made absolute so that any folder can resume it.

Names that are not paths stay: models and datasets of the hub, search spaces, modules. So do paths that begin with
``~``, which are the same everywhere. A submitted job keeps its relative paths, for each submission has a copy of the
working folder of its own.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Protocol, TypeVar

from gluetune.api.submitted import in_submitted_job
from gluetune.config import (
    DataConfig,
    JobConfig,
    ModelConfig,
    Section,
    StorageConfig,
    TrackingConfig,
    without_password,
)
from gluetune.config.checks import split_dataset
from gluetune.storage import Storage
from gluetune.storage.durable import absolute
from gluetune.tracking.uris import artifact_location, sqlite_file, sqlite_uri

SYNTHETIC = "synthetic"
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
    """The MLflow store of a job: the one named, else SQLite beside the runs.

    A run's record keeps no password: where ``MLFLOW_TRACKING_URI`` is the same address with one, that is it.
    """
    uri = job.tracking.uri
    if uri is None:
        return sqlite_uri(Path(_home(job.storage).uri("mlflow.db")))
    given = os.environ.get("MLFLOW_TRACKING_URI", "")
    return given if given and without_password(given) == uri else uri


def artifacts(storage: StorageConfig, tracking: TrackingConfig) -> str | None:
    """Where the default MLflow store keeps its artifacts; another store knows itself."""
    return None if tracking.uri else artifact_location(_home(storage).uri("mlartifacts"))


def absolute_job(job: JobConfig) -> JobConfig:
    """A search's job with absolute paths."""
    if in_submitted_job():
        return job
    places = absolute_places(job.storage, job.tracking)
    return job.model_copy(update={"data": _data(job.data), "model": _model(job.model), **places})


def absolute_places(storage: StorageConfig, tracking: TrackingConfig) -> dict[str, Section]:
    """The sections ``storage`` and ``tracking`` of a job with absolute paths."""
    storage = with_values(storage, path=Storage(storage.path).uri())
    uri = tracking.uri or ""
    file = sqlite_file(uri)
    if file is not None and not file.is_absolute() and str(file) != ":memory:":
        tracking = with_values(tracking, uri=sqlite_uri(file) if "?" not in uri else _joined(uri))
    return {"storage": storage, "tracking": tracking}


def _joined(uri: str) -> str:
    """A SQLite URI with options, whose file begins at the root."""
    scheme, slashes, rest = uri.partition(":///")
    prefix = "file:" if rest.startswith("file:") else ""
    return f"{scheme}{slashes}{prefix}{Path.cwd()}/{rest.removeprefix(prefix)}"


def _data(data: DataConfig) -> DataConfig:
    """The files that stand in for official ones stay: they lie in ``dir``."""
    dataset = data.dataset
    parts = None if dataset is None else split_dataset(dataset)
    if parts is not None and parts[0].endswith(".py"):
        dataset = f"{absolute_path(parts[0])}:{parts[1]}"
    return with_values(data, dir=absolute_path(data.dir), dataset=dataset, cache_dir=absolute_path(data.cache_dir))


def _model(model: ModelConfig) -> ModelConfig:
    name = model.name_or_path if model.name_or_path == SYNTHETIC else folder_or_name(model.name_or_path)
    return with_values(model, name_or_path=name, cache_dir=absolute_path(model.cache_dir))


def folder_or_name(name: str | None) -> str | None:
    """A folder's absolute path; a name on the hub as it is."""
    return absolute_path(name) if name is not None and (Path(name).is_dir() or name.startswith((".", "/"))) else name


def absolute_path(path: str | None) -> str | None:
    """A path from the root; one that begins with ``~`` as it is."""
    return path if path is None or path.startswith("~") else str(absolute(Path(path)))


def with_values(section: _Section, **values: Any) -> _Section:
    """The section with those values that have changed; the others stay unset where they were."""
    changed = {name: value for name, value in values.items() if value != getattr(section, name)}
    return section.model_copy(update=changed) if changed else section


def _home(storage: StorageConfig) -> Storage:
    """Beside the runs, or in ``runs`` here when they are in a bucket."""
    root = Storage(storage.path)
    return root if root.local else Storage("runs")
