"""The plan of a search: what it is going to do, shown before it starts and recorded in MLflow."""

from __future__ import annotations

from dataclasses import dataclass, field

from gluetune.config import ConfirmConfig, CostPerHour, StopRuleConfig, Value


@dataclass(frozen=True, slots=True)
class TaskPlan:
    """One task of a search.

    Attributes:
        task: name of the task.
        title: its name as papers print it.
        source: description of where its rows come from.
        train_rows: number of rows that trials train on.
        selection_rows: number of rows that decide which trial wins.
        dev_rows: number of rows that the winner is scored on, by split: the official development rows, or the
            validation and test rows of the user's own files.
        metric: name of the primary metric.
        baseline: the metric, on the selection rows, of always predicting the majority class or the mean.
        planned: number of trials; ``None`` where only the time budget ends them.
        synthetic: whether gluetune generated some of the rows.
        fingerprints: fingerprint of the rows by ``train``, ``selection`` and the names of dev splits; empty where
            unknown. Equal rows in equal order have equal fingerprints.
        same_rows: dev splits with the texts of another split, mapped to that split's name.
        configurations: number of configurations that train differently; ``None`` where it is not finite.
        columns: names of the text columns.
        own: whether the rows are those of the user's own files, not official ones.
        card_lines: the data card of a task of the user's own files, as lines to print; empty for other tasks.
        card: the data card of a task of the user's own files, as Markdown; empty for other tasks.
        rows_per_trial: rows that a trial trains on, each as often as it does so, on average over the search space; 0
            where it is not known.
        evaluations_per_trial: number of evaluations of a trial, likewise.
        folds: number of folds of a cross-validation, whose selection rows are the train rows; 0 without one.
    """

    task: str
    title: str
    source: str
    train_rows: int
    selection_rows: int
    dev_rows: dict[str, int]
    metric: str
    baseline: float
    planned: int | None
    synthetic: bool = False
    fingerprints: dict[str, str] = field(default_factory=dict)
    same_rows: dict[str, str] = field(default_factory=dict)
    configurations: int | None = None
    columns: tuple[str, ...] = ()
    own: bool = False
    card_lines: tuple[str, ...] = ()
    card: str = ""
    rows_per_trial: float = 0.0
    evaluations_per_trial: float = 0.0
    folds: int = 0


@dataclass(frozen=True, slots=True)
class EncoderPlan:
    """One of the encoders among which a search chooses.

    Attributes:
        name: the encoder as the job names it.
        parameters: number of its weights.
        space: name of its search space.
        space_source: the publication that the space was taken from.
        fields: names of the fields that the space varies.
        fixed: training fields that the job or the space sets to one value.
        left_out: number of tensors of its checkpoint that are not used, by part of the model.
    """

    name: str
    parameters: int
    space: str
    space_source: str
    fields: tuple[str, ...]
    fixed: dict[str, Value] = field(default_factory=dict)
    left_out: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SearchPlan:
    """A whole search. A single run is a search without searched fields.

    Attributes:
        name: name of the run.
        seed: the job's seed.
        model: the encoder as the job names it; several with commas between them.
        parameters: number of the encoder's weights; of several, those of the largest.
        space: name of the search space.
        space_source: the publication that the space was taken from.
        fields: names of the searched fields.
        algorithm: name of the search algorithm.
        scheduler: name of the scheduler.
        lanes: number of trials that run at the same time.
        workers_per_lane: number of workers of each lane.
        resources: description of the CPUs and GPUs of one worker.
        folder: the run's folder, as a path or URI.
        tracking_uri: MLflow's tracking URI, without a password.
        experiment: name of the MLflow experiment.
        tasks: the tasks.
        time_budget_s: seconds after which the search stops its trials; ``None`` for no limit.
        fixed: training fields that the job or the space sets to one value.
        left_out: number of tensors of the encoder's checkpoint that are not used, by part of the model.
        encoders: the encoders, where the search chooses among several; empty elsewhere.
        objectives: what the search optimises: ``score``, and ``ms_per_row`` where it is an objective.
        budget: limits of all sessions of the search together, by their names in the job; empty for none.
        cost_per_hour: the job's prices of a GPU or a CPU core for an hour; ``None`` where there are none.
        stop_when: when a task gets no further trials; ``None`` where none is ended.
        confirm: what is trained again with fresh seeds at the end; ``None`` where nothing is.
    """

    name: str
    seed: int
    model: str
    parameters: int
    space: str
    space_source: str
    fields: tuple[str, ...]
    algorithm: str
    scheduler: str
    lanes: int
    workers_per_lane: int
    resources: str
    folder: str
    tracking_uri: str
    experiment: str
    tasks: tuple[TaskPlan, ...]
    time_budget_s: float | None = None
    fixed: dict[str, Value] = field(default_factory=dict)
    left_out: dict[str, int] = field(default_factory=dict)
    encoders: tuple[EncoderPlan, ...] = ()
    objectives: tuple[str, ...] = ("score",)
    budget: dict[str, float] = field(default_factory=dict)
    cost_per_hour: CostPerHour | None = None
    stop_when: StopRuleConfig | None = None
    confirm: ConfirmConfig | None = None
