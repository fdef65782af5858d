"""MLflow's model registry: each winner becomes a version, and the best comparable one gets the alias ``champion``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gluetune.tasks import Task
from gluetune.tasks.metrics import score_sign

if TYPE_CHECKING:
    from mlflow.entities.model_registry import ModelVersion
    from mlflow.tracking import MlflowClient
import tempfile
from pathlib import Path

from gluetune.config import without_password
from gluetune.errors import ModelError, TrackingError

ALIAS = "champion"
METRIC, SCORE, FINGERPRINT = "gluetune.metric", "gluetune.score", "gluetune.selection_fingerprint"
SYNTHETIC_TAG = "gluetune.synthetic"  # "true" or "false"
PROMOTED = "gluetune.promoted"  # "true" or "false" once it is decided; a resumed search does not decide again


@dataclass(frozen=True, slots=True)
class Registration:
    """Result of logging and registering a winner.

    Attributes:
        uri: the model's address for ``mlflow.pyfunc.load_model``: by the alias if the winner is champion, else by its
            version, or by the logged model if it is not registered.
        champion: whether the version has the alias ``champion``; ``None`` if it is not registered.
        outcome: a sentence: what was done and why.
    """

    uri: str
    champion: bool | None
    outcome: str


def register(
    client: MlflowClient,
    name: str,
    task: Task,
    model_id: str,
    run_id: str,
    tags: Mapping[str, str],
) -> Registration:
    """Register a logged model as a version, and make it champion where `promotes` says so.

    MLflow has no compare-and-set operation, so the champion is read immediately before the alias is moved. MLflow
    itself resolves ``@latest`` to the newest version.

    Args:
        client: client of the open store.
        name: name of the registered model.
        task: task of the registered model.
        model_id: id of the logged model; a second call with it finds the existing version.
        run_id: id of the run that logged the model.
        tags: tags of the version, which `promotes` reads.
    """
    version = _version(client, name, task, model_id, run_id, tags)
    if PROMOTED in version.tags:
        return _as_decided(client, name, version)
    champion = _champion(client, name)
    if champion is not None and _same(champion, version):  # an attempt was interrupted after this
        promoted, reason = True, "the first of its data, or better than the one before"
    else:
        promoted, reason = promotes(tags, None if champion is None else champion.tags)
        if promoted:
            client.set_registered_model_alias(name, ALIAS, version.version)
    client.set_model_version_tag(name, version.version, PROMOTED, str(promoted).lower())
    if promoted:
        return _promoted(name, version, reason)
    stays = f"; version {champion.version} stays champion" if champion is not None else ""
    return Registration(f"models:/{name}/{version.version}", False, f"version {version.version}, {reason}{stays}")


def promotes(new: Mapping[str, str], champion: Mapping[str, str] | None) -> tuple[bool, str]:
    """Decide whether a new version becomes champion.

    A model of synthetic data never does. Another one does if there is no champion, if the champion was trained on
    synthetic data, or if the champion was chosen on the same selection rows by the same metric with a worse value.

    Args:
        new: the new version's tags.
        champion: the champion's tags; ``None`` if there is none.

    Returns:
        The decision, and its reason as a phrase.
    """
    if new.get(SYNTHETIC_TAG) == "true":
        return False, "not champion, because its data is synthetic"
    if champion is None:
        return True, "the first champion"
    if champion.get(SYNTHETIC_TAG) == "true":
        return True, "the champion before was trained on synthetic data"
    if not champion.get(FINGERPRINT):
        return False, "not champion, because the rows by which the champion was chosen are not recorded"
    if new.get(FINGERPRINT) != champion[FINGERPRINT]:
        return False, "not champion, because the champion's score is of other selection rows"
    if new[METRIC] != champion.get(METRIC):
        return False, f"not champion, because the champion's score is of another metric ({champion.get(METRIC)})"
    score, before, sign = float(new[SCORE]), float(champion.get(SCORE, "nan")), score_sign(new[METRIC])
    rows = "on the same selection rows"
    if sign * score > sign * before:
        return True, f"{score:.4f} {rows}, the champion before had {before:.4f}"
    return False, f"not champion: {score:.4f} {rows}, the champion has {before:.4f}"


def _promoted(name: str, version: ModelVersion, reason: str) -> Registration:
    return Registration(f"models:/{name}@{ALIAS}", True, f"version {version.version}, champion: {reason}")


def _as_decided(client: MlflowClient, name: str, version: ModelVersion) -> Registration:
    """Return the decision of an earlier session; a user may have moved the alias since then."""
    champion = _champion(client, name)
    if champion is not None and _same(champion, version):
        return Registration(
            f"models:/{name}@{ALIAS}", True, f"version {version.version}, champion since an earlier session"
        )
    stays = f"; the champion is version {champion.version}" if champion is not None else "; there is no champion"
    return Registration(
        f"models:/{name}/{version.version}",
        False,
        f"version {version.version}, registered by an earlier session{stays}",
    )


def _same(one: ModelVersion, other: ModelVersion) -> bool:
    return str(one.version) == str(other.version)  # a database returns a number, a server a string


def _champion(client: MlflowClient, name: str) -> ModelVersion | None:
    version = client.get_registered_model(name).aliases.get(ALIAS)
    return None if version is None else client.get_model_version(name, str(version))


def _version(
    client: MlflowClient,
    name: str,
    task: Task,
    model_id: str,
    run_id: str,
    tags: Mapping[str, str],
) -> ModelVersion:
    """Return the version of a logged model, which is created if it does not exist."""
    source = f"models:/{model_id}"
    _ensure_registered(client, name, task)
    found = client.search_model_versions(f"name = '{name}' AND run_id = '{run_id}'")
    known = [version for version in found if version.source == source]
    if known:
        return known[0]
    with default_store(client.tracking_uri):
        return client.create_model_version(name, source, run_id, dict(tags), model_id=model_id)


@contextmanager
def default_store(uri: str) -> Iterator[None]:
    """Make a store MLflow's default in the block: its SQLAlchemy registry resolves ``models:/`` only there."""
    import mlflow

    before = mlflow.get_tracking_uri() if mlflow.is_tracking_uri_set() else None
    mlflow.set_tracking_uri(uri)
    try:
        yield
    finally:
        mlflow.set_tracking_uri(before)  # type: ignore[arg-type]  # None unsets it


def _ensure_registered(client: MlflowClient, name: str, task: Task) -> None:
    from mlflow.exceptions import MlflowException

    try:
        client.create_registered_model(
            name, {"gluetune.task": task.name, METRIC: task.primary}, f"Winners of gluetune searches on {task.title}"
        )
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise


@contextmanager
def downloaded_model(uri: str, store: str | None = None) -> Iterator[str]:
    """Download a model that gluetune has logged.

    Args:
        uri: address of the model, such as ``models:/gluetune-cola@champion``.
        store: address of the MLflow store; ``None`` for MLflow's default.

    Yields:
        Path of the ``save_pretrained`` folder, which is deleted at the end of the block.

    Raises:
        TrackingError: the store has no such model, or cannot be used.
        ModelError: gluetune has not logged the model.
    """
    import mlflow

    with tempfile.TemporaryDirectory(prefix="gluetune-model-") as folder:
        try:
            with default_store(store) if store is not None else nullcontext():
                mlflow.artifacts.download_artifacts(artifact_uri=uri, dst_path=folder)
        except (mlflow.exceptions.MlflowException, OSError) as error:
            place = without_password(store or mlflow.get_tracking_uri())
            raise TrackingError(f"the model {uri} cannot be downloaded from {place}: {error}") from error
        found = sorted(Path(folder).rglob("checkpoint/config.json"))
        if not found:
            raise ModelError(f"{uri} must be a model that gluetune has logged, but it has no folder 'checkpoint'")
        yield str(found[0].parent)
