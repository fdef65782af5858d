"""Models that MLflow keeps, brought to this machine."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gluetune.config import without_password
from gluetune.errors import ModelError, TrackingError


@contextmanager
def downloaded_model(uri: str, store: str | None = None) -> Iterator[str]:
    """Downloads a winner's model; gives its ``save_pretrained`` folder, which is deleted at the end of the block.

    Args:
        uri: the model's, such as ``models:/gluetune-cola@champion``.
        store: the MLflow store's; ``None`` for MLflow's own default.

    Raises:
        TrackingError: the store has no such model, or cannot be used.
        ModelError: the model is none of gluetune's.
    """
    import mlflow

    with tempfile.TemporaryDirectory(prefix="gluetune-model-") as folder:
        try:
            mlflow.artifacts.download_artifacts(
                artifact_uri=uri, dst_path=folder, tracking_uri=store, registry_uri=store
            )
        except (mlflow.exceptions.MlflowException, OSError) as error:
            place = without_password(store or mlflow.get_tracking_uri())
            raise TrackingError(f"the model {uri} cannot be downloaded from {place}: {error}") from error
        found = sorted(Path(folder).rglob("checkpoint/config.json"))
        if not found:
            raise ModelError(f"{uri} must be a model that gluetune has logged, but it has no folder 'checkpoint'")
        yield str(found[0].parent)
