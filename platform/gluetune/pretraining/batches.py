"""Batches of masked sentence pairs: ``[CLS] a [SEP] b [SEP]``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from transformers import PreTrainedTokenizerBase

from gluetune.pretraining.config import PretrainingConfig
from gluetune.pretraining.masking import Masker
from gluetune.pretraining.pairs import Documents, Pair, draw_pairs

_POOLED_BATCHES = 16
"""Pairs of so many batches are sorted by length together, so that little is padded."""


@dataclass(frozen=True)
class Collator:
    """Puts pairs together.

    Attributes:
        tokenizer: gives the special tokens' ids.
        masker: masks.
        max_length: longest input, in tokens; the longer sentence is cut first.
    """

    tokenizer: PreTrainedTokenizerBase
    masker: Masker
    max_length: int

    def __call__(self, pairs: Sequence[Pair], rng: np.random.Generator) -> dict[str, torch.Tensor]:
        """Padded int64 tensors ``[pairs, longest]``, and ``next_sentence_label`` ``[pairs]``."""
        joined = [self._join(pair) for pair in pairs]
        width = max(len(ids) for ids, _ in joined)
        ids = np.full((len(pairs), width), self.tokenizer.pad_token_id, dtype=np.int64)
        types, attention = np.zeros_like(ids), np.zeros_like(ids)
        for row, (tokens, boundary) in enumerate(joined):
            ids[row, :len(tokens)] = tokens
            types[row, boundary:len(tokens)] = 1
            attention[row, :len(tokens)] = 1
        inputs, labels = self.masker(ids, rng)
        arrays = {"input_ids": inputs, "attention_mask": attention, "token_type_ids": types, "labels": labels,
                  "next_sentence_label": np.array([pair.label for pair in pairs], dtype=np.int64)}
        return {name: torch.from_numpy(array) for name, array in arrays.items()}

    def _join(self, pair: Pair) -> tuple[list[int], int]:
        first, second = list(pair.first), list(pair.second)
        while len(first) + len(second) + 3 > self.max_length:
            (first if len(first) > len(second) else second).pop()
        cls, sep = self.tokenizer.cls_token_id, self.tokenizer.sep_token_id
        return [cls, *first, sep, *second, sep], len(first) + 2


def bucketed(pairs: Sequence[Pair], batch_size: int, rng: np.random.Generator) -> Iterator[list[Pair]]:
    """Batches of pairs of similar length, in random order."""
    pool = batch_size * _POOLED_BATCHES
    batches = []
    for start in range(0, len(pairs), pool):
        near = sorted(pairs[start:start + pool], key=lambda pair: len(pair.first) + len(pair.second))
        batches += [near[i:i + batch_size] for i in range(0, len(near), batch_size)]
    yield from (batches[i] for i in rng.permutation(len(batches)))


def endless(documents: Documents, collator: Collator, config: PretrainingConfig, rng: np.random.Generator,
            ) -> Iterator[dict[str, torch.Tensor]]:
    """Batches without end; every round over the documents draws other partners and masks."""
    while True:
        for batch in bucketed(draw_pairs(documents, rng, config.near_partners), config.batch_size, rng):
            yield collator(batch, rng)
