"""Evaluation of pre-training on held-out sentence pairs, and the metrics of a whole run."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch.nn import functional

from gluetune.data import length_grouped_batches
from gluetune.errors import DivergedError
from gluetune.pretraining.batches import Collator
from gluetune.pretraining.config import PretrainingConfig
from gluetune.pretraining.corpus import Corpus, draw_pairs
from gluetune.pretraining.encoder import PretrainingHeads, head_scores
from gluetune.training.distributed_context import DistributedContext, to_device


@dataclass(frozen=True)
class PretrainingEvaluation:
    """One evaluation on held-out pairs. Losses are mean cross-entropies in nats, per masked token and per pair.

    Attributes:
        index: number of the evaluation, from 1.
        step: optimizer steps done.
        epoch: passes over the training pairs done.
        train_masked_lm_loss: mean masked-LM loss over the steps since the last evaluation.
        train_next_sentence_loss: mean next-sentence loss over the steps since the last evaluation.
        masked_lm_loss: masked-LM loss of the held-out pairs, without dropout.
        next_sentence_loss: next-sentence loss of the held-out pairs, without dropout.
        masked_lm_accuracy: share of masked tokens of the held-out pairs that are predicted correctly.
        next_sentence_accuracy: share of held-out pairs that are classified correctly.
        learning_rate: learning rate of the last step.
        train_seconds: training time since the last evaluation.
        eval_seconds: duration of this evaluation.
        pairs: pairs that all workers have trained on since the last evaluation.
        tokens: tokens of those pairs, without padding.
        first_step_at: ``time.monotonic()`` when the first step started, in seconds; ``None`` in all evaluations but
            the first.
        last_step_at: ``time.monotonic()`` when the last step was done, in seconds.
        precision: precision of the forward passes of this evaluation; ``None`` if it was not recorded.
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
        """Pairs per second that all workers have trained on since the last evaluation."""
        return self.pairs / self.train_seconds


def summary_metrics(evaluations: Sequence[PretrainingEvaluation]) -> dict[str, float]:
    """Computes the metrics of a run by the names of `gluetune.config.PublishedConfig`.

    The ``train`` metrics are those of the whole run, with losses as means over all its steps, as D2L's ``train_bert``
    prints them. The ``validation`` metrics are those of the last evaluation.

    Args:
        evaluations: all evaluations of a run, in order.
    """
    last, starts = evaluations[-1], [0, *(evaluation.step for evaluation in evaluations[:-1])]
    shares = [(evaluation.step - start) / last.step for evaluation, start in zip(evaluations, starts, strict=True)]
    weighted = list(zip(shares, evaluations, strict=True))
    seconds = sum(evaluation.train_seconds for evaluation in evaluations)
    return {
        "train.masked_lm_loss": sum(share * evaluation.train_masked_lm_loss for share, evaluation in weighted),
        "train.next_sentence_loss": sum(share * evaluation.train_next_sentence_loss for share, evaluation in weighted),
        "train.pairs_per_second": sum(evaluation.pairs for evaluation in evaluations) / seconds,
        "validation.masked_lm_loss": last.masked_lm_loss,
        "validation.next_sentence_loss": last.next_sentence_loss,
        "validation.masked_lm_accuracy": last.masked_lm_accuracy,
        "validation.next_sentence_accuracy": last.next_sentence_accuracy,
    }


@dataclass(frozen=True)
class ValidationScores:
    """Scores of held-out pairs; attributes have the meaning of those of `PretrainingEvaluation`."""

    masked_lm_loss: float
    next_sentence_loss: float
    masked_lm_accuracy: float
    next_sentence_accuracy: float


class ValidationSet:
    """Held-out pairs; pairs and masks are the same in every evaluation and for any number of workers.

    Args:
        corpus: the held-out text.
        collator: masks and pads pairs.
        training: gives ``hard_negative_fraction`` and ``eval_batch_size``.
        seed: seed of pairs and masks.
    """

    def __init__(self, corpus: Corpus, collator: Collator, training: PretrainingConfig, seed: int) -> None:
        self._corpus, self._collator, self._seed = corpus, collator, seed
        self._pairs = draw_pairs(corpus, np.random.default_rng((seed, 2)), training.hard_negative_fraction)
        self._batches = length_grouped_batches(
            self._pairs.lengths(corpus), training.eval_batch_size, 0, 0, shuffle=False
        )

    def evaluate(self, heads: PretrainingHeads, distributed: DistributedContext, *, bf16: bool) -> ValidationScores:
        """Evaluates a model on the held-out pairs.

        Args:
            heads: model on ``distributed.device``; its training mode is restored.
            distributed: this worker; every worker must call this method and gets the same scores.
            bf16: whether to compute in bfloat16.

        Raises:
            DivergedError: a loss is not finite.
        """
        training = heads.training
        heads.eval()
        totals = torch.zeros(6, dtype=torch.float64, device=distributed.device)
        with torch.inference_mode():
            for number in range(distributed.rank, len(self._batches), distributed.world_size):
                totals += self._totals(heads, number, distributed, bf16=bf16)
            masked_lm, masked_hits, masked, next_sentence, pair_hits, pairs = distributed.all_reduce(totals).tolist()
        heads.train(training)
        scores = ValidationScores(
            masked_lm / max(masked, 1), next_sentence / pairs, masked_hits / max(masked, 1), pair_hits / pairs
        )
        if not math.isfinite(scores.masked_lm_loss + scores.next_sentence_loss):
            raise DivergedError(
                f"held-out losses must be finite, but got (masked_lm_loss={scores.masked_lm_loss}, "
                f"next_sentence_loss={scores.next_sentence_loss})"
            )
        return scores

    def _totals(
        self, heads: PretrainingHeads, number: int, distributed: DistributedContext, *, bf16: bool
    ) -> torch.Tensor:
        """Computes [6]: summed loss, correct predictions and count, first of masked tokens, then of pairs."""
        rng = np.random.default_rng((self._seed, 2, number))
        batch = self._collator(self._corpus, self._pairs.take(self._batches[number]), rng)
        tensors = to_device(batch.tensors(np.arange(len(batch))), distributed)
        labels_of_heads = (tensors["labels"], tensors["next_sentence_labels"])
        totals = []
        for scores, labels in zip(head_scores(heads, tensors, distributed, bf16=bf16), labels_of_heads, strict=True):
            totals += [
                functional.cross_entropy(scores, labels, reduction="sum").double(),
                (scores.argmax(-1) == labels).sum().double(),
                torch.tensor(len(labels)).to(distributed.device),
            ]
        return torch.stack([total.double() for total in totals])
