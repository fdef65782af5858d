"""Next-sentence pairs (Devlin et al. 2019, §3.1).

Half are consecutive, half have a second sentence from another document.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gluetune.pretraining.corpus import Corpus

IS_NEXT, IS_RANDOM = 0, 1
"""Labels of ``BertForPreTraining.seq_relationship``."""


@dataclass(frozen=True, eq=False)
class Pairs:
    """Pairs of sentences, by their numbers in the corpus; all arrays are int64 ``[pairs]``.

    Attributes:
        first, second: the sentences.
        labels: whether the second follows the first: `IS_NEXT` or `IS_RANDOM`.
    """

    first: np.ndarray
    second: np.ndarray
    labels: np.ndarray

    def __len__(self) -> int:
        return len(self.labels)

    def lengths(self, corpus: Corpus) -> np.ndarray:
        """Token counts of both sentences together, int64 ``[pairs]``."""
        both: np.ndarray = corpus.lengths_of(self.first) + corpus.lengths_of(self.second)
        return both

    def take(self, rows: np.ndarray) -> Pairs:
        """Some of the pairs."""
        return Pairs(self.first[rows], self.second[rows], self.labels[rows])


def firsts(corpus: Corpus) -> np.ndarray:
    """Numbers of the sentences that have a next one in their document."""
    last = np.zeros(len(corpus.sentences), dtype=bool)
    last[corpus.documents[1:] - 1] = True
    return np.flatnonzero(~last[:-1])


def draw_pairs(corpus: Corpus, rng: np.random.Generator, near: float = 0.0) -> Pairs:
    """One pair for each sentence that has a next one, in random order.

    Args:
        corpus: at least two documents, none of them empty.
        rng: the only source of chance; another state draws other random partners.
        near: share of random partners that come from the document before or behind.

    Raises:
        ValueError: fewer than two documents.
    """
    if len(corpus) < 2:
        raise ValueError(f"`len(corpus) >= 2` must hold, but got {len(corpus)}")
    first = firsts(corpus)
    labels = rng.permutation(np.arange(len(first)) % 2)
    second = first + 1
    random = labels == IS_RANDOM
    second[random] = _partners(corpus, first[random], rng, near)
    return Pairs(first, second, labels).take(rng.permutation(len(first)))


def _partners(corpus: Corpus, first: np.ndarray, rng: np.random.Generator, near: float) -> list[int]:
    """A sentence of another document for each of ``first``.

    One after the other, because how many numbers a draw takes from ``rng`` depends on the draw; Python's own lists
    are faster at that than arrays.
    """
    count, starts = len(corpus), corpus.documents.tolist()
    partners = []
    for document in (np.searchsorted(corpus.documents, first, side="right") - 1).tolist():
        step = int(rng.choice((-1, 1))) if rng.random() < near else 1 + int(rng.integers(count - 1))
        other = (document + step) % count
        partners.append(starts[other] + int(rng.integers(starts[other + 1] - starts[other])))
    return partners
