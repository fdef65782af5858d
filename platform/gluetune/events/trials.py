"""The state of trials, replayed from events."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from gluetune.config import MODEL_FIELD, Value
from gluetune.events.folds import Folds, count_complete, mean_curve, put_evaluation
from gluetune.events.schema import (
    EncoderSaved,
    Evaluated,
    Event,
    PretrainingEvaluated,
    SeedScored,
    StepLogged,
    TrialEnded,
    TrialStarted,
    WinnerEvaluated,
)

FIELD_LABELS = {
    "learning_rate": "lr",
    "batch_size": "batch",
    "num_train_epochs": "epochs",
    "weight_decay": "decay",
    "warmup_ratio": "warmup",
    "layerwise_lr_decay": "layer decay",
    "classifier_dropout": "head dropout",
    "hidden_dropout_prob": "dropout",
    "attention_probs_dropout_prob": "attention dropout",
    "lr_scheduler_type": "schedule",
    "head_hidden_size": "head units",
    "freeze_layers": "frozen layers",
    "lora_rank": "rank",
    "lora_alpha": "alpha",
    "lora_dropout": "adapter dropout",
    "lora_target_modules": "targets",
    "lora_bias": "biases",
}
"""Short names of training fields, for terminals and names of MLflow runs."""


class TrialStatus(StrEnum):
    """Status of a trial. A ``stopped`` one was ended by the time budget or a stop signal; a resume continues it."""

    RUNNING = "running"
    FINISHED = "finished"
    PRUNED = "pruned"
    DIVERGED = "diverged"
    OUT_OF_MEMORY = "out_of_memory"
    FAILED = "failed"
    STOPPED = "stopped"

    @property
    def final(self) -> bool:
        """Whether a resumed search does not continue the trial."""
        return self not in (TrialStatus.RUNNING, TrialStatus.STOPPED)


@dataclass(slots=True)
class TrialRecord:
    """The state of one trial.

    Attributes:
        number: position among all trials of the search, counted from 0.
        task: name of the task.
        params: values of the searched fields, the encoder's as ``model`` where the search chooses among several.
        training: the whole training configuration, by field.
        seed: seed of head, data order and dropout.
        started: when it was created, in seconds since the epoch.
        status: its status.
        message: why it ended, where it did not finish.
        ended: when it ended, in seconds since the epoch; ``None`` while it runs.
        evaluations: its evaluations, in order; of a cross-validation, the mean curve of its complete folds, or the
            first fold while that is trained.
        logs: its logs, in order of their steps.
        winner: the evaluation of its saved model, where it is its task's winner.
        pretraining: evaluations of a pre-training run, in order; such a run has none in ``evaluations``.
        encoder: the ``from_pretrained`` folder that a pre-training run saved, as a path or URI; ``None`` before.
        folds: number of folds of its cross-validation; 0 without one.
        fold_evaluations: the evaluations of each fold, in order.
        complete_folds: number of folds that were trained to their end.
        confirms: number of the search's trial whose configuration this trial of a confirmation trains again.
        scored: the scores of the best weights of a confirmation's trial; ``None`` before.
    """

    number: int
    task: str
    params: dict[str, Value]
    training: dict[str, Value | None]
    seed: int
    started: float
    status: TrialStatus = TrialStatus.RUNNING
    message: str = ""
    ended: float | None = None
    evaluations: list[Evaluated] = field(default_factory=list)
    logs: list[StepLogged] = field(default_factory=list)
    winner: WinnerEvaluated | None = None
    pretraining: list[PretrainingEvaluated] = field(default_factory=list)
    encoder: str | None = None
    folds: int = 0
    fold_evaluations: Folds = field(default_factory=list)
    complete_folds: int = 0
    confirms: int | None = None
    scored: SeedScored | None = None

    @property
    def name(self) -> str:
        """Name of the trial's folder and MLflow run, such as ``cola-0007``."""
        return f"{self.task}-{self.number:04d}"

    @property
    def best(self) -> Evaluated | None:
        """The evaluation with the highest score, the first of equals; ``None`` where there is none."""
        finite = [e for e in self.evaluations if e.score == e.score]
        return max(finite, key=lambda e: (e.score, -e.index), default=None)

    @property
    def best_score(self) -> float | None:
        """The score of `best`, by which trials are ranked; ``None`` where there is none."""
        return self.best.score if self.best else None

    @property
    def fold_scores(self) -> list[float]:
        """Scores of the complete folds of a cross-validation, at the epoch of `best`; `best_score` is their mean."""
        best = self.best
        return [fold[best.index - 1].score for fold in self.fold_evaluations[: self.complete_folds]] if best else []

    @property
    def all_evaluations(self) -> list[Evaluated]:
        """Its evaluations as they were made; those of all folds of a cross-validation."""
        return [event for fold in self.fold_evaluations for event in fold] if self.folds else self.evaluations

    @property
    def parameters(self) -> dict[str, int]:
        """Number of ``trainable_parameters`` and ``total_parameters``; empty before the first evaluation."""
        first = self.evaluations[0] if self.evaluations else None
        if first is None or first.trainable_parameters is None or first.total_parameters is None:
            return {}
        return {"trainable_parameters": first.trainable_parameters, "total_parameters": first.total_parameters}

    @property
    def model(self) -> str:
        """The encoder that it trains; empty where the search does not choose among encoders."""
        return str(self.params.get(MODEL_FIELD, ""))

    @property
    def ms_per_row(self) -> float | None:
        """Milliseconds that the fastest of its evaluations took for each selection row; ``None`` if not recorded.

        It is the time of the whole lane for a batch of rows at a time, on its machine, beside whatever else that
        machine computed: see `row_times`.
        """
        times = [1000 * e.eval_seconds / e.eval_examples for e in self.all_evaluations if e.eval_examples]
        return min(times, default=None)

    @property
    def busy_seconds(self) -> float:
        """Seconds that it has spent in training and evaluation."""
        return sum(e.train_seconds + e.eval_seconds for e in self.all_evaluations)

    @property
    def reported(self) -> int:
        """Number of its evaluations, which are those of fine-tuning, of all folds, or those of pre-training."""
        return len(self.all_evaluations) or len(self.pretraining)

    @property
    def selection_scores(self) -> dict[str, float]:
        """Metrics of the best weights on the selection rows.

        For an evaluated winner these are the saved model's, in fp32 like its scores on development rows. `best_score`
        may be of another precision.
        """
        if self.winner is not None and self.winner.selection_scores:
            return self.winner.selection_scores
        return self.best.metrics if self.best else {}

    @property
    def selection_loss(self) -> float | None:
        """The loss that belongs to `selection_scores`; ``None`` where there is none."""
        if self.winner is not None and self.winner.selection_loss is not None:
            return self.winner.selection_loss
        return self.best.eval_loss if self.best else None


def replay_events(events: Iterable[Event]) -> dict[int, TrialRecord]:
    """Return the trials that events describe, by number.

    An evaluation that was reported twice, because its lane was restarted, replaces the earlier one.
    """
    trials: dict[int, TrialRecord] = {}
    for event in events:
        apply_event(trials, event)
    return trials


def apply_event(trials: dict[int, TrialRecord], event: Event) -> TrialRecord:
    """Update the trials by one event.

    Args:
        trials: trials by number, changed in place.
        event: the event.

    Returns:
        The event's trial.

    Raises:
        KeyError: the trial was never started.
    """
    if isinstance(event, TrialStarted):
        trials[event.number] = TrialRecord(
            event.number,
            event.task,
            dict(event.params),
            dict(event.training),
            event.seed,
            event.time,
            confirms=event.confirms,
        )
        trials[event.number].folds = event.folds or 0
        return trials[event.number]
    trial = trials[event.number]
    if isinstance(event, Evaluated | PretrainingEvaluated):
        _add_evaluation(trial, event)
    elif isinstance(event, StepLogged):
        while trial.logs and trial.logs[-1].step >= event.step:  # reported again after a restart
            trial.logs.pop()
        trial.logs.append(event)
    elif isinstance(event, TrialEnded):
        trial.status, trial.message, trial.ended = TrialStatus(event.status), event.message, event.time
        _update_mean_curve(trial)
    elif isinstance(event, EncoderSaved):
        trial.encoder = event.folder
    elif isinstance(event, SeedScored):
        trial.scored = event
    else:
        _set_winner(trials.values(), trial, event)
    return trial


def _add_evaluation(trial: TrialRecord, event: Evaluated | PretrainingEvaluated) -> None:
    if isinstance(event, PretrainingEvaluated):
        trial.pretraining[event.index - 1 :] = [event]
    elif event.fold is None:
        trial.evaluations[event.index - 1 :] = [event]
    else:
        put_evaluation(trial.fold_evaluations, event)
    trial.status, trial.ended, trial.message = TrialStatus.RUNNING, None, ""
    trial.winner = trial.encoder = trial.scored = None  # they had the weights of an earlier evaluation
    _update_mean_curve(trial)


def _update_mean_curve(trial: TrialRecord) -> None:
    if trial.fold_evaluations:
        folds, finished = trial.fold_evaluations, trial.status is TrialStatus.FINISHED
        trial.complete_folds = count_complete(folds, finished=finished)
        trial.evaluations = mean_curve(folds[: max(1, trial.complete_folds)])


def _set_winner(trials: Iterable[TrialRecord], trial: TrialRecord, event: WinnerEvaluated) -> None:
    for other in trials:
        if other.task == event.task:  # the task's one winner folder now holds the weights of this trial
            other.winner = None
    trial.winner = event


def ranking(trials: Iterable[TrialRecord], task: str) -> list[TrialRecord]:
    """Return a task's evaluated trials, best first; equals in the order of their numbers.

    Of cross-validations, those with more complete folds come first, because some folds are easier than others.
    """
    scored = [(t.best_score, t) for t in trials if t.task == task]
    known = [((-t.complete_folds, -score, t.number), t) for score, t in scored if score is not None]
    return [t for _, t in sorted(known, key=lambda pair: pair[0])]


def winners(trials: Iterable[TrialRecord], tasks: Iterable[str]) -> list[TrialRecord]:
    """Return the best ended trial of every task that has one, in the order of ``tasks``.

    A stopped trial may win by its best evaluation so far, whose weights are kept; a resume may improve it. A running
    trial cannot win.
    """
    ended = [trial for trial in trials if trial.status is not TrialStatus.RUNNING]
    return [best[0] for task in tasks if (best := ranking(ended, task))]


_SPEED_FIELDS = (
    *("head", "head_hidden_size", "pooling", "adapter", "lora_rank", "lora_target_modules"),
    *("bf16", "eval_batch_size", "speedups", "torch_compile", "torch_compile_mode"),
)


def speed_key(trial: TrialRecord) -> Hashable:
    """Return what decides, beside the machine, how long an evaluation of a trial takes: equal for equal work."""
    return trial.task, trial.model, *(trial.training.get(name) for name in _SPEED_FIELDS)


def row_times(trials: Iterable[TrialRecord]) -> dict[int, float]:
    """Return milliseconds per selection row, by the number of each trial whose evaluations were timed.

    A trial's time is that of the fastest evaluation among all trials whose evaluations are the same work, because it
    does not depend on the other searched fields, such as the learning rate, but on what else the machine computes.
    """
    fastest: dict[Hashable, float] = {}
    timed = [(trial, trial.ms_per_row) for trial in trials]
    for trial, time in timed:
        if time is not None:
            fastest[speed_key(trial)] = min(time, fastest.get(speed_key(trial), time))
    return {trial.number: fastest[speed_key(trial)] for trial, time in timed if time is not None}


def format_epochs(number: float) -> str:
    """Return a number of epochs with at most two decimals: ``2.5``, ``3``."""
    return f"{number:.2f}".rstrip("0").rstrip(".")


def format_params(params: Mapping[str, object], separator: str = " · ", names: Mapping[str, str] = FIELD_LABELS) -> str:
    """Return searched fields as short text, such as ``lr 3e-5 · batch 16 · epochs 3``.

    Args:
        params: values by field.
        separator: text between two fields.
        names: short names of fields; others keep their own.
    """
    shown = {name: short_name(str(value)) if name == MODEL_FIELD else value for name, value in params.items()}
    return separator.join(f"{names.get(name, name)} {_format_value(value)}" for name, value in shown.items())


def short_name(encoder: str) -> str:
    """Return an encoder's name without the organisation on the hub, or the folders that it is in."""
    return encoder.rstrip("/").rpartition("/")[2] or encoder


def _format_value(value: object) -> str:
    """Return a number with three digits, below 0.001 as papers write it (``3e-5``)."""
    if not isinstance(value, float):
        return str(value)
    if value == 0 or abs(value) >= 0.001:
        return f"{value:.3g}"
    digits, _, exponent = f"{value:.2e}".partition("e")
    return f"{digits.rstrip('0').rstrip('.')}e{int(exponent)}"
