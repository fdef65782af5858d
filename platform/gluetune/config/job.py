"""A job file's sections: what to search, on what data, with which resources, and where it is recorded."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, Strict, model_validator

from gluetune.config.budgets import BudgetConfig, StopRuleConfig
from gluetune.config.data_and_model import SELECTION_SETTINGS, DataConfig, ModelConfig
from gluetune.config.resources import LanesConfig, StorageConfig, TrackingConfig
from gluetune.config.task_files import TaskFiles
from gluetune.config.tasks import TaskEntry, TaskName, read_tasks
from gluetune.config.training import TrainingConfig
from gluetune.config.validation import Rule, Section, UnusedSettingError, settings_by_choice

SCHEDULER_SETTINGS = settings_by_choice(
    ("search", "scheduler"),
    "name",
    "none",
    none=(),
    asha=("grace_epochs", "reduction_factor", "min_trials"),
    hyperband=("grace_epochs", "reduction_factor", "min_trials", "brackets"),
    median=("grace_epochs", "min_trials"),
)
JOB_SETTINGS = (SCHEDULER_SETTINGS, SELECTION_SETTINGS)


Algorithm = Literal["grid", "random", "tpe", "gp", "cmaes", "nsga2"]
Objective = Literal["score", "ms_per_row"]
SchedulerName = Literal["none", "asha", "hyperband", "median"]


class SchedulerConfig(Section):
    """Which scheduler stops trials early. A name alone has default settings.

    A setting that the scheduler does not use is a mistake.
    """

    name: SchedulerName = Field(
        default="none",
        description="`none`: each trial trains to its end; `asha`, `hyperband` and `median` stop trials early",
    )
    grace_epochs: float = Field(
        default=1.0,
        gt=0,
        description="epochs that each trial trains before it can be stopped; of asha, hyperband and median",
    )
    reduction_factor: float = Field(
        default=2.0, gt=1, description="of asha and hyperband: one trial in this many continues at each rung"
    )
    brackets: int = Field(default=3, ge=1, description="of hyperband: number of brackets")
    min_trials: int = Field(
        default=3, ge=1, description="of asha, hyperband and median: number of scores that a decision needs"
    )

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
    """What is searched and how."""

    space: str = Field(
        default="compact_bert",
        min_length=1,
        description="name of a shipped search space, or the path of a search-space file",
    )
    spaces: Annotated[
        Literal["auto"] | dict[str, Annotated[str, Field(min_length=1)]] | None,
        Rule("auto, a mapping from encoders to names or files of search spaces, or null"),
    ] = Field(
        default=None,
        description="search spaces of single encoders: a mapping from encoders to spaces, in which encoders "
        "that are not named have `space`; `auto`: the space that was published for the family of "
        "each encoder; null: all encoders have `space`",
    )
    objective: Annotated[tuple[Objective, ...], Strict(False), BeforeValidator(_listed_objectives)] = Field(
        default=("score",),
        description="what the search optimises: `score` alone, or `score` and `ms_per_row`, the milliseconds "
        "that the evaluation of a selection row takes. The best compromises are then reported as "
        "a Pareto front; the winner is the trial with the best score",
    )
    algorithm: Algorithm = Field(
        default="grid",
        description="how configurations are chosen: all in order (`grid`), at random (`random`), or by the "
        "Optuna sampler of that name",
    )
    scheduler: Annotated[SchedulerConfig, BeforeValidator(named_scheduler)] = Field(
        default=SchedulerConfig(),
        description="the scheduler that stops trials early: a name, or a mapping with its settings",
    )
    num_samples: int | None = Field(
        default=None,
        ge=1,
        description="number of trials of each task; null: all configurations of a finite space, and of any "
        "other space as many as `budget` or `time_budget_s` allow",
    )
    time_budget_s: float | None = Field(
        default=None,
        gt=0,
        description="seconds after which one session of the search ends; a resume has all of it again",
    )
    budget: BudgetConfig = Field(default=BudgetConfig(), description="limits of all sessions together")
    stop_when: StopRuleConfig = Field(default=StopRuleConfig(), description="when a task gets no further trials")
    max_failures: int = Field(
        default=2, ge=0, description="how often a trial is started again after it has lost its lane"
    )


class ConfirmConfig(Section):
    """What is trained again with fresh seeds after the search, to tell a good configuration from a lucky seed."""

    top: int = Field(
        default=3,
        ge=1,
        description="number of configurations of each task, those with the best selection scores; the first "
        "point of the search space is trained again too",
    )
    seeds: int = Field(default=5, ge=1, description="number of fresh seeds of each of them")


class PublishedConfig(Section):
    """Results that were published for what a job does; the final report prints them beside the measured ones."""

    source: str = Field(min_length=1, description="the publication")
    figures: dict[str, float] = Field(
        description="published values by `<split>.<metric>`, such as `validation.accuracy` or `test.accuracy`"
    )
    note: str = Field(default="", description="a text that is printed with them")


def _default_tasks() -> dict[str, float | TaskFiles]:
    return {"cola": 1.0, "mrpc": 1.0, "stsb": 1.0}


class JobConfig(Section):
    """One search: tasks, data, model, training, search, confirmation, lanes, storage and tracking.

    ``tasks`` may also be a list of names or, in Python, of `gluetune.Task`.

    Raises:
        pydantic.ValidationError: a key does not exist or its value breaks its rule; a ``ValueError``. Rules between
            keys are checked where a function takes the job, which raises `gluetune.errors.ConfigError`.

    Example:
        >>> job = gluetune.JobConfig(tasks=["cola", "rte"], data={"source": "synthetic"})
        >>> job.tasks, job.search.algorithm
        ({'cola': 1.0, 'rte': 1.0}, 'grid')
    """

    name: Annotated[
        str | None, Rule("text of letters, digits, '.', '_' and '-' that starts with a letter or digit, or null")
    ] = Field(
        default=None,
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$",
        description="name of the run, and of its folder; null: the name of the job file and the time",
    )
    seed: int = Field(default=42, ge=0, lt=2**31, description="seed of everything random")
    tasks: Annotated[
        dict[TaskName, TaskEntry],
        BeforeValidator(read_tasks),
        Rule("names of tasks, or a mapping from names to weights or to descriptions of your own tasks"),
    ] = Field(
        default_factory=_default_tasks,
        description="what is trained: names of tasks, as a list or separated by commas; or a mapping from "
        "names to weights or to descriptions of tasks of your own",
    )
    data: DataConfig = Field(
        default=DataConfig(), description="where rows come from, and which of them rank the trials"
    )
    model: ModelConfig = Field(default=ModelConfig(), description="the encoder")
    training: TrainingConfig = Field(
        default=TrainingConfig(), description="settings of training, which go before those of the search space"
    )
    search: SearchConfig = Field(default=SearchConfig(), description="what is searched and how")
    lanes: LanesConfig = Field(default=LanesConfig(), description="lanes and their resources")
    storage: StorageConfig = Field(default=StorageConfig(), description="where the run is written")
    tracking: TrackingConfig = Field(default=TrackingConfig(), description="the MLflow store")
    confirm: ConfirmConfig | None = Field(
        default=None, description="what is trained again with fresh seeds after the search; null: nothing"
    )
    published: PublishedConfig | None = Field(
        default=None, description="published results, which the final report prints beside the measured ones"
    )

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
