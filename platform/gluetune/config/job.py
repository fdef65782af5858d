"""A job file's sections: what to search, on what data, with which resources, and where it is recorded."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, field_serializer, model_validator

from gluetune.config.addresses import without_password
from gluetune.config.options import SCHEDULER
from gluetune.config.tasks_field import TaskName, task_weights
from gluetune.config.training import Section, TrainingConfig
from gluetune.config.validation import UnusedOptionError

Algorithm = Literal["grid", "random", "tpe", "gp", "cmaes", "nsga2"]
SchedulerName = Literal["none", "asha", "hyperband", "median"]


def _whole_above_one(value: float) -> float:
    if value > 1 and value != int(value):
        raise ValueError(f"must be whole where it is more than 1 (Ray divides single GPUs only), but got {value}")
    return value


Cpus = Literal["auto"] | Annotated[float, Field(gt=0)]
Lanes = Literal["auto"] | Annotated[int, Field(ge=1)]
Gpus = Literal["auto"] | Annotated[float, Field(ge=0), AfterValidator(_whole_above_one)]
Weight = Annotated[float, Field(gt=0)]


class DataConfig(Section):
    """Where the rows come from and which of them choose the winner.

    ``dir`` is the official GLUE folder; with ``hub`` a folder with copies of the hub's repositories, for machines
    without a network; with ``custom`` whatever the user's class makes of it.

    ``train_file``, ``validation_file`` and ``test_file`` replace official files of a ``dir``; relative paths start
    there. ``dataset`` is the import path (``package.module:Class``) of a user's own dataset class, for ``custom``.

    ``selection``: ``holdout`` holds stratified rows out of train (at most ``selection_max_rows``), ``dev`` is the
    published protocol, ``train_test_split`` draws the rows that scikit-learn's function of that name draws.
    ``selection_seed`` is that draw's; ``None`` is the job's seed.
    """

    source: Literal["synthetic", "hub", "dir", "custom"] = "synthetic"
    dir: str | None = None
    dataset: str | None = Field(default=None, min_length=1)
    train_file: str | None = Field(default=None, min_length=1)
    validation_file: str | None = Field(default=None, min_length=1)
    test_file: str | None = Field(default=None, min_length=1)
    cache_dir: str | None = None
    max_seq_length: int = Field(default=128, ge=8, le=8192)
    truncation: Literal["longest_first", "proportional"] = "longest_first"
    max_train_samples: int | None = Field(default=None, ge=2)
    max_eval_samples: int | None = Field(default=None, ge=1)
    selection: Literal["holdout", "dev", "train_test_split"] = "holdout"
    selection_fraction: float = Field(default=0.1, gt=0, lt=1)
    selection_max_rows: int = Field(default=2000, ge=1)
    selection_seed: int | None = Field(default=None, ge=0, lt=2**32)


class ModelConfig(Section):
    """The encoder. ``synthetic`` is the small one that gluetune pre-trains itself.

    ``from_scratch`` takes the model's architecture and vocabulary but random weights, drawn by the job's seed. The
    architecture is then ``config.json``'s, or BERT's where there is only a vocabulary; ``config_overrides`` replaces
    single values of it, such as ``num_hidden_layers``.
    """

    name_or_path: str = Field(default="synthetic", min_length=1)
    revision: str | None = None
    cache_dir: str | None = None
    from_scratch: bool = False
    config_overrides: dict[str, bool | int | float | str] = Field(default_factory=dict)


class SchedulerConfig(Section):
    """When a trial is stopped early. ``grace_epochs`` of training are never cut. A bare name has default settings.

    A setting that the scheduler does not use is refused: ``brackets`` are hyperband's, ``reduction_factor`` is that of
    asha and hyperband, and ``none`` has no settings.
    """

    name: SchedulerName = "none"
    grace_epochs: float = Field(default=1.0, gt=0)
    reduction_factor: float = Field(default=2.0, gt=1)
    brackets: int = Field(default=3, ge=1)
    min_trials: int = Field(default=3, ge=1)

    @model_validator(mode="after")
    def _used(self) -> SchedulerConfig:
        for setting in sorted(SCHEDULER.unused(self.name) & self.model_fields_set):
            if getattr(self, setting) != type(self).model_fields[setting].default:  # records hold all the defaults
                raise UnusedOptionError(setting, SCHEDULER.refusal(setting, self.name))
        return self


def named_scheduler(name: Any) -> Any:
    """A bare name of a scheduler as the mapping it stands for."""
    return {"name": name} if isinstance(name, str) else name


class SearchConfig(Section):
    """What is searched and how.

    ``num_samples`` counts trials per task; ``None`` is all of a finite space, and of any other whatever
    ``time_budget_s`` allows.
    """

    space: str = Field(default="compact_bert", min_length=1)
    algorithm: Algorithm = "grid"
    scheduler: Annotated[SchedulerConfig, BeforeValidator(named_scheduler)] = SchedulerConfig()
    num_samples: int | None = Field(default=None, ge=1)
    time_budget_s: float | None = Field(default=None, gt=0)
    max_failures: int = Field(default=2, ge=0)


class LanesConfig(Section):
    """Lanes and their resources.

    ``max_concurrent_trials: auto`` is as many lanes as keep the cluster busy: one per CPU where there are no GPUs, else
    as many on each GPU as a short measured trial says. ``cpus_per_worker: auto`` shares out the cluster's CPUs,
    ``gpus_per_worker: auto`` its GPUs: one each, or a fraction where there are more lanes than GPUs and so many fit.
    """

    max_concurrent_trials: Lanes = 2
    workers_per_lane: int = Field(default=1, ge=1)
    cpus_per_worker: Cpus = "auto"
    gpus_per_worker: Gpus = "auto"
    placement_strategy: Literal["PACK", "SPREAD", "STRICT_PACK", "STRICT_SPREAD"] = "PACK"

    @property
    def lanes(self) -> int:
        """Number of lanes; 1 where it is still to be found out."""
        return 1 if self.max_concurrent_trials == "auto" else self.max_concurrent_trials


class StorageConfig(Section):
    """Where the search's state, checkpoints and reports go: ``<path>/<name>/``."""

    path: str = Field(default="runs", min_length=1)
    keep_checkpoints: int = Field(default=1, ge=1)


class TrackingConfig(Section):
    """The MLflow store. No uri means SQLite and a folder beside the runs: ``<storage.path>/mlflow.db``.

    A password in ``uri`` is used and never written: what is dumped or printed of a configuration is the address
    without it.
    """

    uri: str | None = Field(default=None, min_length=1, repr=False)
    experiment: str | None = Field(default=None, min_length=1)
    register_models: bool = True

    @field_serializer("uri")
    def _without_password(self, uri: str | None) -> str | None:
        return None if uri is None else without_password(uri)


class PublishedConfig(Section):
    """Figures that others published for what a job does, to be printed beside the measured ones.

    ``figures`` maps ``<split>.<metric>``, such as ``validation.accuracy``, ``train.loss`` or ``test.accuracy``, to
    the published value.
    """

    source: str = Field(min_length=1)
    figures: dict[str, float]
    note: str = ""


class JobConfig(Section):
    """One search, whole.

    ``tasks`` maps task names to weights of the fair dealing; a list or comma-separated names weigh 1 each.
    ``training`` fields set here win over those the search space sets.
    """

    name: str | None = Field(
        default=None,
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$",
        description="text of letters, digits, '.', '_' and '-' that starts with a letter or digit, or null",
    )
    seed: int = Field(default=42, ge=0, lt=2**31)
    tasks: Annotated[dict[TaskName, Weight], BeforeValidator(task_weights)] = Field(
        default_factory=lambda: {"cola": 1.0, "mrpc": 1.0, "stsb": 1.0},
        description="names of tasks, or a mapping from names to weights",
    )
    data: DataConfig = DataConfig()
    model: ModelConfig = ModelConfig()
    training: TrainingConfig = TrainingConfig()
    search: SearchConfig = SearchConfig()
    lanes: LanesConfig = LanesConfig()
    storage: StorageConfig = StorageConfig()
    tracking: TrackingConfig = TrackingConfig()
    published: PublishedConfig | None = None
