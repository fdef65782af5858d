"""The journal's events. Each is one JSON line: ``{"event": "evaluated", "time": …, "trial": …, …}``."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from gluetune.config import Value

Precision = Literal["fp32", "bf16"]


class _Base(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", ser_json_inf_nan="constants")

    time: float  # seconds since the epoch, when it happened


class TrialStarted(_Base):
    """A configuration was dealt. ``number`` counts trials of the whole search from 0."""

    event: Literal["started"] = "started"
    number: int
    task: str
    params: dict[str, Value]  # the searched fields
    training: dict[str, Value | None]  # the whole TrainingConfig it runs with
    seed: int


class Evaluated(_Base):
    """One evaluation on the selection rows.

    ``metrics`` holds the task's metrics; ``eval_loss``, ``train_loss`` (mean since the last evaluation) and
    ``learning_rate`` stand beside them. Seconds are those of the lane's rank 0. ``precision`` is that of the model's
    forward passes; ``None`` in journals of versions that did not record it.
    """

    event: Literal["evaluated"] = "evaluated"
    number: int
    index: int  # 1-based evaluation of this trial
    step: int  # optimizer steps done
    epoch: float
    score: float  # the task's primary metric
    metrics: dict[str, float]
    eval_loss: float
    train_loss: float
    train_accuracy: float | None = None  # of the training rows, each before the step that learnt from it
    learning_rate: float
    train_seconds: float = 0.0  # since the last evaluation
    eval_seconds: float = 0.0
    train_examples: int = 0
    train_tokens: int = 0
    # Seconds from the end of the lane's last evaluation of another trial to the first training step of this one.
    idle_seconds_before: float | None = None
    lane: str = ""
    precision: Precision | None = None


class StepLogged(_Base):
    """How training goes between evaluations; only where the job sets ``logging_steps``.

    ``loss`` and ``examples_per_second`` are means since the last log or evaluation, ``accuracy`` since the last
    evaluation.
    """

    event: Literal["logged"] = "logged"
    number: int
    step: int
    epoch: float
    loss: float
    accuracy: float | None = None
    learning_rate: float
    examples_per_second: float


class TrialEnded(_Base):
    """A trial ended. ``message`` says why where it did not finish."""

    event: Literal["ended"] = "ended"
    number: int
    status: Literal["finished", "pruned", "diverged", "out_of_memory", "failed", "stopped"]
    message: str = ""


class WinnerEvaluated(_Base):
    """The winner of a task was saved, and scored on the official rows that it was neither trained nor chosen on.

    ``scores`` maps split to metrics, ``rows`` split to its number of rows, and ``batch_scores``, where the primary
    metric is a correlation, split to that metric of each ``eval_batch_size`` rows in row order. ``folder`` is the
    ``save_pretrained`` folder. All scores are computed in fp32, as the saved model is used. Where the trial's
    evaluations were computed in another precision, ``selection_scores`` and ``selection_loss`` are those of the saved
    model on the selection rows, in fp32 too.
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
"""What lanes tell."""
Event = TrialStarted | LaneEvent | WinnerEvaluated
EVENT_ADAPTER: TypeAdapter[Event] = TypeAdapter(Annotated[Event, Field(discriminator="event")])
LANE_EVENT_ADAPTER: TypeAdapter[LaneEvent] = TypeAdapter(Annotated[LaneEvent, Field(discriminator="event")])
