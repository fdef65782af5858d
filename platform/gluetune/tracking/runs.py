"""The runs of a search in MLflow: creates or finds them, and writes updates to them."""

from __future__ import annotations

import logging
import os
import tempfile
from collections.abc import Iterator, MutableMapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gluetune.config import password, text_without_passwords, without_password
from gluetune.errors import TrackingError
from gluetune.tracking.display import DatasetRows
from gluetune.tracking.run_updates import Run, RunUpdate
from gluetune.tracking.state import TrackingState
from gluetune.tracking.uris import check_uri, explain_denied, is_fresh, is_server, log_in, restore_command, sqlite_file

if TYPE_CHECKING:
    from mlflow.entities import DatasetInput
    from mlflow.tracking import MlflowClient

# Defaults for variables that the user has not set. Timeouts are short, because the tracker's thread retries for ever.
_ENVIRONMENT = {
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}
_UPLOAD_TIMEOUT = "600"  # seconds
_PERMANENT = ("INVALID_PARAMETER_VALUE", "RESOURCE_DOES_NOT_EXIST", "BAD_REQUEST", "INVALID_STATE")


def check_store(uri: str, experiment: str, *, write: bool = True) -> None:
    """Check that a store can be used, before Ray starts.

    Args:
        uri: the store.
        experiment: name of the experiment that will be used.
        write: whether the search will start. Otherwise nothing is written, not even the empty file of a new SQLite
            store, and the experiment of an existing SQLite store is checked too.

    Raises:
        TrackingError: the URI is invalid, the server or database does not answer or refuses this user, or the
            experiment is deleted.
    """
    check_uri(uri, make=write)
    local = sqlite_file(uri) is not None
    if is_server(uri) or ((not write or not local) and not is_fresh(uri) and _has_tables(uri)):
        open_store(uri, experiment)


def _has_tables(uri: str) -> bool:
    """Whether a database holds MLflow's tables, which MLflow would create on opening it.

    Raises:
        TrackingError: the database does not answer.
    """
    if uri.partition(":")[0] == "databricks":  # also ``databricks`` alone, without a profile
        return True
    import sqlalchemy

    engine = None
    try:
        engine = sqlalchemy.create_engine(uri, poolclass=sqlalchemy.pool.NullPool)
        return bool(sqlalchemy.inspect(engine).has_table("experiments"))
    except Exception as error:  # SQLAlchemy's, the driver's, or that there is no driver
        raise unusable_store(uri, error) from error
    finally:
        if engine is not None:
            engine.dispose()


def open_store(uri: str, experiment: str) -> MlflowClient:
    """Open a store and check that it answers.

    Args:
        uri: the store.
        experiment: name of the experiment that will be used.

    Raises:
        TrackingError: the store cannot be reached, refuses the user, or is no MLflow store. The message names the URI
            and the reason.
    """
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    from mlflow.tracking import MlflowClient

    for name, level in (("mlflow", logging.WARNING), ("alembic", logging.WARNING), ("urllib3", logging.ERROR)):
        logging.getLogger(name).setLevel(level)
    try:
        store = log_in(uri) if is_server(uri) else uri
        client = MlflowClient(tracking_uri=store, registry_uri=store)
        known = client.get_experiment_by_name(experiment)
    except Exception as error:  # errors of SQLAlchemy, requests or MLflow, depending on the store
        raise unusable_store(uri, error) from error
    if known is not None and known.lifecycle_stage == "deleted":
        raise TrackingError(
            f"tracking.experiment must not be deleted, but got {experiment!r}; choose another one, or "
            f"restore it: {restore_command(uri, str(known.experiment_id))}"
        )
    return client


@contextmanager
def upload_timeout() -> Iterator[None]:
    """Raise MLflow's request timeout: a server with a bucket uploads a model to the bucket before it answers."""
    name = "MLFLOW_HTTP_REQUEST_TIMEOUT"
    is_default = os.environ.get(name) == _ENVIRONMENT[name]
    if is_default:
        os.environ[name] = _UPLOAD_TIMEOUT
    try:
        yield
    finally:
        if is_default:
            os.environ[name] = _ENVIRONMENT[name]


def unusable_store(uri: str, error: BaseException) -> TrackingError:
    """Create the error for a store that cannot be used from the start."""
    shown = without_password(uri)
    if (refused := explain_denied(error)) is not None:
        return TrackingError(f"MLflow at {shown!r} refuses this search: {refused}")
    why = text_without_passwords(reason(error), uri)
    return TrackingError(
        f"tracking.uri must be an MLflow store that answers, but got {shown!r} ({why}){_missing_password(uri)}"
    )


def _missing_password(uri: str) -> str:
    """Return a hint for the database of a resumed run, whose files hold no password."""
    if is_server(uri) or sqlite_file(uri) is not None or password(uri):
        return ""
    return "; where it wants a password, give the address with it in --tracking-uri or MLFLOW_TRACKING_URI"


class StoreLogger(logging.LoggerAdapter[logging.Logger]):
    """Logs messages about a store, from which the store's password is removed.

    Args:
        logger: logs them.
        uri: the store's address, with its password.
    """

    def __init__(self, logger: logging.Logger, uri: str) -> None:
        super().__init__(logger)
        self._uri = uri

    def process(self, msg: Any, kwargs: MutableMapping[str, Any]) -> tuple[Any, MutableMapping[str, Any]]:
        """Return the message without passwords."""
        return text_without_passwords(str(msg), self._uri), kwargs


def reason(error: BaseException) -> str:
    """Describe an error in one line: what a server refused, else the first line of the innermost cause.

    Example: ``ConnectionRefusedError: [Errno 111] Connection refused``.
    """
    if (refused := explain_denied(error)) is not None:
        return refused
    while (inner := error.__cause__ or error.__context__) is not None:
        error = inner
    return f"{type(error).__name__}: {error}".splitlines()[0][:300]


def is_permanent(error: BaseException) -> bool:
    """Whether a retry would fail in the same way, for example because a user has deleted the run."""
    return getattr(error, "error_code", None) in _PERMANENT


class RunTree:
    """Writes updates to the runs of one search.

    Args:
        client: client of the open store.
        state: the known run ids; new ones are added.
        resumed: whether the store may hold runs that are not in the state.
        artifacts: folder for the artifacts of a new experiment; ``None``: the store's default.
    """

    def __init__(self, client: MlflowClient, state: TrackingState, resumed: bool, artifacts: str | None) -> None:
        self.client, self._state, self._artifacts = client, state, artifacts
        self._must_search = resumed
        self._experiment: str | None = None

    @property
    def experiment(self) -> str:
        """Id of the experiment, which is created if it does not exist."""
        if self._experiment is None:
            self._experiment = self._open_experiment()
        return self._experiment

    @property
    def known_experiment(self) -> str | None:
        """Id of the experiment; ``None`` before it is known."""
        return self._experiment

    def run_id(self, run: Run) -> str:
        """Id of a run, which is created with its parents if it does not exist."""
        self._ensure(run, {})
        return self._state.runs[run.key]

    def _ensure(self, run: Run, tags: dict[str, str]) -> bool:
        """Create a run with its parents and these tags if it does not exist; return whether it did so."""
        if self._must_search:
            self._find_runs()
        if missing := run.key not in self._state.runs:
            tags = tags | {"gluetune.search_id": self._state.search_id, "gluetune.run": run.key}
            if run.parent is not None:
                tags["mlflow.parentRunId"] = self.run_id(run.parent)
            self._must_search = True  # if the answer is lost, the store may hold the run
            made = self.client.create_run(self.experiment, _milliseconds(run.started), tags, run.name)
            self._state.runs[run.key], self._must_search = str(made.info.run_id), False
        return missing

    def write(self, updates: Sequence[RunUpdate]) -> None:
        """Write updates, with one ``log_batch`` for each run."""
        by_run: dict[str, list[RunUpdate]] = {}
        for update in updates:
            by_run.setdefault(update.run.key, []).append(update)
        for group in by_run.values():
            self._write_run(group)

    def _write_run(self, group: list[RunUpdate]) -> None:
        from mlflow.entities import Metric, Param, RunTag

        params = {name: value for update in group for name, value in update.params.items()}
        tags = {name: value for update in group for name, value in update.tags.items()}
        if self._ensure(group[0].run, tags):
            tags = {}  # written with the run
        run_id = self._state.runs[group[0].run.key]
        metrics = [Metric(p.key, p.value, _milliseconds(p.time), p.step) for update in group for p in update.points]
        if metrics or params or tags:
            self.client.log_batch(
                run_id, metrics, [Param(*item) for item in params.items()], [RunTag(*item) for item in tags.items()]
            )
        rows = {(row.name, row.digest, row.context): row for update in group for row in update.datasets}
        if rows:
            self.client.log_inputs(run_id, datasets=[_dataset(row) for row in rows.values()])
        last = next((update for update in reversed(group) if update.status), None)
        if last is not None:
            self._set_status(run_id, last)
        for update in group:  # last, so that all else is written if the artifact store refuses
            for file, content in update.files.items():
                self._log_file(run_id, file, content)

    def _log_file(self, run_id: str, file: str, content: str | bytes) -> None:
        if isinstance(content, str):
            self.client.log_text(run_id, content, file)
            return
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / file
            path.write_bytes(content)
            self.client.log_artifact(run_id, str(path))

    def _set_status(self, run_id: str, update: RunUpdate) -> None:
        if update.status == "RUNNING":
            self.client.update_run(run_id, status="RUNNING")
        else:
            self.client.set_terminated(run_id, update.status, _milliseconds(update.time))

    def _find_runs(self) -> None:
        """Find the search's runs by its tag; deleted runs count as existing, so that they are not created again."""
        from mlflow.entities import ViewType

        query, page = f"tags.`gluetune.search_id` = '{self._state.search_id}'", None
        while True:
            found: Any = self.client.search_runs([self.experiment], query, ViewType.ALL, 1000, page_token=page)
            self._state.runs.update({run.data.tags["gluetune.run"]: run.info.run_id for run in found})
            page = found.token
            if not page:
                break
        self._must_search = False

    def _open_experiment(self) -> str:
        from mlflow.exceptions import MlflowException

        known = self.client.get_experiment_by_name(self._state.experiment)
        if known is None:
            try:
                return str(self.client.create_experiment(self._state.experiment, self._artifacts))
            except MlflowException:  # another search has just created it
                known = self.client.get_experiment_by_name(self._state.experiment)
                if known is None:
                    raise
        return str(known.experiment_id)


def _dataset(rows: DatasetRows) -> DatasetInput:
    from mlflow.entities import Dataset, DatasetInput, InputTag

    dataset = Dataset(rows.name, rows.digest, "gluetune", rows.source_json, profile=rows.profile_json)
    return DatasetInput(dataset, [InputTag("mlflow.data.context", rows.context)])


def _milliseconds(seconds: float) -> int:
    return round(seconds * 1000)
