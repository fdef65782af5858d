"""Next-sentence pairs (Devlin et al. 2019, §3.1).

Half are consecutive, half have a second sentence from another document.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from transformers import PreTrainedTokenizerBase

IS_NEXT, IS_RANDOM = 0, 1
"""Labels of ``BertForPreTraining.seq_relationship``."""

Documents = Sequence[Sequence[np.ndarray]]
"""Documents of sentences of token ids, without special tokens."""


@dataclass(frozen=True, slots=True)
class Pair:
    """Token ids of two sentences (no special tokens) and whether the second follows the first."""

    first: np.ndarray
    second: np.ndarray
    label: int


def tokenize(documents: Sequence[Sequence[str]], tokenizer: PreTrainedTokenizerBase) -> list[list[np.ndarray]]:
    """Token ids of all sentences, int32, without special tokens."""
    lines = [line for document in documents for line in document]
    ids = iter(tokenizer(lines, add_special_tokens=False)["input_ids"])
    return [[np.array(next(ids), dtype=np.int32) for _ in document] for document in documents]


def draw_pairs(documents: Documents, rng: np.random.Generator, near: float = 0.0) -> list[Pair]:
    """One pair for each sentence that has a next one, in random order.

    Args:
        documents: at least two documents, at least one of them with two sentences.
        rng: the only source of chance; another state draws other random partners.
        near: share of random partners that come from the document before or behind.

    Raises:
        ValueError: fewer than two documents.
    """
    if len(documents) < 2:
        raise ValueError(f"`len(documents) >= 2` must hold, but got {len(documents)}")
    places = [(d, s) for d, document in enumerate(documents) for s in range(len(document) - 1)]
    labels = rng.permutation(np.arange(len(places)) % 2)
    pairs = [_pair(documents, d, s, int(label), rng, near) for (d, s), label in zip(places, labels, strict=True)]
    return [pairs[i] for i in rng.permutation(len(pairs))]


def _pair(documents: Documents, d: int, s: int, label: int, rng: np.random.Generator, near: float) -> Pair:
    if label == IS_NEXT:
        return Pair(documents[d][s], documents[d][s + 1], IS_NEXT)
    step = int(rng.choice((-1, 1))) if rng.random() < near else 1 + int(rng.integers(len(documents) - 1))
    other = documents[(d + step) % len(documents)]
    return Pair(documents[d][s], other[int(rng.integers(len(other)))], IS_RANDOM)
