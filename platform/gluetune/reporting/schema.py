"""The fields of ``summary.json``. ``docs/reference/summary.md`` is generated from these descriptions."""

from __future__ import annotations

import math
from typing import Any, Literal

from pydantic import ConfigDict, Field, model_validator

from gluetune.config import Value
from gluetune.events import ClassScores, Evaluation, Precision
from gluetune.reporting.confirmation_schema import ConfirmationSummary
from gluetune.reporting.confirmation_schema import SummaryPart as _Part

SCHEMA_VERSION = 1
SearchStatus = Literal["complete", "out_of_time", "out_of_budget", "interrupted", "failed", "running"]


class EvaluationSummary(Evaluation):
    """One evaluation of a trial on the selection rows. Numbers that are not finite are written as ``null``."""

    model_config = ConfigDict(ser_json_inf_nan="null")

    lane: str = Field(description="the lane it ran on")

    @model_validator(mode="before")
    @classmethod
    def _from_file(cls, values: dict[str, Any]) -> dict[str, Any]:
        """Read ``null`` as an undefined score or loss, and files that were written before steps were recorded."""
        known = {"total_steps": 0, "steps_per_epoch": 0} | values
        known |= {name: math.nan for name in ("score", "eval_loss", "train_loss") if known.get(name) is None}
        metrics = known.get("metrics", {})
        return known | {"metrics": {name: math.nan if value is None else value for name, value in metrics.items()}}


class ClassSecondsSummary(_Part):
    """Seconds by what they were spent on. A number is null where an older version did not record it."""

    training: float | None = Field(description="training that an evaluation or the divergence of a trial followed")
    evaluation: float | None = Field(description="evaluations of trials, and saving and scoring of winners")
    idle: float | None = Field(description="waiting for a trial, for checkpoints, or for the end of the search")
    start: float | None = Field(description="from the start of lanes to their first step")
    lost: float | None = Field(
        description="training since the last evaluation of trials that lost lane or driver, were stopped, or failed"
    )
    total: float | None = Field(description="the sum of these")


class CostsSummary(_Part):
    """What a trial, a task or the search used of its lanes, over all sessions."""

    lane_seconds: ClassSecondsSummary = Field(description="seconds of lanes")
    cpu_seconds: ClassSecondsSummary = Field(description="seconds of CPU cores")
    gpu_seconds: ClassSecondsSummary = Field(description="seconds of GPUs")
    cost: float | None = Field(
        default=None, description="what they cost by `lanes.cost_per_hour`; null where there is no price"
    )


class EarlyEndSummary(_Part):
    """Why a task got no further trials before all planned ones were started, and what that saved."""

    trials: int = Field(description="number of its trials that had ended")
    further_trials: int = Field(description="number of further trials whose gain was estimated")
    expected_gain: float = Field(description="by how much they were expected to raise the best score")
    threshold: float = Field(description="the job's `search.stop_when.expected_gain_below`")
    patience: int = Field(description="so many estimates in a row were below it")
    trials_saved: int | None = Field(
        description="number of planned trials that were not run, nor other tasks' in their place; null if only time or "
        "budget end the search"
    )
    lane_seconds_saved: float | None = Field(
        description="seconds of lanes that they would have needed, by the mean of the trials that were run"
    )
    cpu_seconds_saved: float | None = Field(description="seconds of CPU cores likewise; null if not recorded")
    gpu_seconds_saved: float | None = Field(description="seconds of GPUs likewise; null if not recorded")


class EstimateSummary(_Part):
    """What the search was expected to use in all, when its first steps had been measured."""

    at: float = Field(description="seconds for which the search had lanes when the estimate was made")
    seconds: float = Field(description="seconds for which it was expected to have lanes")
    cpu_hours: float = Field(description="hours of CPU cores that it was expected to use")
    gpu_hours: float = Field(description="hours of GPUs that it was expected to use")
    error: float | None = Field(
        description="(`held_seconds` - `seconds`) / `seconds`; null where not all planned trials were run"
    )


class BudgetLimit(_Part):
    """One limit of the search's budget."""

    limit: float = Field(description="the limit, in the unit that its name says")
    spent: float | None = Field(description="what all sessions spent of it; null if not recorded")


class TrialSummary(_Part):
    """One trial."""

    number: int = Field(description="counts the trials of the whole search from 0")
    name: str = Field(description="the trial's folder and MLflow run name")
    task: str = Field(description="name of the task")
    params: dict[str, Value] = Field(description="the searched fields")
    training: dict[str, Value | None] = Field(description="the whole training configuration")
    seed: int = Field(description="seed of data order, head and dropout")
    status: str = Field(description="running, finished, pruned, diverged, out_of_memory, failed or stopped")
    message: str = Field(description="why it did not finish; empty if it did")
    started: float = Field(description="when it started, seconds since the epoch")
    ended: float | None = Field(description="when it ended, seconds since the epoch")
    seconds: float = Field(description="seconds in training and evaluation")
    best_score: float | None = Field(description="score of its best evaluation")
    best_epoch: float | None = Field(description="epoch of its best evaluation")
    fold_scores: list[float] = Field(
        default_factory=list,
        description="scores of the complete folds of a cross-validation at `best_epoch`, in order: `best_score` is "
        "their mean, and `evaluations` are means over them; empty without folds",
    )
    ms_per_row: float | None = Field(
        default=None,
        description="milliseconds that the fastest of its evaluations took for each selection row, on its lane",
    )
    trainable_parameters: int | None = Field(
        default=None, description="number of weights that it trains; null before its first evaluation"
    )
    total_parameters: int | None = Field(
        default=None, description="number of weights of its model, an adapter's included"
    )
    costs: CostsSummary | None = Field(default=None, description="what it used of its lanes")
    evaluations: list[EvaluationSummary] = Field(description="its evaluations, in order")


class WinnerSummary(_Part):
    """The best trial of a task that has ended, or that the time budget or Ctrl-C stopped."""

    trial: int = Field(description="number of the trial")
    name: str = Field(description="name of the trial")
    score: float | None = Field(description="its best score on the selection rows, by which it won")
    precision: Precision | None = Field(
        default=None, description="precision in which `score` was computed; null if it was not recorded"
    )
    selection_scores: dict[str, float | None] = Field(
        default_factory=dict,
        description="metrics on the selection rows of the saved model, in fp32 as `dev_scores`; "
        "they differ from `score` if that is in bf16",
    )
    params: dict[str, Value] = Field(description="the searched fields")
    epochs: float = Field(description="epochs it trained")
    best_epoch: float = Field(description="epoch of its best evaluation, the one that is kept")
    fold_scores: list[float] = Field(
        default_factory=list,
        description="scores of the folds of a cross-validation at `best_epoch`, in order: `score` is their mean; empty "
        "without folds",
    )
    score_deviation: float | None = Field(
        default=None, description="standard deviation of `fold_scores`; null for fewer than two"
    )
    refit_rows: int | None = Field(
        default=None,
        description="after a cross-validation, the rows that the saved model was trained on: all of train",
    )
    refit_epochs: float | None = Field(
        default=None, description="after a cross-validation, epochs for which the saved model was trained"
    )
    members: int | None = Field(
        default=None, description="models of folds whose logits the saved model averages; null where it is a single one"
    )
    seconds: float = Field(description="seconds it spent in training and evaluation")
    dev_scores: dict[str, dict[str, float | None]] = Field(
        description="metrics on the rows that winners are scored on, by split, in fp32; empty if it was not evaluated"
    )
    thresholds: dict[str, float] = Field(
        default_factory=dict,
        description="probability above which a class is predicted, by class, tuned on the selection rows; `dev_scores` "
        "and `classes` apply them; empty for 0.5",
    )
    untuned_dev_scores: dict[str, dict[str, float | None]] = Field(
        default_factory=dict, description="where there are `thresholds`, `dev_scores` with 0.5"
    )
    tuned_selection_scores: dict[str, float | None] = Field(
        default_factory=dict,
        description="where there are `thresholds`, metrics on the selection rows, on which they were tuned; "
        "`selection_scores` are with 0.5",
    )
    classes: dict[str, ClassScores] = Field(
        default_factory=dict, description="precision, recall, F1 and rows of each class, by split"
    )
    folder: str | None = Field(description="its `save_pretrained` folder")
    model_uri: str | None = Field(description="what `mlflow.pyfunc.load_model` takes; null if not in MLflow")
    champion: bool | None = Field(
        default=None, description="whether the registered model's alias `champion` is on it; null if not registered"
    )
    registration: str | None = Field(
        default=None, description="what was done in MLflow's registry, and why; null if not in MLflow"
    )


class EncoderScore(_Part):
    """How one of several encoders did on a task."""

    model: str = Field(description="the encoder")
    parameters: int = Field(description="number of its weights")
    trials: int = Field(description="number of its trials that were evaluated")
    best_trial: str | None = Field(description="name of its best trial that no longer runs; null if there is none")
    score: float | None = Field(description="score of that trial")
    ms_per_row: float | None = Field(
        description="milliseconds that the fastest evaluation of its trials took for each selection row, on a lane"
    )


class ParetoPoint(_Part):
    """A trial that no other trial of its task beats in both score and milliseconds per row."""

    trial: str = Field(description="name of the trial")
    score: float | None = Field(description="its best score")
    ms_per_row: float = Field(
        description="milliseconds for each selection row: of the fastest evaluation of all trials whose evaluations "
        "are the same work"
    )


class ExpectedBestSummary(_Part):
    """One point of a task's expected validation performance: the best score that so many of its trials find."""

    trials: int = Field(description="number of trials")
    seconds: float = Field(description="seconds in training and evaluation that so many trials need on average")
    score: float = Field(description="expected score of the best of them: the mean over all subsets of so many trials")
    low: float = Field(description="lower end of its 95% interval, by the bootstrap over trials")
    high: float = Field(description="upper end of its 95% interval")


class FurtherTrialsSummary(_Part):
    """What further trials are expected to gain."""

    trials: int = Field(description="number of further trials: 10, or the configurations that are left of a space")
    gain: float = Field(
        description="by how much they are expected to raise the best score, if they are like the trials so far"
    )


class TaskSummary(_Part):
    """One task."""

    task: str = Field(description="name of the task")
    title: str = Field(description="its name as papers print it")
    source: str = Field(description="description of where its rows come from")
    synthetic: bool = Field(default=False, description="whether gluetune has generated its rows, or some of them")
    fingerprints: dict[str, str] = Field(
        default_factory=dict,
        description="SHA-256 of the rows (column names, texts and labels in order), by `train`, "
        "`selection` and development split",
    )
    same_rows: dict[str, str] = Field(
        default_factory=dict, description="development splits that hold the texts of another split, by that one's name"
    )
    columns: list[str] = Field(default_factory=list, description="names of its text columns")
    metric: str = Field(description="the primary metric, by which trials are ranked")
    folds: int = Field(
        default=0,
        description="folds of a cross-validation, in which each train row is a selection row once; 0 without one",
    )
    train_rows: int = Field(description="rows trained on")
    selection_rows: int = Field(description="rows that choose the winner")
    dev_rows: dict[str, int] = Field(
        description="rows that winners are scored on, by split: official dev rows, or your own validation and test rows"
    )
    baseline: float | None = Field(description="the metric of a constant prediction: the majority class or the mean")
    planned: int | None = Field(description="number of planned trials; null if only the time budget ends the search")
    trials: dict[str, int] = Field(description="number of trials by status")
    seconds: float = Field(description="seconds its trials spent in training and evaluation")
    encoders: list[EncoderScore] = Field(
        default_factory=list, description="the encoders, the best first, where the search chose among several"
    )
    pareto: list[ParetoPoint] = Field(
        default_factory=list, description="the Pareto front, the best score first, where `ms_per_row` is an objective"
    )
    winner: WinnerSummary | None = Field(description="its best trial that no longer runs; null if there is none")
    expected_best: list[ExpectedBestSummary] = Field(
        default_factory=list,
        description="expected validation performance by number of trials (Tang et al. 2020); empty for fewer than 10 "
        "evaluated trials",
    )
    further_trials: FurtherTrialsSummary | None = Field(
        default=None,
        description="what further trials are expected to gain; null for fewer than 10 evaluated trials, and where no "
        "configuration is left",
    )
    ended_early: EarlyEndSummary | None = Field(
        default=None, description="why it got no further trials, by `search.stop_when`; null where it did not end so"
    )
    costs: CostsSummary | None = Field(default=None, description="what its trials used of their lanes")


class LaneSummary(_Part):
    """How well the lanes were used."""

    lanes: int = Field(description="trials that may run at the same time")
    wall_seconds: float = Field(description="seconds this session has run, without a confirmation at its end")
    busy_seconds: float = Field(description="seconds in training and evaluation over all lanes, in this session")
    utilisation: float | None = Field(description="busy_seconds / (lanes × wall_seconds)")
    median_gap_seconds: float | None = Field(
        description="median seconds from the end of a lane's last evaluation of one trial to its first step of another"
    )
    gaps: int = Field(description="number of such gaps")


class Summary(_Part):
    """A search."""

    schema_version: int = Field(default=SCHEMA_VERSION, description="increases when a field changes or is removed")
    name: str = Field(description="name of the search")
    status: SearchStatus = Field(description="state of the search")
    seed: int = Field(description="seed that all others derive from")
    model: str = Field(description="the encoder; several with commas between them")
    parameters: int = Field(description="weights of the encoder; of several, those of the largest")
    space: str = Field(description="name of the search space")
    space_source: str = Field(description="the publication it comes from")
    fields: list[str] = Field(description="the searched fields")
    algorithm: str = Field(description="how configurations are chosen")
    scheduler: str = Field(description="how trials are stopped early")
    objectives: list[str] = Field(default=["score"], description="what the search optimises")
    folder: str = Field(description="the search's folder")
    tracking_uri: str = Field(description="the MLflow store")
    experiment: str = Field(description="the MLflow experiment")
    started: float | None = Field(description="when the first trial started, seconds since the epoch")
    written: float = Field(description="when this file was written, seconds since the epoch")
    lane_use: LaneSummary = Field(description="how well the lanes were used")
    costs: CostsSummary | None = Field(default=None, description="what the search used of its lanes")
    held_seconds: float | None = Field(
        default=None, description="seconds for which the search had lanes, over all sessions; null if not recorded"
    )
    sessions: int | None = Field(
        default=None,
        description="number of sessions that gave lanes trials, or had winners to score; null if not recorded",
    )
    estimate: EstimateSummary | None = Field(
        default=None, description="what the search was expected to use; null where it was not measured"
    )
    budget: dict[str, BudgetLimit] = Field(
        default_factory=dict, description="the limits of `search.budget`, by name, and what was spent of them"
    )
    tasks: list[TaskSummary] = Field(description="the tasks, in the order of the job")
    trials: list[TrialSummary] = Field(description="every trial, in the order of their numbers")
    confirmation_costs: CostsSummary | None = Field(
        default=None, description="what the confirmation used of its lanes, beside `costs`; null without one"
    )
    confirmation: ConfirmationSummary | None = Field(
        default=None, description="what fresh seeds say of the best configurations; null where nothing was confirmed"
    )
