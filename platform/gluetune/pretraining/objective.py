"""Both of BERT's objectives, and their values on held-out pairs."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn
from torch.nn import functional
from transformers import BertForPreTraining

from gluetune.data import length_grouped_batches
from gluetune.errors import DivergedError
from gluetune.pretraining.batches import Collator
from gluetune.pretraining.config import PretrainingConfig
from gluetune.pretraining.corpus import Corpus
from gluetune.pretraining.pairs import draw_pairs
from gluetune.training.distributed import DistributedContext, to_device
from gluetune.training.evaluate import autocast


class Objective(nn.Module):
    """A model as a function from inputs to both heads' scores, which is what workers can share.

    Args:
        model: encoder and heads.
    """

    def __init__(self, model: BertForPreTraining) -> None:
        super().__init__()
        self.model = model

    def forward(
        self,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor,
        token_type_ids: torch.Tensor,
        positions: torch.Tensor,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Scores ``[masked, vocabulary]`` of the tokens at ``positions`` alone, and ``[pairs, 2]``."""
        outputs = self.model.bert(input_ids=input_ids, attention_mask=attention_mask, token_type_ids=token_type_ids)
        scores, relations = self.model.cls(outputs.last_hidden_state.flatten(0, 1)[positions], outputs.pooler_output)
        return scores, relations


def forward(
    objective: nn.Module,
    tensors: dict[str, torch.Tensor],
    distributed: DistributedContext,
    *,
    bf16: bool,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Scores in fp32 of a `Batch`'s tensors."""
    with autocast(distributed, bf16):
        scores, relations = objective(
            *(tensors[name] for name in ("input_ids", "attention_mask", "token_type_ids", "positions"))
        )
    return scores.float(), relations.float()


@dataclass(frozen=True)
class Scores:
    """Mean cross-entropies and accuracies of held-out pairs: per masked token, and per pair."""

    masked_lm_loss: float
    next_sentence_loss: float
    masked_lm_accuracy: float
    next_sentence_accuracy: float


class ValidationSet:
    """Held-out pairs; pairs and masks are the same in every evaluation and for any number of workers.

    Args:
        corpus: the held-out text.
        collator: puts pairs together.
        training: gives ``near_partners`` and ``eval_batch_size``.
        seed: of pairs and masks.
    """

    def __init__(self, corpus: Corpus, collator: Collator, training: PretrainingConfig, seed: int) -> None:
        self._corpus, self._collator, self._seed = corpus, collator, seed
        self._pairs = draw_pairs(corpus, np.random.default_rng((seed, 2)), training.near_partners)
        self._batches = length_grouped_batches(
            self._pairs.lengths(corpus), training.eval_batch_size, 0, 0, shuffle=False
        )

    def score(self, objective: Objective, distributed: DistributedContext, *, bf16: bool) -> Scores:
        """Scores a model, whose mode is kept. Every worker must call this; all get the same.

        Raises:
            DivergedError: a loss is not finite.
        """
        training = objective.training
        objective.eval()
        totals = torch.zeros(6, dtype=torch.float64, device=distributed.device)
        with torch.inference_mode():
            for number in range(distributed.rank, len(self._batches), distributed.world_size):
                totals += self._totals(objective, number, distributed, bf16=bf16)
            masked_lm, masked_hits, masked, next_sentence, pair_hits, pairs = distributed.all_reduce(totals).tolist()
        objective.train(training)
        scores = Scores(
            masked_lm / max(masked, 1), next_sentence / pairs, masked_hits / max(masked, 1), pair_hits / pairs
        )
        if not math.isfinite(scores.masked_lm_loss + scores.next_sentence_loss):
            raise DivergedError(
                f"held-out losses must be finite, but got (masked_lm_loss={scores.masked_lm_loss}, "
                f"next_sentence_loss={scores.next_sentence_loss})"
            )
        return scores

    def _totals(
        self, objective: Objective, number: int, distributed: DistributedContext, *, bf16: bool
    ) -> torch.Tensor:
        """Loss, hits and count of the masked tokens, and those of the pairs."""
        rng = np.random.default_rng((self._seed, 2, number))
        batch = self._collator(self._corpus, self._pairs.take(self._batches[number]), rng)
        tensors = to_device(batch.tensors(np.arange(len(batch))), distributed)
        totals = []
        for scores, labels in zip(
            forward(objective, tensors, distributed, bf16=bf16), (tensors["labels"], tensors["relations"]), strict=True
        ):
            totals += [
                functional.cross_entropy(scores, labels, reduction="sum").double(),
                (scores.argmax(-1) == labels).sum().double(),
                torch.tensor(len(labels)).to(distributed.device),
            ]
        return torch.stack([total.double() for total in totals])
