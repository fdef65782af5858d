"""A small search as its records tell it: two tasks, four trials, one of them pruned and one diverged."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from gluetune.config import TrainingConfig
from gluetune.events import (
    EncoderSaved,
    Evaluated,
    Event,
    PretrainingEvaluated,
    SearchPlan,
    TaskPlan,
    TrialEnded,
    TrialRecord,
    TrialStarted,
    WinnerEvaluated,
    apply_event,
)

BEGIN = 1_700_000_000.0
COLA = TaskPlan(
    "cola",
    "CoLA",
    "generated (seed 0)",
    1800,
    200,
    {"validation": 400},
    "matthews_correlation",
    0.0,
    2,
    synthetic=True,
    fingerprints={"train": "aa", "selection": "bb", "validation": "cc"},
    columns=("sentence",),
)
MNLI = TaskPlan(
    "mnli",
    "MNLI",
    "generated (seed 0)",
    2400,
    240,
    {"validation_matched": 300, "validation_mismatched": 310},
    "accuracy",
    0.345,
    2,
    synthetic=True,
    columns=("premise", "hypothesis"),
)


def plan(**changes: Any) -> SearchPlan:
    """The plan; ``changes`` replace fields."""
    fields: dict[str, Any] = {
        "name": "small",
        "seed": 7,
        "model": "synthetic",
        "parameters": 1_230_000,
        "space": "compact_bert",
        "space_source": "Turc et al. 2019",
        "fields": ("learning_rate", "batch_size"),
        "algorithm": "grid",
        "scheduler": "asha",
        "lanes": 2,
        "workers_per_lane": 1,
        "resources": "1 CPU",
        "folder": "runs/small",
        "tracking_uri": "sqlite:///mlflow.db",
        "experiment": "tests",
        "tasks": (COLA, MNLI),
    }
    return SearchPlan(**(fields | changes))


def started(number: int, task: str, learning_rate: float = 1e-4, batch_size: int = 16) -> TrialStarted:
    """A trial's start, 100 seconds after the one before."""
    params: dict[str, Any] = {"learning_rate": learning_rate, "batch_size": batch_size}
    return TrialStarted(
        time=BEGIN + 100 * number,
        number=number,
        task=task,
        params=params,
        training=TrainingConfig(**params).model_dump(),
        seed=100 + number,
    )


def evaluated(number: int, index: int, score: float, metric: str = "matthews_correlation", **changes: Any) -> Evaluated:
    """An evaluation, ten seconds after the one before; 8 seconds of training and 1 of evaluation."""
    fields: dict[str, Any] = {
        "time": BEGIN + 100 * number + 10 * index,
        "number": number,
        "index": index,
        "step": 50 * index,
        "total_steps": 150,
        "steps_per_epoch": 50,
        "epoch": float(index),
        "score": score,
        "metrics": {metric: score},
        "eval_loss": 1 - score,
        "train_loss": 1.1 - score,
        "learning_rate": 1e-4 / index,
        "train_seconds": 8.0,
        "eval_seconds": 1.0,
        "train_examples": 1800,
        "train_tokens": 20_000,
        "lane": f"lane-{number % 2}",
    }
    return Evaluated(**(fields | changes))


def fold_evaluations(curves: Sequence[Sequence[float]], number: int = 0, **changes: Any) -> list[Event]:
    """The evaluations of a cross-validation of three epochs, from the scores of each fold."""
    found: list[Event] = []
    for fold, scores in enumerate(curves, 1):
        for epoch, score in enumerate(scores, 1):
            place = {"step": 50 * epoch, "epoch": float(epoch), "fold": fold}
            found.append(evaluated(number, len(found) + 1, score, **(place | changes)))
    return found


def pretraining_evaluated(index: int, **changes: Any) -> PretrainingEvaluated:
    """An evaluation of a pre-training run of 30 steps, which is evaluated every ten steps."""
    fields: dict[str, Any] = {
        "time": BEGIN + 10 * index,
        "number": 0,
        "index": index,
        "step": 10 * index,
        "total_steps": 30,
        "epoch": index / 2,
        "train_masked_lm_loss": 6.5 - index,
        "train_next_sentence_loss": 0.7,
        "masked_lm_loss": 6.25 - index,
        "next_sentence_loss": 0.625,
        "masked_lm_accuracy": 0.25,
        "next_sentence_accuracy": 0.75,
        "learning_rate": 1e-3,
        "train_seconds": 8.0,
        "eval_seconds": 1.0,
        "pairs": 320,
        "tokens": 9_000,
        "lane": "lane-0",
        "precision": "fp32",
    }
    return PretrainingEvaluated(**(fields | changes))


def pretraining_events() -> list[Event]:
    """The journal of a pre-training run."""
    training: dict[str, Any] = {"hidden_size": 128, "max_steps": 30}
    return [
        TrialStarted(time=BEGIN, number=0, task="pretraining", params={}, training=training, seed=1),
        *(pretraining_evaluated(index) for index in (1, 2, 3)),
        ended(0),
        EncoderSaved(time=BEGIN + 61, number=0, folder="runs/bert/encoder"),
    ]


def ended(number: int, status: Any = "finished", message: str = "") -> TrialEnded:
    """A trial's end, 60 seconds after its start."""
    return TrialEnded(time=BEGIN + 100 * number + 60, number=number, status=status, message=message)


def events() -> list[Event]:
    """The whole journal: CoLA's winner is trial 0 by its second evaluation, MNLI's trial 1."""
    return [
        started(0, "cola", 1e-4),
        started(1, "mnli", 1e-4),
        evaluated(0, 1, 0.30),
        evaluated(1, 1, 0.60, "accuracy"),
        evaluated(0, 2, 0.50),
        evaluated(0, 3, 0.40),
        ended(0),
        evaluated(1, 2, 0.70, "accuracy"),
        ended(1),
        started(2, "cola", 3e-4),
        evaluated(2, 1, 0.10, idle_seconds_before=0.08),
        ended(2, "pruned"),
        started(3, "mnli", 3e-4),
        evaluated(3, 1, float("nan"), "accuracy", idle_seconds_before=0.04, eval_loss=float("inf")),
        ended(3, "diverged", "loss is not a finite number"),
        WinnerEvaluated(
            time=BEGIN + 500,
            number=0,
            task="cola",
            scores={"validation": {"matthews_correlation": 0.45}},
            folder="runs/small/winners/cola",
        ),
        WinnerEvaluated(
            time=BEGIN + 501,
            number=1,
            task="mnli",
            scores={"validation_matched": {"accuracy": 0.68}, "validation_mismatched": {"accuracy": 0.66}},
            folder="runs/small/winners/mnli",
        ),
    ]


def folded(journal: Iterable[Any]) -> dict[int, TrialRecord]:
    """Trials by number."""
    trials: dict[int, TrialRecord] = {}
    for event in journal:
        apply_event(trials, event)
    return trials


def send_events(
    listener: Any, journal: Iterable[Any], trials: dict[int, TrialRecord] | None = None
) -> dict[int, TrialRecord]:
    """Send a listener every event as the driver does, and return the trials."""
    trials = {} if trials is None else trials
    for event in journal:
        listener.on_event(event, apply_event(trials, event))
    return trials
