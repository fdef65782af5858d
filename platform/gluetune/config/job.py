"""A job file's sections: what to search, on what data, with which resources, and where it is recorded."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from gluetune.config.training import Section, TrainingConfig

Algorithm = Literal["grid", "random", "tpe", "gp", "cmaes", "nsga2"]
SchedulerName = Literal["none", "asha", "hyperband", "median"]


class DataConfig(Section):
    """Where the rows come from and which of them choose the winner (design: carve, or the published dev protocol)."""

    source: Literal["embedded", "hub", "dir"] = "embedded"
    dir: str | None = None
    cache_dir: str | None = None
    max_seq_length: int = Field(128, ge=8, le=8192)
    max_train_samples: int | None = Field(None, ge=2)
    max_eval_samples: int | None = Field(None, ge=1)
    selection: Literal["carve", "dev"] = "carve"
    selection_fraction: float = Field(0.1, gt=0, lt=1)
    selection_max_rows: int = Field(2000, ge=1)


class ModelConfig(Section):
    """The encoder. ``embedded`` is the small one that gluetune pre-trains itself."""

    name_or_path: str = "embedded"
    revision: str | None = None
    cache_dir: str | None = None


class SchedulerConfig(Section):
    """When a trial is stopped early. ``grace_epochs`` of training are never cut."""

    name: SchedulerName = "none"
    grace_epochs: float = Field(1.0, gt=0)
    reduction_factor: float = Field(2.0, gt=1)
    brackets: int = Field(3, ge=1)
    min_trials: int = Field(3, ge=1)


class SearchConfig(Section):
    """What is searched and how. ``num_samples`` counts trials per task; ``None`` with a grid means all of it."""

    space: str = "compact_bert"
    algorithm: Algorithm = "grid"
    scheduler: SchedulerConfig = SchedulerConfig()
    num_samples: int | None = Field(None, ge=1)
    time_budget_s: float | None = Field(None, gt=0)
    max_failures: int = Field(2, ge=0)


class LanesConfig(Section):
    """Lanes and what each holds. ``auto`` CPUs share out the cluster; ``auto`` GPUs take one per worker where there are any."""

    max_concurrent_trials: int = Field(2, ge=1)
    workers_per_lane: int = Field(1, ge=1)
    cpus_per_worker: Literal["auto"] | float = "auto"
    gpus_per_worker: Literal["auto"] | float = "auto"
    placement_strategy: Literal["PACK", "SPREAD", "STRICT_PACK", "STRICT_SPREAD"] = "PACK"


class StorageConfig(Section):
    """Where the search's state, checkpoints and reports go: ``<path>/<name>/``."""

    path: str = "runs"
    keep_checkpoints: int = Field(1, ge=1)


class TrackingConfig(Section):
    """The MLflow store. No uri means SQLite and a folder beside the runs: ``<storage.path>/mlflow.db``."""

    uri: str | None = None
    experiment: str | None = None
    register_models: bool = True


class JobConfig(Section):
    """One search, whole. ``tasks`` maps task names to weights of the fair dealing."""

    name: str | None = Field(None, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    seed: int = Field(42, ge=0, lt=2**31)
    tasks: dict[str, float] = Field(default_factory=lambda: {"cola": 1.0, "mrpc": 1.0, "stsb": 1.0})
    data: DataConfig = DataConfig()
    model: ModelConfig = ModelConfig()
    training: TrainingConfig = TrainingConfig()
    search: SearchConfig = SearchConfig()
    lanes: LanesConfig = LanesConfig()
    storage: StorageConfig = StorageConfig()
    tracking: TrackingConfig = TrackingConfig()
