"""What a trial reports while it trains: evaluations, and step logs between them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Evaluation:
    """One evaluation on the selection rows; the journal records it as a `gluetune.events.Evaluated` event.

    Attributes:
        index: number of the evaluation, from 1.
        step: optimizer steps done.
        epoch: passes over the training rows done.
        score: value of the task's primary metric.
        metrics: values of all metrics of the task, by name.
        eval_loss: mean loss over the selection rows.
        train_loss: mean loss over the steps since the last evaluation.
        train_accuracy: share of the training rows since the last evaluation that were classified correctly, each by
            the weights before the step that trained on it; ``None`` for regression.
        learning_rate: learning rate of the head in the last step.
        train_seconds: training time since the last evaluation.
        eval_seconds: duration of this evaluation.
        train_examples: rows that all workers have trained on since the last evaluation.
        train_tokens: tokens of those rows, without padding.
        first_step_at: ``time.monotonic()`` when the trial's first step started, in seconds; ``None`` in all
            evaluations but the first.
        last_step_at: ``time.monotonic()`` when the last step was done, in seconds.
        precision: precision of the forward passes of this evaluation.
    """

    index: int
    step: int
    epoch: float
    score: float
    metrics: dict[str, float]
    eval_loss: float
    train_loss: float
    train_accuracy: float | None
    learning_rate: float
    train_seconds: float
    eval_seconds: float
    train_examples: int
    train_tokens: int
    first_step_at: float | None
    last_step_at: float
    precision: Literal["fp32", "bf16"] = "fp32"


@dataclass(frozen=True)
class StepLog:
    """Training progress between evaluations, reported every ``training.logging_steps`` steps.

    Attributes:
        step: optimizer steps done.
        epoch: passes over the training rows done.
        loss: mean loss over the steps since the last log or evaluation.
        accuracy: share of the training rows since the last evaluation that were classified correctly; ``None`` for
            regression.
        learning_rate: learning rate of the head in the last step.
        examples_per_second: rows per second that all workers have trained on since the last log or evaluation.
    """

    step: int
    epoch: float
    loss: float
    accuracy: float | None
    learning_rate: float
    examples_per_second: float
