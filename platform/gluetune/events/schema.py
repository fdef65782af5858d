"""The journal's events. Each is one JSON line: ``{"event": "evaluated", "time": …, "number": …, …}``."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from gluetune.config import Value

Precision = Literal["fp32", "bf16"]


class _EventModel(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", ser_json_inf_nan="constants")

    time: float  # when it happened, in seconds since the epoch


class TrialStarted(_EventModel):
    """A trial was created.

    Attributes:
        number: position among all trials of the search, counted from 0.
        task: name of the task.
        params: values of the searched fields.
        training: the whole `gluetune.config.TrainingConfig`, by field.
        seed: seed of head, data order and dropout.
    """

    event: Literal["started"] = "started"
    number: int
    task: str
    params: dict[str, Value]
    training: dict[str, Value | None]
    seed: int


class Evaluated(_EventModel):
    """A trial was evaluated on the selection rows. Durations are those of the lane's rank 0.

    Attributes:
        number: the trial.
        index: position among the trial's evaluations, counted from 1.
        step: optimizer steps done.
        epoch: epochs done; a fraction within an epoch.
        score: the task's primary metric; more is better.
        metrics: all metrics of the task.
        eval_loss: loss on the selection rows.
        train_loss: mean training loss since the last evaluation.
        train_accuracy: accuracy on the training rows, each before the step that trained on it.
        learning_rate: learning rate of the last step.
        train_seconds: seconds of training since the last evaluation.
        eval_seconds: seconds of this evaluation.
        train_examples: rows trained on since the last evaluation.
        train_tokens: tokens trained on since the last evaluation.
        idle_seconds_before: seconds from the end of the lane's last evaluation of another trial to the first training
            step of this one; ``None`` but for a trial's first evaluation on a used lane.
        lane: name of the lane.
        precision: precision of the forward passes; ``None`` in journals of versions that did not record it.
    """

    event: Literal["evaluated"] = "evaluated"
    number: int
    index: int
    step: int
    epoch: float
    score: float
    metrics: dict[str, float]
    eval_loss: float
    train_loss: float
    train_accuracy: float | None = None
    learning_rate: float
    train_seconds: float = 0.0
    eval_seconds: float = 0.0
    train_examples: int = 0
    train_tokens: int = 0
    idle_seconds_before: float | None = None
    lane: str = ""
    precision: Precision | None = None


class StepLogged(_EventModel):
    """A trial's training loss and speed between evaluations, where the job sets ``logging_steps``.

    Attributes:
        number: the trial.
        step: optimizer steps done.
        epoch: epochs done; a fraction within an epoch.
        loss: mean training loss since the last log or evaluation.
        accuracy: accuracy on the training rows since the last evaluation.
        learning_rate: learning rate of the step.
        examples_per_second: mean since the last log or evaluation.
    """

    event: Literal["logged"] = "logged"
    number: int
    step: int
    epoch: float
    loss: float
    accuracy: float | None = None
    learning_rate: float
    examples_per_second: float


class TrialEnded(_EventModel):
    """A trial ended.

    Attributes:
        number: the trial.
        status: how it ended.
        message: why, where it did not finish.
    """

    event: Literal["ended"] = "ended"
    number: int
    status: Literal["finished", "pruned", "diverged", "out_of_memory", "failed", "stopped"]
    message: str = ""


class WinnerEvaluated(_EventModel):
    """The winner of a task was saved and evaluated, in fp32, on official rows that it was not trained or chosen on.

    Attributes:
        number: the trial.
        task: name of the task.
        scores: metrics by split.
        rows: number of rows by split.
        batch_scores: where the primary metric is a correlation, that metric of each ``eval_batch_size`` rows in row
            order, by split.
        selection_scores: metrics of the saved model on the selection rows, in fp32; empty where the trial's
            evaluations were computed in fp32 already.
        selection_loss: the loss that belongs to ``selection_scores``.
        folder: the ``save_pretrained`` folder, as a path or URI.
    """

    event: Literal["winner"] = "winner"
    number: int
    task: str
    scores: dict[str, dict[str, float]]
    rows: dict[str, int] = Field(default_factory=dict)
    batch_scores: dict[str, list[float]] = Field(default_factory=dict)
    selection_scores: dict[str, float] = Field(default_factory=dict)
    selection_loss: float | None = None
    folder: str


LaneEvent = StepLogged | Evaluated | TrialEnded
"""The events that lanes report."""
Event = TrialStarted | LaneEvent | WinnerEvaluated
EVENT_ADAPTER: TypeAdapter[Event] = TypeAdapter(Annotated[Event, Field(discriminator="event")])
LANE_EVENT_ADAPTER: TypeAdapter[LaneEvent] = TypeAdapter(Annotated[LaneEvent, Field(discriminator="event")])
