"""What a trial tells of itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Evaluation:
    """One evaluation on the selection rows; fields as in `gluetune.events.Evaluated`.

    Attributes:
        index: 1-based.
        step: optimizer steps done.
        epoch: passes over the training rows done.
        score: the task's primary metric.
        metrics: all of the task's metrics.
        eval_loss: mean loss of the selection rows.
        train_loss: mean of the steps' losses since the last evaluation.
        train_accuracy: share of the training rows since the last evaluation that were answered rightly, each before
            the step that learnt from it; ``None`` for regression.
        learning_rate: the head's, in the last step.
        train_seconds, train_examples, train_tokens: since the last evaluation; tokens without padding, all workers'.
        eval_seconds: what this evaluation took.
        first_step_at: ``time.monotonic()`` when the trial's first step began; only in its first evaluation, else
            ``None``.
        last_step_at: ``time.monotonic()`` when the last step was done.
        precision: of the forward passes of this evaluation.
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
    """How training goes between evaluations, every ``logging_steps`` steps.

    Attributes:
        step: optimizer steps done.
        epoch: passes over the training rows done.
        loss: mean of the steps' losses since the last log or evaluation.
        accuracy: share of right answers since the last evaluation; ``None`` for regression.
        learning_rate: the head's, in the last step.
        examples_per_second: since the last log or evaluation, all workers'.
    """

    step: int
    epoch: float
    loss: float
    accuracy: float | None
    learning_rate: float
    examples_per_second: float
