"""The records of training and the journal's events; each event is one JSON line.

The lines of schema 1 are strict JSON: ``{"time": …, "number": 3, "score": 0.52, …, "event": "evaluated"}``. Only scores
and losses may be infinite or undefined; they are then written as ``"Infinity"``, ``"-Infinity"`` and ``"NaN"``. All
other numbers must be finite.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AllowInfNan, BaseModel, ConfigDict, Field, TypeAdapter

from gluetune.config import Value

SCHEMA_VERSION = 1
"""Version of the events that this version of gluetune writes; it reads all versions up to it."""

Precision = Literal["fp32", "bf16"]
MayBeNonFinite = Annotated[float, AllowInfNan(True)]
EndStatus = Literal["finished", "pruned", "diverged", "out_of_memory", "failed", "stopped"]


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False, ser_json_inf_nan="strings")


def _is_none(value: object) -> bool:
    return value is None


class StepLog(_Record):
    """Training progress between evaluations, reported every ``training.logging_steps`` steps."""

    step: int = Field(description="optimizer steps done")
    epoch: float = Field(description="passes over the training rows done")
    loss: float = Field(description="mean training loss since the previous log or evaluation")
    fold: int | None = Field(
        default=None,
        exclude_if=_is_none,
        description="1-based fold of a cross-validation; `step` then counts those of earlier folds too, `epoch` not",
    )
    accuracy: float | None = Field(
        default=None, description="accuracy on the training rows since the previous evaluation; null for regression"
    )
    learning_rate: float = Field(description="learning rate of the head in the last step")
    examples_per_second: float = Field(description="rows trained on per second since the previous log or evaluation")


class _EvaluationBase(_Record):
    index: int = Field(description="1-based evaluation of this trial")
    step: int = Field(description="optimizer steps done")
    total_steps: int = Field(description="optimizer steps of the whole trial")
    epoch: float = Field(description="epochs done")
    learning_rate: float = Field(description="learning rate at this step")
    train_seconds: float = Field(default=0.0, description="seconds of training since the previous evaluation")
    eval_seconds: float = Field(default=0.0, description="seconds of this evaluation")
    precision: Precision | None = Field(
        default=None, description="precision of the forward passes; null if it was not recorded"
    )
    first_step_at: float | None = Field(
        default=None,
        exclude=True,
        description="`time.monotonic()` of the worker when the trial's first step started, in the first evaluation",
    )
    last_step_at: float = Field(
        default=0.0, exclude=True, description="`time.monotonic()` of the worker when the last step was done"
    )


class Evaluation(_EvaluationBase):
    """One evaluation of a fine-tuning trial on the selection rows."""

    fold: int | None = Field(
        default=None,
        exclude_if=_is_none,
        description="1-based fold of a cross-validation whose rows were scored; `index` then counts the evaluations of "
        "earlier folds too, `step` and `epoch` do not",
    )
    steps_per_epoch: int = Field(description="optimizer steps of one epoch")
    score: MayBeNonFinite = Field(
        description="by which trials are ranked: the task's primary metric, with its sign changed where less is better"
    )
    metrics: dict[str, MayBeNonFinite] = Field(description="all metrics of the task")
    eval_loss: MayBeNonFinite = Field(description="mean loss on the selection rows")
    eval_examples: int = Field(default=0, description="number of selection rows; 0 if it was not recorded")
    train_loss: MayBeNonFinite = Field(description="mean training loss since the previous evaluation")
    train_accuracy: float | None = Field(
        default=None,
        description="accuracy on the training rows since then, each before the step that trained on it; null for "
        "regression",
    )
    train_examples: int = Field(default=0, description="rows trained on since the previous evaluation")
    train_tokens: int = Field(default=0, description="tokens trained on since the previous evaluation, without padding")
    trainable_parameters: int | None = Field(
        default=None, description="number of weights that are trained; null but in the trial's first evaluation"
    )
    total_parameters: int | None = Field(
        default=None,
        description="number of weights of the model, an adapter's included; null but in the trial's first evaluation",
    )


class PretrainingEvaluation(_EvaluationBase):
    """One evaluation of a pre-training run on held-out sentence pairs.

    Losses are mean cross-entropies in nats, per masked token and per pair. Those of held-out pairs are computed without
    dropout.
    """

    train_masked_lm_loss: float = Field(description="masked-LM loss since the previous evaluation")
    train_next_sentence_loss: float = Field(description="next-sentence loss since the previous evaluation")
    masked_lm_loss: float = Field(description="masked-LM loss of the held-out pairs")
    next_sentence_loss: float = Field(description="next-sentence loss of the held-out pairs")
    masked_lm_accuracy: float = Field(description="share of masked tokens that are predicted correctly")
    next_sentence_accuracy: float = Field(description="share of held-out pairs that are classified correctly")
    pairs: int = Field(description="pairs that all workers have trained on since the previous evaluation")
    tokens: int = Field(description="tokens of those pairs, without padding")

    @property
    def pairs_per_second(self) -> float:
        """Pairs per second that all workers have trained on since the previous evaluation."""
        return self.pairs / self.train_seconds

    @property
    def metrics(self) -> dict[str, float]:
        """Losses and accuracies of the held-out pairs, and losses of the training before, by name."""
        train = {
            "train_masked_lm_loss": self.train_masked_lm_loss,
            "train_next_sentence_loss": self.train_next_sentence_loss,
        }
        return self.validation | train

    @property
    def validation(self) -> dict[str, float]:
        """Losses and accuracies of the held-out pairs, by name."""
        return {
            "masked_lm_loss": self.masked_lm_loss,
            "next_sentence_loss": self.next_sentence_loss,
            "masked_lm_accuracy": self.masked_lm_accuracy,
            "next_sentence_accuracy": self.next_sentence_accuracy,
        }


class _TrialEvent(_Record):
    time: float = Field(description="when it happened, in seconds since the epoch")
    number: int = Field(description="the trial: its position among all trials of the search, counted from 0")


class _LaneReport(_TrialEvent):
    lane: str = Field(default="", description="the lane it ran on")
    idle_seconds_before: float | None = Field(
        default=None,
        description="seconds from the end of the lane's last evaluation of another trial to the first step of this "
        "one; null but for a trial's first evaluation on a used lane. Of a cross-validation, each fold counts as a "
        "trial",
    )
    worker_deaths: int = Field(
        default=0, description="how often the workers of its lane had died over the trial before this evaluation"
    )


class TrialStarted(_TrialEvent):
    """A trial was created. A pre-training run is one trial, of the task ``pretraining``.

    Attributes:
        task: name of the task.
        params: values of the searched fields; the encoder's as ``model`` where the search chooses among several.
        training: the whole `gluetune.config.TrainingConfig`, or the sections of a pre-training job, by field.
        seed: seed of head, data order and dropout.
        folds: number of folds of its cross-validation; ``None`` without one.
        confirms: number of the search's trial whose configuration this trial of a confirmation trains again; ``None``
            in a search, and for a default that the search has not tried.
    """

    event: Literal["started"] = "started"
    task: str
    params: dict[str, Value]
    training: dict[str, Value | None]
    seed: int
    folds: int | None = Field(default=None, exclude_if=_is_none)
    confirms: int | None = Field(default=None, exclude_if=_is_none)


class Evaluated(Evaluation, _LaneReport):
    """A trial was evaluated on the selection rows; durations are those of the lane's rank 0."""

    event: Literal["evaluated"] = "evaluated"


class PretrainingEvaluated(PretrainingEvaluation, _LaneReport):
    """A pre-training run was evaluated; durations are those of the lane's rank 0."""

    event: Literal["pretraining_evaluated"] = "pretraining_evaluated"


class StepLogged(StepLog, _TrialEvent):
    """A trial reported its training loss and speed between evaluations."""

    event: Literal["logged"] = "logged"


class TrialEnded(_TrialEvent):
    """A trial ended.

    Attributes:
        status: how it ended.
        message: why, where it did not finish.
    """

    event: Literal["ended"] = "ended"
    status: EndStatus
    message: str = ""


class ClassScores(_Record):
    """How well a winner knows each class, by class name: see `gluetune.tasks.class_report.ClassReport`."""

    precision: dict[str, float] = Field(description="share of the rows predicted to be of the class that are")
    recall: dict[str, float] = Field(description="share of the rows of the class that are predicted to be")
    f1: dict[str, float] = Field(description="harmonic mean of precision and recall")
    support: dict[str, int] = Field(description="rows of the class")
    confusion: list[list[int]] = Field(
        default_factory=list,
        description="rows by true class and predicted class, in the order of `support`; empty for a multi-label task "
        "and for over 100 classes",
    )
    outcomes: list[list[int]] = Field(
        default_factory=list,
        description="of a multi-label task, for each class: true negatives, false positives, false negatives, true "
        "positives",
    )


class WinnerEvaluated(_TrialEvent):
    """The winner of a task was saved and evaluated, in fp32, on official rows that it was not trained or chosen on.

    Attributes:
        task: name of the task.
        scores: metrics by split.
        rows: number of rows by split.
        batch_scores: where the primary metric is a correlation, that metric of each ``eval_batch_size`` rows in row
            order, by split.
        selection_scores: metrics of the saved model on the selection rows, in fp32; empty where the trial's
            evaluations were computed in fp32 already.
        selection_loss: the loss that belongs to ``selection_scores``.
        thresholds: probability above which a class is predicted, by class; empty for 0.5. They were tuned on the
            selection rows, are stored in the model's folder, and ``scores`` and ``classes`` apply them.
        untuned_scores: with ``thresholds``, metrics by split with 0.5.
        tuned_selection_scores: with ``thresholds``, metrics on the selection rows, on which they were tuned;
            ``selection_scores`` are with 0.5.
        classes: scores of each class by split, for classification.
        folder: the ``save_pretrained`` folder, as a path or URI.
        seconds: seconds that saving and scoring it took; ``None`` where they were not recorded.
        refit_rows: after a cross-validation, the number of rows that the saved model was trained on: all of train.
        refit_epochs: after a cross-validation, the number of epochs for which it was trained.
        refit_seconds: after a cross-validation, the seconds that this training took.
        members: the number of models of folds whose logits the saved model averages, where it is such an ensemble.
    """

    event: Literal["winner"] = "winner"
    task: str
    scores: dict[str, dict[str, MayBeNonFinite]]
    rows: dict[str, int] = Field(default_factory=dict)
    batch_scores: dict[str, list[MayBeNonFinite]] = Field(default_factory=dict)
    selection_scores: dict[str, MayBeNonFinite] = Field(default_factory=dict)
    selection_loss: MayBeNonFinite | None = None
    thresholds: dict[str, float] = Field(default_factory=dict)
    untuned_scores: dict[str, dict[str, MayBeNonFinite]] = Field(default_factory=dict)
    tuned_selection_scores: dict[str, MayBeNonFinite] = Field(default_factory=dict)
    classes: dict[str, ClassScores] = Field(default_factory=dict)
    folder: str
    seconds: float | None = None
    refit_rows: int | None = Field(default=None, exclude_if=_is_none)
    refit_epochs: float | None = Field(default=None, exclude_if=_is_none)
    refit_seconds: float | None = Field(default=None, exclude_if=_is_none)
    members: int | None = Field(default=None, exclude_if=_is_none)


class SeedScored(_TrialEvent):
    """The best weights of a confirmation's trial were scored, in fp32.

    Attributes:
        scores: metrics on the official rows by split.
        rows: number of rows by split.
        selection_scores: metrics on the selection rows.
        thresholds: probability above which a class is predicted, by class; empty for 0.5. They were tuned on the
            selection rows, and ``scores`` apply them.
        outputs: file with the logits and labels of all these rows, relative to the confirmation's folder.
    """

    event: Literal["seed_scored"] = "seed_scored"
    scores: dict[str, dict[str, MayBeNonFinite]]
    rows: dict[str, int]
    selection_scores: dict[str, MayBeNonFinite]
    thresholds: dict[str, float] = Field(default_factory=dict)
    outputs: str


class EncoderSaved(_TrialEvent):
    """A pre-training run saved its encoder.

    Attributes:
        folder: the ``from_pretrained`` folder, as a path or URI.
    """

    event: Literal["encoder_saved"] = "encoder_saved"
    folder: str


LaneEvent = StepLogged | Evaluated | PretrainingEvaluated | TrialEnded | WinnerEvaluated | SeedScored
"""The events that lanes report."""
Event = TrialStarted | LaneEvent | EncoderSaved
LANE_EVENT_ADAPTER: TypeAdapter[LaneEvent] = TypeAdapter(Annotated[LaneEvent, Field(discriminator="event")])


def evaluation_event(
    evaluation: Evaluation | PretrainingEvaluation,
    *,
    time: float,
    number: int,
    lane: str = "",
    idle_seconds_before: float | None = None,
) -> Evaluated | PretrainingEvaluated:
    """Return the journal's event of an evaluation.

    Args:
        evaluation: the evaluation.
        time: when it was reported, in seconds since the epoch.
        number: the trial.
        lane: name of the lane that ran the trial.
        idle_seconds_before: seconds that the lane was idle before the trial, where they are known.
    """
    event = PretrainingEvaluated if isinstance(evaluation, PretrainingEvaluation) else Evaluated
    return event(
        time=time, number=number, lane=lane, idle_seconds_before=idle_seconds_before, **evaluation.model_dump()
    )
