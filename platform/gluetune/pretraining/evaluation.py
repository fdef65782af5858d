"""Evaluation of pre-training on held-out sentence pairs, and the metrics of a whole run."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch.nn import functional

from gluetune.data import length_grouped_batches
from gluetune.errors import DivergedError
from gluetune.events import PretrainingEvaluation
from gluetune.pretraining.batches import Batch, Collator
from gluetune.pretraining.config import PretrainingConfig
from gluetune.pretraining.corpus import Corpus, draw_pairs
from gluetune.pretraining.encoder import PretrainingHeads, head_scores
from gluetune.training.distributed_context import DistributedContext, to_device
from gluetune.training.memory import MicroBatches


def summary_metrics(evaluations: Sequence[PretrainingEvaluation]) -> dict[str, float]:
    """Compute the metrics of a run by the names of `gluetune.config.PublishedConfig`.

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
    } | {f"validation.{name}": value for name, value in last.validation.items()}


@dataclass(frozen=True)
class ValidationScores:
    """Scores of held-out pairs; attributes have the meaning of those of `gluetune.events.PretrainingEvaluation`."""

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
        """Evaluate a model on the held-out pairs.

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
            halving = MicroBatches()
            for number in range(distributed.rank, len(self._batches), distributed.world_size):
                batch = self._batch(number)
                compute = partial(_totals, heads, batch, distributed, bf16)
                totals += halving.run(np.arange(len(batch)), compute)
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

    def _batch(self, number: int) -> Batch:
        rng = np.random.default_rng((self._seed, 2, number))
        return self._collator(self._corpus, self._pairs.take(self._batches[number]), rng)


def _totals(
    heads: PretrainingHeads, batch: Batch, distributed: DistributedContext, bf16: bool, micro_batches: list[np.ndarray]
) -> torch.Tensor:
    """Compute [6]: summed loss, correct predictions and count, first of masked tokens, then of pairs."""
    totals = torch.zeros(6, dtype=torch.float64, device=distributed.device)
    for rows in micro_batches:
        tensors = to_device(batch.tensors(rows), distributed)
        labels_of_heads = (tensors["labels"], tensors["next_sentence_labels"])
        values = []
        for scores, labels in zip(head_scores(heads, tensors, distributed, bf16=bf16), labels_of_heads, strict=True):
            values += [
                functional.cross_entropy(scores, labels, reduction="sum").double(),
                (scores.argmax(-1) == labels).sum().double(),
                torch.tensor(len(labels), dtype=torch.float64, device=distributed.device),
            ]
        totals += torch.stack(values)
    return totals
