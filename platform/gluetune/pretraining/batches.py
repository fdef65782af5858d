"""Batches of masked sentence pairs, ``[CLS] a [SEP] b [SEP]``, from an endless stream that can be resumed.

Tokens are masked as in Devlin et al. 2019, §3.1: of the tokens to predict, 80% become ``[MASK]``, 10% a random token
and 10% stay. They are masked anew in every pass over the text (dynamic masking, Liu et al. 2019).

``transformers.DataCollatorForLanguageModeling`` masks by the same rule, but for its random tokens: it draws them from
the whole vocabulary, where `Masker` leaves out special tokens such as ``[PAD]`` and ``[SEP]``. The collator has no
option for that. It also draws from another random generator, so that the synthetic encoder would get other weights,
although its name, a fingerprint of its text and configuration, would stay the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from gluetune.data import bucket_by_length
from gluetune.pretraining.config import PretrainingConfig
from gluetune.pretraining.corpus import Corpus, Pairs, draw_pairs
from gluetune.pretraining.tokenizer import TokenIds

IGNORE_INDEX = -100
"""Label of tokens that are not predicted."""

_BATCHES_PER_BUCKET = 16  # pairs are in random order, and those of so many batches are sorted by length together
_MASKED, _RANDOM = 0.8, 0.9  # cumulative shares of the tokens to predict


@dataclass(frozen=True)
class Masker:
    """Chooses the tokens to predict, and masks them.

    Attributes:
        mask_id: id of ``[MASK]``.
        ordinary: ids that random tokens are drawn from: all but the special ones.
        special: ids that are never predicted.
        probability: share of tokens to predict.
    """

    mask_id: int
    ordinary: np.ndarray
    special: np.ndarray
    probability: float = 0.15

    @classmethod
    def from_tokens(cls, tokens: TokenIds, probability: float) -> Masker:
        """Make a masker for a tokenizer's vocabulary."""
        special = np.array(tokens.special)
        return cls(tokens.mask, np.setdiff1d(np.arange(tokens.vocab_size), special), special, probability)

    def __call__(self, input_ids: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Mask token ids.

        Args:
            input_ids: int array of any shape; not changed.
            rng: random generator; each call masks other tokens.

        Returns:
            Masked inputs, and labels with `IGNORE_INDEX` for tokens that are not predicted, both of the same shape.
        """
        chosen = (rng.random(input_ids.shape) < self.probability) & ~np.isin(input_ids, self.special)
        draws = rng.random(input_ids.shape)
        inputs = input_ids.copy()
        inputs[chosen & (draws < _MASKED)] = self.mask_id
        replaced = chosen & (draws >= _MASKED) & (draws < _RANDOM)
        inputs[replaced] = rng.choice(self.ordinary, size=int(replaced.sum()))
        return inputs, np.where(chosen, input_ids, IGNORE_INDEX)


@dataclass(frozen=True, eq=False)
class Batch:
    """Masked pairs as int64 arrays.

    Attributes:
        input_ids: ``[pairs, length]`` masked token ids.
        attention_mask: ``[pairs, length]`` 0 for padding, else 1.
        token_type_ids: ``[pairs, length]`` 1 in the second sentence, else 0.
        labels: ``[pairs, length]`` ids to predict, `IGNORE_INDEX` elsewhere.
        next_sentence_labels: ``[pairs]`` ``next_sentence_label`` of ``BertForPreTraining``.
    """

    input_ids: np.ndarray
    attention_mask: np.ndarray
    token_type_ids: np.ndarray
    labels: np.ndarray
    next_sentence_labels: np.ndarray

    def __len__(self) -> int:
        return len(self.next_sentence_labels)

    @property
    def masked(self) -> int:
        """Number of tokens to predict."""
        return int((self.labels != IGNORE_INDEX).sum())

    @property
    def tokens(self) -> int:
        """Number of tokens without padding."""
        return int(self.attention_mask.sum())

    def tensors(self, rows: np.ndarray) -> dict[str, torch.Tensor]:
        """Convert some pairs to int64 tensors.

        Args:
            rows: ``[n]`` positions of the pairs.

        Returns:
            ``input_ids``, ``attention_mask``, ``token_type_ids`` ``[n, length]``; ``next_sentence_labels`` ``[n]``;
            and of the tokens to predict ``positions`` in the flattened pairs and ``labels``, both ``[masked]``.
        """
        labels = self.labels[rows].reshape(-1)
        positions = np.flatnonzero(labels != IGNORE_INDEX)
        arrays = {
            "input_ids": self.input_ids[rows],
            "attention_mask": self.attention_mask[rows],
            "token_type_ids": self.token_type_ids[rows],
            "positions": positions,
            "labels": labels[positions],
            "next_sentence_labels": self.next_sentence_labels[rows],
        }
        return {name: torch.from_numpy(array) for name, array in arrays.items()}


@dataclass(frozen=True)
class Collator:
    """Joins, pads and masks pairs.

    Attributes:
        tokens: ids of the special tokens.
        masker: masks the inputs.
        max_length: longest input in tokens; the longer sentence of a pair is truncated first.
    """

    tokens: TokenIds
    masker: Masker
    max_length: int

    @classmethod
    def from_config(cls, tokens: TokenIds, training: PretrainingConfig) -> Collator:
        """Make a collator with the masking probability and the maximum length of a configuration."""
        return cls(tokens, Masker.from_tokens(tokens, training.mlm_probability), training.max_seq_length)

    def __call__(self, corpus: Corpus, pairs: Pairs, rng: np.random.Generator) -> Batch:
        """Make a batch of pairs.

        Args:
            corpus: text of the pairs.
            pairs: the pairs.
            rng: random generator of the masks.
        """
        first_lengths, second_lengths = self._truncated(corpus.lengths_of(pairs.first), corpus.lengths_of(pairs.second))
        totals = first_lengths + second_lengths + 3
        ids = np.full((len(pairs), totals.max()), self.tokens.pad, dtype=np.int64)
        columns_of_pairs = (
            corpus.sentences[pairs.first],
            corpus.sentences[pairs.second],
            first_lengths,
            second_lengths,
        )
        for row, (first, second, a, b) in enumerate(
            zip(*(column.tolist() for column in columns_of_pairs), strict=True)
        ):
            ids[row, 0] = self.tokens.cls
            ids[row, 1 : a + 1] = corpus.ids[first : first + a]
            ids[row, a + 1] = self.tokens.sep
            ids[row, a + 2 : a + b + 2] = corpus.ids[second : second + b]
            ids[row, a + b + 2] = self.tokens.sep
        columns = np.arange(ids.shape[1])
        attention = columns < totals[:, None]
        types = attention & (columns >= first_lengths[:, None] + 2)
        inputs, labels = self.masker(ids, rng)
        return Batch(inputs, attention.astype(np.int64), types.astype(np.int64), labels, pairs.labels)

    def _truncated(self, first_lengths: np.ndarray, second_lengths: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Lengths after the longer sentence of each pair (of equal ones the second) was shortened until both fit."""
        budget = self.max_length - 3
        first = np.minimum(first_lengths, np.maximum(budget - budget // 2, budget - second_lengths))
        second = np.minimum(second_lengths, np.maximum(budget // 2, budget - first_lengths))
        return first, second


class BatchStream:
    """Endless stream of batches; each epoch draws other pairs and masks.

    Args:
        corpus: the text.
        collator: masks and pads pairs.
        training: gives ``batch_size`` and ``hard_negative_fraction``.
        seed: seed of pairs and masks.
    """

    def __init__(self, corpus: Corpus, collator: Collator, training: PretrainingConfig, seed: int) -> None:
        self._corpus, self._collator, self._training = corpus, collator, training
        self._rng = np.random.default_rng((seed, 1))
        self._epochs = 0  # started
        self._done = 0  # batches of the current epoch
        self._batches: list[np.ndarray] = []  # of the current epoch

    @property
    def epoch(self) -> float:
        """Passes over the pairs done; defined after the first batch."""
        return self._epochs - 1 + self._done / len(self._batches)

    def next_batch(self) -> Batch:
        """Return the next batch."""
        if self._done == len(self._batches):
            self._start_epoch()
        rows = self._batches[self._done]
        self._done += 1
        return self._collator(self._corpus, self._pairs.take(rows), self._rng)

    def state_dict(self) -> dict[str, Any]:
        """State to resume from: the position in the stream, and the random generator now and at the epoch's start."""
        return {
            "epochs": self._epochs,
            "done": self._done,
            "epoch_random": self._epoch_random,
            "random": self._rng.bit_generator.state,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Resume from a `state_dict`: draw the pairs of its epoch again and skip the batches done."""
        self._rng.bit_generator.state = state["epoch_random"]
        self._start_epoch()
        self._epochs, self._done = state["epochs"], state["done"]
        self._rng.bit_generator.state = state["random"]

    def _start_epoch(self) -> None:
        self._epoch_random = self._rng.bit_generator.state
        self._epochs, self._done = self._epochs + 1, 0
        self._pairs = draw_pairs(self._corpus, self._rng, self._training.hard_negative_fraction)
        lengths = self._pairs.lengths(self._corpus)
        batches = bucket_by_length(np.arange(len(lengths)), lengths, self._training.batch_size, _BATCHES_PER_BUCKET)
        self._batches = [batches[number] for number in self._rng.permutation(len(batches))]
