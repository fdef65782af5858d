"""A job file's sections: what to search, on what data, with which resources, and where it is recorded."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, Strict, field_serializer, model_validator

from gluetune.config.addresses import without_password
from gluetune.config.budgets import BudgetConfig, CostPerHour, StopRuleConfig
from gluetune.config.task_files import TaskFiles
from gluetune.config.tasks import TaskEntry, TaskName, read_tasks
from gluetune.config.training import TrainingConfig
from gluetune.config.validation import Section, UnusedSettingError, settings_by_choice

SCHEDULER_SETTINGS = settings_by_choice(
    ("search", "scheduler"),
    "name",
    "none",
    none=(),
    asha=("grace_epochs", "reduction_factor", "min_trials"),
    hyperband=("grace_epochs", "reduction_factor", "min_trials", "brackets"),
    median=("grace_epochs", "min_trials"),
)
_SELECTION_SETTINGS = settings_by_choice(
    ("data",),
    "selection",
    "holdout",
    holdout=("selection_fraction", "selection_max_rows", "selection_seed"),
    train_test_split=("selection_fraction", "selection_seed"),
    dev=(),
    kfold=("folds", "final", "selection_seed"),
)
SYNTHETIC_ENCODER = "synthetic"
"""`ModelConfig.name_or_path` of the small encoder that gluetune pre-trains on generated text."""

JOB_SETTINGS = (SCHEDULER_SETTINGS, _SELECTION_SETTINGS)


def _whole_above_one(value: float) -> float:
    if value > 1 and value != int(value):
        raise ValueError(f"must be whole where it is more than 1 (Ray divides single GPUs only), but got {value}")
    return value


Algorithm = Literal["grid", "random", "tpe", "gp", "cmaes", "nsga2"]
Objective = Literal["score", "ms_per_row"]
SchedulerName = Literal["none", "asha", "hyperband", "median"]
Cpus = Literal["auto"] | Annotated[float, Field(gt=0)]
Lanes = Literal["auto"] | Annotated[int, Field(ge=1)]
Gpus = Literal["auto"] | Annotated[float, Field(ge=0), AfterValidator(_whole_above_one)]


class DataConfig(Section):
    """Where the rows come from and which of them choose the winner.

    ``dir`` is the official GLUE folder; with ``hub`` a folder with copies of the hub's repositories, for machines
    without a network; with ``custom`` it is passed to the user's class.

    ``train_file``, ``validation_file`` and ``test_file`` replace official files of a ``dir``; relative paths start
    there. ``dataset`` is the import path (``package.module:Class``) of a user's own dataset class, for ``custom``.

    ``selection``: ``holdout`` holds stratified rows out of train (at most ``selection_max_rows``), ``dev`` takes the
    official development rows, as published results do, ``train_test_split`` draws the rows that scikit-learn's function
    of that name draws. ``kfold`` trains each configuration ``folds`` times, each time on all train rows but those of
    one fold, which it is scored on; the mean score ranks. ``selection_seed`` is the seed of the draw; ``None`` is the
    job's seed.

    ``final`` is how the model of a winner of ``kfold`` is made: ``refit`` trains its configuration again on all train
    rows, for the number of epochs with the best mean score; ``ensemble`` averages the logits of the folds' models after
    that number of epochs.
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
    selection: Literal["holdout", "dev", "train_test_split", "kfold"] = "holdout"
    selection_fraction: float = Field(default=0.1, gt=0, lt=1)
    selection_max_rows: int = Field(default=2000, ge=1)
    selection_seed: int | None = Field(default=None, ge=0, lt=2**32)
    folds: int = Field(default=5, ge=2, le=100)
    final: Literal["refit", "ensemble"] = "refit"

    @property
    def trained_folds(self) -> int:
        """Number of folds that each configuration is trained on; 0 where ``selection`` is not ``kfold``."""
        return self.folds if self.selection == "kfold" else 0


def _listed_encoders(value: Any) -> Any:
    """Read a list of encoders, in YAML or as names with commas between them; a list of one is that one."""
    if isinstance(value, str) and "," in value and not Path(value).exists():
        value = [name.strip() for name in value.split(",")]
    if not isinstance(value, list | tuple):
        return value
    return value[0] if len(value) == 1 else tuple(value)


def _each_once(value: str | tuple[str, ...]) -> str | tuple[str, ...]:
    names = (value,) if isinstance(value, str) else value
    for place, name in enumerate(names):
        if name in names[:place]:
            raise ValueError(f"each encoder must be named once, but got {name!r} again")
    return value


EncoderName = Annotated[str, Field(min_length=1)]
Encoders = Annotated[
    EncoderName | Annotated[tuple[EncoderName, ...], Field(min_length=1)],
    BeforeValidator(_listed_encoders),
    AfterValidator(_each_once),
]


class ModelConfig(Section):
    """The encoder, or the encoders among which a search chooses. ``synthetic`` is the one that gluetune pre-trains.

    ``name_or_path`` is one encoder, on the hub or in a folder, or a list of them: the search space then has the
    dimension ``model``.

    ``from_scratch`` takes the model's architecture and vocabulary but random weights, drawn by the job's seed. The
    architecture is then ``config.json``'s, or BERT's where there is only a vocabulary; ``config_overrides`` replaces
    single values of it, such as ``num_hidden_layers``.
    """

    name_or_path: Encoders = Field(
        default=SYNTHETIC_ENCODER, description="an encoder, on the hub or in a folder, or a list of encoders"
    )
    revision: str | None = None
    cache_dir: str | None = None
    from_scratch: bool = False
    config_overrides: dict[str, bool | int | float | str] = Field(default_factory=dict)

    @property
    def names(self) -> tuple[str, ...]:
        """The encoders, in the order of the job."""
        return (self.name_or_path,) if isinstance(self.name_or_path, str) else self.name_or_path

    @property
    def name(self) -> str:
        """The encoder of a section that names one.

        Raises:
            ValueError: the section names several.
        """
        if not isinstance(self.name_or_path, str):
            raise ValueError(f"one encoder must be named, but got {', '.join(self.name_or_path)}")
        return self.name_or_path

    def of(self, name: str) -> ModelConfig:
        """Return this section for one encoder."""
        return self if self.name_or_path == name else self.model_copy(update={"name_or_path": name})


class SchedulerConfig(Section):
    """Which scheduler stops trials early, never before ``grace_epochs``. A name alone has default settings.

    A setting that the scheduler does not use is a mistake: hyperband alone uses ``brackets``, asha and hyperband use
    ``reduction_factor``, and ``none`` has no settings.
    """

    name: SchedulerName = "none"
    grace_epochs: float = Field(default=1.0, gt=0)
    reduction_factor: float = Field(default=2.0, gt=1)
    brackets: int = Field(default=3, ge=1)
    min_trials: int = Field(default=3, ge=1)

    @model_validator(mode="after")
    def _check_used(self) -> SchedulerConfig:
        for setting in sorted(SCHEDULER_SETTINGS.unused(self.name) & self.model_fields_set):
            default = type(self).model_fields[setting].default  # job files in run folders contain all defaults
            if getattr(self, setting) != default:
                raise UnusedSettingError(setting, SCHEDULER_SETTINGS.rule_against(setting, self.name))
        return self


def named_scheduler(name: Any) -> Any:
    """Return the mapping for a scheduler that is given by its name alone; other values as they are."""
    return {"name": name} if isinstance(name, str) else name


def _listed_objectives(value: Any) -> Any:
    """Read objectives with commas between them as a list."""
    return tuple(name.strip() for name in value.split(",")) if isinstance(value, str) else value


class SearchConfig(Section):
    """What is searched and how.

    ``num_samples`` is the number of trials per task; ``None`` is all configurations of a finite space, and of any other
    as many as ``budget`` or ``time_budget_s`` allow. ``time_budget_s`` limits one session of a search: a resume has all
    of it again. ``budget`` limits all sessions together.

    ``spaces`` gives encoders a search space of their own: a mapping from encoders to spaces, in which those that are
    not named have ``space``; or ``auto``, the space that was published for each encoder's family.

    ``objective`` lists what the search optimises: the score alone, or also ``ms_per_row``, the milliseconds that the
    evaluation of a selection row takes, of which less is better. The best compromises are then reported as a Pareto
    front; the winner is the trial with the best score.
    """

    space: str = Field(default="compact_bert", min_length=1)
    spaces: Literal["auto"] | dict[str, Annotated[str, Field(min_length=1)]] | None = Field(
        default=None, description="auto, a mapping from encoders to names or files of search spaces, or null"
    )
    objective: Annotated[tuple[Objective, ...], Strict(False), BeforeValidator(_listed_objectives)] = ("score",)
    algorithm: Algorithm = "grid"
    scheduler: Annotated[SchedulerConfig, BeforeValidator(named_scheduler)] = SchedulerConfig()
    num_samples: int | None = Field(default=None, ge=1)
    time_budget_s: float | None = Field(default=None, gt=0)
    budget: BudgetConfig = BudgetConfig()
    stop_when: StopRuleConfig = StopRuleConfig()
    max_failures: int = Field(default=2, ge=0)


class LanesConfig(Section):
    """Lanes and their resources.

    ``max_concurrent_trials: auto`` is as many lanes as keep the cluster busy: one per CPU where there are no GPUs, else
    as many on each GPU as fit by the measurements of a short trial. ``cpus_per_worker: auto`` divides the cluster's
    CPUs among the workers, ``gpus_per_worker: auto`` its GPUs: one for each worker, or a fraction where there are more
    lanes than GPUs and that many fit on one.

    ``cost_per_hour`` is what an hour of a GPU costs, or of a CPU core where lanes have no GPUs; or a mapping with the
    prices of both, ``{gpu: 2.5, cpu: 0.04}``. The search then reports its cost.
    """

    max_concurrent_trials: Lanes = 2
    workers_per_lane: int = Field(default=1, ge=1)
    cpus_per_worker: Cpus = "auto"
    gpus_per_worker: Gpus = "auto"
    placement_strategy: Literal["PACK", "SPREAD", "STRICT_PACK", "STRICT_SPREAD"] = "PACK"
    cost_per_hour: CostPerHour | None = Field(
        default=None, description="a number > 0, a mapping of gpu and cpu to numbers >= 0, or null"
    )

    @property
    def lanes(self) -> int:
        """Number of lanes; 1 while ``auto`` is not resolved."""
        return 1 if self.max_concurrent_trials == "auto" else self.max_concurrent_trials


class StorageConfig(Section):
    """Where the search writes its state, checkpoints and reports: ``<path>/<name>/``."""

    path: str = Field(default="runs", min_length=1)
    keep_checkpoints: int = Field(default=1, ge=1)


class TrackingConfig(Section):
    """The MLflow store. Without ``uri`` it is SQLite and a folder beside the runs: ``<storage.path>/mlflow.db``.

    A password in ``uri`` is used to connect and never written: a dumped or printed configuration contains the address
    without it.
    """

    uri: str | None = Field(default=None, min_length=1, repr=False)
    experiment: str | None = Field(default=None, min_length=1)
    register_models: bool = True

    @field_serializer("uri")
    def _without_password(self, uri: str | None) -> str | None:
        return None if uri is None else without_password(uri)


class ConfirmConfig(Section):
    """What is trained again with fresh seeds after the search, to tell a good configuration from a lucky seed.

    ``top`` is the number of configurations of each task, the best by their selection scores. The default of the search
    space, its first point, is trained again too. ``seeds`` is the number of seeds of each of them.
    """

    top: int = Field(default=3, ge=1)
    seeds: int = Field(default=5, ge=1)


class PublishedConfig(Section):
    """Results that were published for what a job does; the final report prints them beside the measured ones.

    ``figures`` maps ``<split>.<metric>``, such as ``validation.accuracy``, ``train.loss`` or ``test.accuracy``, to
    the published value.
    """

    source: str = Field(min_length=1)
    figures: dict[str, float]
    note: str = ""


def _default_tasks() -> dict[str, float | TaskFiles]:
    return {"cola": 1.0, "mrpc": 1.0, "stsb": 1.0}


class JobConfig(Section):
    """One search: tasks, data, model, training, search, confirmation, lanes, storage and tracking.

    ``tasks`` maps names of GLUE's tasks and SNLI to weights: the search divides the lanes' time among tasks by weight.
    In a list or as comma-separated names, each task has weight 1. A name of the user's own maps to a `TaskFiles`, which
    describes a task of the user's files; in Python, a list may also hold a `gluetune.Task`. ``training`` fields that
    are set here go before those of the search space.

    Raises:
        pydantic.ValidationError: a key does not exist or its value breaks its rule; a ``ValueError``. Rules between
            keys are checked where a function takes the job, which raises `gluetune.errors.ConfigError`.

    Example:
        >>> job = gluetune.JobConfig(tasks=["cola", "rte"], data={"source": "synthetic"})
        >>> job.tasks, job.search.algorithm
        ({'cola': 1.0, 'rte': 1.0}, 'grid')
    """

    name: str | None = Field(
        default=None,
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$",
        description="text of letters, digits, '.', '_' and '-' that starts with a letter or digit, or null",
    )
    seed: int = Field(default=42, ge=0, lt=2**31)
    tasks: Annotated[dict[TaskName, TaskEntry], BeforeValidator(read_tasks)] = Field(
        default_factory=_default_tasks,
        description="names of tasks, or a mapping from names to weights or to descriptions of your own tasks",
    )
    data: DataConfig = DataConfig()
    model: ModelConfig = ModelConfig()
    training: TrainingConfig = TrainingConfig()
    search: SearchConfig = SearchConfig()
    lanes: LanesConfig = LanesConfig()
    storage: StorageConfig = StorageConfig()
    tracking: TrackingConfig = TrackingConfig()
    confirm: ConfirmConfig | None = None
    published: PublishedConfig | None = None

    @property
    def weights(self) -> dict[str, float]:
        """The share of the lanes' time that each task gets, in relation to the others, by name."""
        return {name: entry.weight if isinstance(entry, TaskFiles) else entry for name, entry in self.tasks.items()}

    @property
    def own_tasks(self) -> dict[str, TaskFiles]:
        """The descriptions of the tasks of the user's own files, by name."""
        return {name: entry for name, entry in self.tasks.items() if isinstance(entry, TaskFiles)}

    @property
    def reads_data(self) -> bool:
        """Whether rows come from ``data.source``: not where all tasks are those of the user's own files."""
        return len(self.own_tasks) < len(self.tasks)
