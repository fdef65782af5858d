"""What pre-training reports."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class PretrainingEvaluation:
    """One evaluation on held-out pairs. Losses are mean cross-entropies in nats, per masked token and per pair.

    Attributes:
        index: 1-based.
        step: optimizer steps done.
        epoch: rounds over the training pairs done.
        train_masked_lm_loss, train_next_sentence_loss: means of the steps' losses since the last evaluation.
        masked_lm_loss, next_sentence_loss: on the held-out pairs, without dropout.
        masked_lm_accuracy, next_sentence_accuracy: shares of masked tokens and of pairs that are told right there.
        learning_rate: of the last step.
        train_seconds, pairs, tokens: since the last evaluation; of all workers, tokens without padding.
        eval_seconds: what this evaluation took.
        first_step_at: ``time.monotonic()`` when the first step began; only in the first evaluation of a `pretrain`
            call, else ``None``.
        last_step_at: ``time.monotonic()`` when the last step was done.
        precision: of the forward passes of this evaluation; ``None`` where it was not recorded.
    """

    index: int
    step: int
    epoch: float
    train_masked_lm_loss: float
    train_next_sentence_loss: float
    masked_lm_loss: float
    next_sentence_loss: float
    masked_lm_accuracy: float
    next_sentence_accuracy: float
    learning_rate: float
    train_seconds: float
    eval_seconds: float
    pairs: int
    tokens: int
    first_step_at: float | None
    last_step_at: float
    precision: Literal["fp32", "bf16"] | None = None

    @property
    def pairs_per_second(self) -> float:
        """Training speed since the last evaluation, of all workers."""
        return self.pairs / self.train_seconds


def figures(evaluations: Sequence[PretrainingEvaluation]) -> dict[str, float]:
    """A run's figures by the names of `gluetune.config.PublishedConfig`.

    Those of ``train`` are of the whole run, losses being means over all of its steps, as D2L's ``train_bert`` prints
    them; those of ``validation`` are the last evaluation's.

    Args:
        evaluations: all of a run, in order.
    """
    last, before = evaluations[-1], [0, *(at.step for at in evaluations[:-1])]
    shares = [(at.step - begun) / last.step for at, begun in zip(evaluations, before, strict=True)]
    return {
        "train.masked_lm_loss": sum(s * at.train_masked_lm_loss for s, at in zip(shares, evaluations, strict=True)),
        "train.next_sentence_loss": sum(
            s * at.train_next_sentence_loss for s, at in zip(shares, evaluations, strict=True)
        ),
        "train.pairs_per_second": sum(at.pairs for at in evaluations) / sum(at.train_seconds for at in evaluations),
        "validation.masked_lm_loss": last.masked_lm_loss,
        "validation.next_sentence_loss": last.next_sentence_loss,
        "validation.masked_lm_accuracy": last.masked_lm_accuracy,
        "validation.next_sentence_accuracy": last.next_sentence_accuracy,
    }
