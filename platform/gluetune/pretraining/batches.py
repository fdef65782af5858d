"""Batches of masked sentence pairs: ``[CLS] a [SEP] b [SEP]``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from gluetune.pretraining.config import PretrainingConfig
from gluetune.pretraining.corpus import Corpus
from gluetune.pretraining.masking import IGNORED, Masker
from gluetune.pretraining.pairs import Pairs, draw_pairs
from gluetune.pretraining.vocabulary import TokenIds

_POOLED_BATCHES = 16
"""Pairs of so many batches are sorted by length together, so that little is padded."""


@dataclass(frozen=True, eq=False)
class Batch:
    """Masked pairs; int64 arrays ``[pairs, longest]``, and ``relations`` ``[pairs]``.

    Attributes:
        input_ids: what is read.
        attention_mask: 1 but for padding.
        token_type_ids: 1 in the second sentence.
        labels: what is to be predicted, `IGNORED` elsewhere.
        relations: ``next_sentence_label`` of ``BertForPreTraining``.
    """

    input_ids: np.ndarray
    attention_mask: np.ndarray
    token_type_ids: np.ndarray
    labels: np.ndarray
    relations: np.ndarray

    def __len__(self) -> int:
        return len(self.relations)

    @property
    def masked(self) -> int:
        """Number of tokens to be predicted."""
        return int((self.labels != IGNORED).sum())

    @property
    def tokens(self) -> int:
        """Number of tokens without padding."""
        return int(self.attention_mask.sum())

    def tensors(self, rows: np.ndarray) -> dict[str, torch.Tensor]:
        """Some pairs as int64 tensors; of the tokens to be predicted, flat ``positions`` and their ``labels``."""
        labels = self.labels[rows].reshape(-1)
        positions = np.flatnonzero(labels != IGNORED)
        arrays = {
            "input_ids": self.input_ids[rows],
            "attention_mask": self.attention_mask[rows],
            "token_type_ids": self.token_type_ids[rows],
            "positions": positions,
            "labels": labels[positions],
            "relations": self.relations[rows],
        }
        return {name: torch.from_numpy(array) for name, array in arrays.items()}


@dataclass(frozen=True)
class Collator:
    """Puts pairs together.

    Attributes:
        tokens: the special tokens' ids.
        masker: masks.
        max_length: longest input, in tokens; the longer sentence is cut first.
    """

    tokens: TokenIds
    masker: Masker
    max_length: int

    @classmethod
    def of(cls, tokens: TokenIds, training: PretrainingConfig) -> Collator:
        """A collator as the configuration says."""
        return cls(tokens, Masker.of(tokens, training.mlm_probability), training.max_seq_length)

    def __call__(self, corpus: Corpus, pairs: Pairs, rng: np.random.Generator) -> Batch:
        """Joins, pads and masks pairs of a corpus."""
        firsts, seconds = self._cut(corpus.lengths_of(pairs.first), corpus.lengths_of(pairs.second))
        totals = firsts + seconds + 3
        ids = np.full((len(pairs), totals.max()), self.tokens.pad, dtype=np.int64)
        for row, (first, second, a, b) in enumerate(
            zip(
                *(
                    array.tolist()
                    for array in (corpus.sentences[pairs.first], corpus.sentences[pairs.second], firsts, seconds)
                ),
                strict=True,
            )
        ):
            ids[row, 0] = self.tokens.cls
            ids[row, 1 : a + 1] = corpus.ids[first : first + a]
            ids[row, a + 1] = self.tokens.sep
            ids[row, a + 2 : a + b + 2] = corpus.ids[second : second + b]
            ids[row, a + b + 2] = self.tokens.sep
        columns = np.arange(ids.shape[1])
        attention = columns < totals[:, None]
        types = attention & (columns >= firsts[:, None] + 2)
        inputs, labels = self.masker(ids, rng)
        return Batch(inputs, attention.astype(np.int64), types.astype(np.int64), labels, pairs.labels)

    def _cut(self, firsts: np.ndarray, seconds: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Lengths as they are after the longer of the two lost a token (the second of equals) as often as needed."""
        room = self.max_length - 3
        first = np.minimum(firsts, np.maximum(room - room // 2, room - seconds))
        second = np.minimum(seconds, np.maximum(room // 2, room - firsts))
        return first, second


def bucketed(lengths: np.ndarray, batch_size: int, rng: np.random.Generator) -> list[np.ndarray]:
    """Rows of batches of pairs of similar length, in random order.

    Args:
        lengths: of the pairs, which are in random order.
        batch_size: pairs per batch.
        rng: the only source of chance.
    """
    pool = batch_size * _POOLED_BATCHES
    batches = []
    for start in range(0, len(lengths), pool):
        near = start + np.argsort(lengths[start : start + pool], kind="stable")
        batches += [near[i : i + batch_size] for i in range(0, len(near), batch_size)]
    return [batches[i] for i in rng.permutation(len(batches))]


class BatchStream:
    """Batches without end; every round over the documents draws other partners and masks.

    Args:
        corpus: the text.
        collator: puts pairs together.
        training: gives ``batch_size`` and ``near_partners``.
        seed: of pairs and masks.
    """

    def __init__(self, corpus: Corpus, collator: Collator, training: PretrainingConfig, seed: int) -> None:
        self._corpus, self._collator, self._training = corpus, collator, training
        self._rng = np.random.default_rng((seed, 1))
        self._rounds = 0  # begun
        self._done = 0  # batches of the current round
        self._batches: list[np.ndarray] = []  # of the current round

    @property
    def epoch(self) -> float:
        """Rounds over the pairs done; asked for after the first batch."""
        return self._rounds - 1 + self._done / len(self._batches)

    def next(self) -> Batch:
        """The next batch."""
        if self._done == len(self._batches):
            self._begin()
        rows = self._batches[self._done]
        self._done += 1
        return self._collator(self._corpus, self._pairs.take(rows), self._rng)

    def state(self) -> dict[str, Any]:
        """The place in the stream."""
        return {
            "rounds": self._rounds,
            "done": self._done,
            "begun_from": self._begun_from,
            "random": self._rng.bit_generator.state,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Goes on from a `state` to the same batches: draws that round's pairs again and skips those done."""
        self._rng.bit_generator.state = state["begun_from"]
        self._begin()
        self._rounds, self._done = state["rounds"], state["done"]
        self._rng.bit_generator.state = state["random"]

    def _begin(self) -> None:
        self._begun_from = self._rng.bit_generator.state
        self._rounds, self._done = self._rounds + 1, 0
        self._pairs = draw_pairs(self._corpus, self._rng, self._training.near_partners)
        self._batches = bucketed(self._pairs.lengths(self._corpus), self._training.batch_size, self._rng)
