"""The sections of a job file that say where a run computes and what it writes: ``lanes``, ``storage``, ``tracking``."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, field_serializer

from gluetune.config.addresses import without_password
from gluetune.config.budgets import CostPerHour
from gluetune.config.validation import Rule, Section


def _whole_above_one(value: float) -> float:
    if value > 1 and value != int(value):
        raise ValueError(f"must be whole where it is more than 1 (Ray divides single GPUs only), but got {value}")
    return value


Cpus = Literal["auto"] | Annotated[float, Field(gt=0)]
Lanes = Literal["auto"] | Annotated[int, Field(ge=1)]
Gpus = Literal["auto"] | Annotated[float, Field(ge=0), AfterValidator(_whole_above_one)]


class LanesConfig(Section):
    """Lanes and their resources."""

    max_concurrent_trials: Lanes = Field(
        default=2,
        description="number of lanes. `auto`: one per CPU core where there are no GPUs, else as many on each "
        "GPU as fit by the measurements of a short trial",
    )
    workers_per_lane: int = Field(default=1, ge=1, description="number of workers that share the batches of one trial")
    cpus_per_worker: Cpus = Field(
        default="auto",
        description="CPU cores of one worker. `auto` divides the CPU cores of the cluster among the workers",
    )
    gpus_per_worker: Gpus = Field(
        default="auto",
        description="GPUs of one worker; whole where it is more than 1. `auto` divides the GPUs of the "
        "cluster: one for each worker, or a fraction where there are more lanes than GPUs and "
        "that many fit on one",
    )
    placement_strategy: Literal["PACK", "SPREAD", "STRICT_PACK", "STRICT_SPREAD"] = Field(
        default="PACK",
        description="how Ray places the workers of one lane on nodes: the strategy of its placement group",
    )
    cost_per_hour: Annotated[
        CostPerHour | None, Rule("a number > 0, a mapping of gpu and cpu to numbers >= 0, or null")
    ] = Field(
        default=None,
        description="price of an hour of a GPU, or of a CPU core where lanes have no GPUs; or a mapping with "
        "the prices of both. The search then reports its cost",
    )

    @property
    def lanes(self) -> int:
        """Number of lanes; 1 while ``auto`` is not resolved."""
        return 1 if self.max_concurrent_trials == "auto" else self.max_concurrent_trials


class StorageConfig(Section):
    """Where the search writes its state, checkpoints and reports: ``<path>/<name>/``."""

    path: str = Field(
        default="runs", min_length=1, description="folder or bucket in which each run has a folder of its name"
    )
    keep_checkpoints: int = Field(
        default=1,
        ge=1,
        description="number of trials of each task whose checkpoints are kept: those with the best scores",
    )


class TrackingConfig(Section):
    """The MLflow store.

    A dumped or printed configuration contains the address without its password.
    """

    uri: str | None = Field(
        default=None,
        min_length=1,
        repr=False,
        description="address of the MLflow server or store; null: SQLite in `<storage.path>/mlflow.db`. A "
        "password in it is used to connect and never written to a file",
    )
    experiment: str | None = Field(
        default=None,
        min_length=1,
        description="name of the MLflow experiment; null: the name of the search, `finetune` or `pretrain`",
    )
    register_models: bool = Field(default=True, description="whether winners are registered as MLflow models")

    @field_serializer("uri")
    def _without_password(self, uri: str | None) -> str | None:
        return None if uri is None else without_password(uri)
