"""Logs a winner as an MLflow model with a signature, and registers it as a version of its task's model."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gluetune.errors import TrackingError
from gluetune.storage import Storage
from gluetune.tasks import Task
from gluetune.tracking.registration import METRIC, SCORE, Registration, register
from gluetune.tracking.runs import upload_timeout

if TYPE_CHECKING:
    from mlflow.models import Model
    from mlflow.tracking import MlflowClient

NAME = "model"  # name of the MLflow model in the winner's run: runs:/<run id>/model
BATCH_SIZE = 64
EXAMPLE_ROWS = 3
PACKAGES = ("mlflow", "numpy", "pandas", "safetensors", "torch", "transformers")


@dataclass(frozen=True, slots=True)
class Champion:
    """The model of a winner, as it is logged.

    Attributes:
        task: the task.
        trial: name of the trial.
        folder: path or URI of its ``save_pretrained`` folder.
        score: the primary metric on the selection rows, in the precision of ``dev_scores``.
        dev_scores: official development metrics by split.
        examples: rows of the task's text columns; the first few become the model's input example.
        max_seq_length: maximum number of tokens per row, as in training.
        truncation: how pairs that are too long are cut, as in training: ``longest_first`` or ``proportional``.
        thresholds: probability above which a class is predicted, by class; empty for 0.5.
    """

    task: Task
    trial: str
    folder: str
    score: float
    dev_scores: Mapping[str, Mapping[str, float]]
    examples: Mapping[str, Sequence[str]]
    max_seq_length: int
    truncation: str = "longest_first"
    thresholds: Mapping[str, float] = field(default_factory=dict)

    @property
    def registered_name(self) -> str:
        """Name of the task's registered model."""
        return f"gluetune-{self.task.name}"

    @property
    def tags(self) -> dict[str, str]:
        """Tags of the logged model and of its version."""
        dev = {
            f"gluetune.{split}.{name}": f"{value:.6f}"
            for split, scores in self.dev_scores.items()
            for name, value in scores.items()
        }
        return {
            "gluetune.task": self.task.name,
            "gluetune.trial": self.trial,
            METRIC: self.task.primary,
            SCORE: f"{self.score:.6f}",
        } | dev


def log_champion(
    client: MlflowClient, experiment: str, run_id: str, search: Mapping[str, str], champion: Champion, in_registry: bool
) -> Registration:
    """Log a winner and register it. A second call for the same run completes what the first one left undone.

    Args:
        client: client of the open store.
        experiment: the experiment's id.
        run_id: the winner's run.
        search: tags that name the search and its data, which `gluetune.tracking.registration.promotes` reads.
        champion: the winner.
        in_registry: whether to register the model; otherwise it is only logged.
    """
    tags = dict(search) | champion.tags
    model_id = _logged(client, experiment, run_id, champion) or _log(client, experiment, run_id, tags, champion)
    if not in_registry:
        return Registration(f"models:/{model_id}", None, "logged, not registered")
    return register(client, champion.registered_name, champion.task, model_id, run_id, tags)


def _logged(client: MlflowClient, experiment: str, run_id: str, champion: Champion) -> str | None:
    """Id of the run's model if an earlier attempt has logged this same winner completely, else ``None``."""
    found = client.search_logged_models([experiment], f"name = '{NAME}' AND source_run_id = '{run_id}'")
    return next(
        (
            str(model.model_id)
            for model in found
            if str(model.status) == "READY" and champion.tags.items() <= dict(model.tags).items()
        ),
        None,
    )


def _log(client: MlflowClient, experiment: str, run_id: str, tags: dict[str, str], champion: Champion) -> str:
    from mlflow.entities import LoggedModelOutput
    from mlflow.models import Model

    made = client.create_logged_model(experiment, NAME, run_id, tags, model_type=champion.task.name)
    with tempfile.TemporaryDirectory(prefix="gluetune-champion-") as folder:
        description = Model(
            artifact_path=made.artifact_location,
            run_id=run_id,
            model_uuid=made.model_id,
            model_id=made.model_id,
            metadata=dict(tags),
        )
        save_champion(f"{folder}/{NAME}", champion, description)
        with upload_timeout():
            client.log_model_artifacts(made.model_id, f"{folder}/{NAME}")
    client.finalize_logged_model(made.model_id, "READY")
    client.log_outputs(run_id, [LoggedModelOutput(made.model_id, step=0)])
    return str(made.model_id)


def save_champion(path: str, champion: Champion, description: Model) -> None:
    """Write the folder of the MLflow model.

    Raises:
        TrackingError: the winner's folder is missing.
    """
    import pandas as pd
    from mlflow.pyfunc import save_model

    from gluetune.data import truncation  # imports torch

    storage = Storage(champion.folder)
    if not storage.exists():
        raise TrackingError(f"the winner's folder must exist, but got {champion.folder!r}")
    checkpoint = Path(path).with_name("checkpoint")  # MLflow stores a folder under its own name
    storage.download("", checkpoint)
    config = {
        "columns": list(champion.task.columns),
        "labels": list(champion.task.labels),
        "problem": champion.task.problem,
        "thresholds": [champion.thresholds[label] for label in champion.task.labels] if champion.thresholds else None,
        "max_seq_length": champion.max_seq_length,
        "truncation": champion.truncation,
        "batch_size": BATCH_SIZE,
    }
    artifacts = {"checkpoint": str(checkpoint), "truncation": str(truncation.__file__)}
    example = pd.DataFrame({name: list(champion.examples[name][:EXAMPLE_ROWS]) for name in champion.task.columns})
    save_model(
        path,
        python_model=str(Path(__file__).with_name("champion_model.py")),
        mlflow_model=description,
        artifacts=artifacts,
        model_config=config,
        signature=signature(champion.task),
        input_example=example,
        pip_requirements=requirements(),
    )


def signature(task: Task) -> Any:
    """Return the model's inputs and outputs as ``mlflow.models.ModelSignature``."""
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, DataType, Schema, TensorSpec
    from mlflow.types.schema import Array

    label = {
        "single_label": [ColSpec(DataType.string, "label"), ColSpec(DataType.float, "score")],
        "multi_label": [ColSpec(Array(DataType.string), "labels")],
        "regression": [ColSpec(DataType.float, "score")],
    }
    outputs: list[ColSpec | TensorSpec] = [*label[task.problem]]
    outputs += [ColSpec(DataType.float, f"probability_{name}") for name in task.labels]
    inputs: list[ColSpec | TensorSpec] = [ColSpec(DataType.string, name) for name in task.columns]
    return ModelSignature(Schema(inputs), Schema(outputs))


def requirements() -> list[str]:
    """Return the packages that the model needs, at the installed versions, without local parts such as ``+cpu``."""
    return [f"{package}=={version(package).split('+')[0]}" for package in PACKAGES]
