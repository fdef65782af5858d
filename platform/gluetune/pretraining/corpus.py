"""Tokenised text as flat arrays, and the next-sentence pairs drawn from it.

Half of the pairs are consecutive sentences; the other half have a second sentence from another document (Devlin et al.
2019, §3.1).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from typing import overload

import numpy as np
from transformers import PreTrainedTokenizerBase

IS_NEXT, IS_RANDOM = 0, 1
"""Labels of ``BertForPreTraining``'s next-sentence head."""

_SENTENCES_PER_CALL = 10_000


@dataclass(frozen=True, eq=False)
class Corpus(Sequence[Sequence[np.ndarray]]):
    """Documents of sentences of token ids, without special tokens.

    It is three arrays whatever its size, which Ray's object store shares without copies. As a sequence it yields
    documents, each a list of sentences, which are views of ``ids``.

    Attributes:
        ids: int32 ``[tokens]``, all sentences concatenated.
        sentences: int64 ``[sentences + 1]``, start of each sentence in ``ids``.
        documents: int64 ``[documents + 1]``, start of each document in ``sentences``.
    """

    ids: np.ndarray
    sentences: np.ndarray
    documents: np.ndarray

    def __len__(self) -> int:
        return len(self.documents) - 1

    @overload
    def __getitem__(self, index: int) -> list[np.ndarray]: ...
    @overload
    def __getitem__(self, index: slice) -> Corpus: ...
    def __getitem__(self, index: int | slice) -> list[np.ndarray] | Corpus:
        if isinstance(index, slice):
            start, stop, step = index.indices(len(self))
            if step != 1:
                raise ValueError(f"`step == 1` must hold, but got {step}")
            return self._part(start, max(start, stop))
        first, last = self.documents[range(len(self))[index] :][:2]
        return [self.sentence(number) for number in range(first, last)]

    def lengths_of(self, sentences: np.ndarray) -> np.ndarray:
        """Token counts, int64 ``[n]``, of the sentences with these numbers, ``[n]``."""
        lengths: np.ndarray = self.sentences[sentences + 1] - self.sentences[sentences]
        return lengths

    def sentence(self, number: int) -> np.ndarray:
        """Token ids, int32 ``[tokens]``, of the sentence with this number, counted over the whole corpus."""
        return self.ids[self.sentences[number] : self.sentences[number + 1]]

    def fingerprint(self) -> str:
        """SHA-256 of token ids and of the boundaries of sentences and documents, in hexadecimal."""
        digest = hashlib.sha256()
        for array in (self.ids, self.sentences, self.documents):
            digest.update(np.ascontiguousarray(array).data)
        return digest.hexdigest()

    def _part(self, start: int, stop: int) -> Corpus:
        """Corpus of the documents from ``start`` to before ``stop``; its ``ids`` are a view."""
        documents = self.documents[start : stop + 1]
        sentences = self.sentences[documents[0] : documents[-1] + 1]
        return Corpus(self.ids[sentences[0] : sentences[-1]], sentences - sentences[0], documents - documents[0])


def tokenize_documents(documents: Sequence[Sequence[str]], tokenizer: PreTrainedTokenizerBase) -> Corpus:
    """Tokenise documents of sentences, without special tokens.

    Sentences are tokenised in chunks, so that the tokenizer's Python lists of the whole text are never in memory.

    Args:
        documents: documents as lists of sentences.
        tokenizer: the tokenizer.
    """
    ids, lengths = [np.empty(0, np.int32)], [np.zeros(1, np.int64)]
    for sentences in _chunks(chain.from_iterable(documents)):
        rows = tokenizer(
            sentences,
            add_special_tokens=False,
            return_attention_mask=False,
            return_token_type_ids=False,
            verbose=False,
        )["input_ids"]
        lengths.append(np.fromiter(map(len, rows), np.int64, len(rows)))
        ids.append(np.fromiter(chain.from_iterable(rows), np.int32, int(lengths[-1].sum())))
    sizes = np.fromiter(map(len, documents), np.int64, len(documents))
    return Corpus(np.concatenate(ids), np.cumsum(np.concatenate(lengths)), np.concatenate([[0], np.cumsum(sizes)]))


def _chunks(sentences: Iterator[str]) -> Iterator[list[str]]:
    while chunk := list(islice(sentences, _SENTENCES_PER_CALL)):
        yield chunk


@dataclass(frozen=True, eq=False)
class Pairs:
    """Pairs of sentences, by their numbers in the corpus.

    Attributes:
        first: int64 ``[pairs]``, numbers of the first sentences.
        second: int64 ``[pairs]``, numbers of the second sentences.
        labels: int64 ``[pairs]``, `IS_NEXT` if the second sentence follows the first, else `IS_RANDOM`.
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
        """Select the pairs at these positions, ``[n]``."""
        return Pairs(self.first[rows], self.second[rows], self.labels[rows])


def first_sentence_ids(corpus: Corpus) -> np.ndarray:
    """Return the numbers, int64 ``[pairs]``, of the sentences that another sentence of their document follows."""
    last = np.zeros(len(corpus.sentences), dtype=bool)
    last[corpus.documents[1:] - 1] = True
    return np.flatnonzero(~last[:-1])


def draw_pairs(corpus: Corpus, rng: np.random.Generator, hard_negative_fraction: float = 0.0) -> Pairs:
    """Draw one pair for each sentence that is followed by another one, in random order.

    Args:
        corpus: at least two documents, none of them empty.
        rng: random generator; each call draws other pairs.
        hard_negative_fraction: share of the random second sentences that are drawn from the document before or after.

    Raises:
        ValueError: the corpus has fewer than two documents.
    """
    if len(corpus) < 2:
        raise ValueError(f"`len(corpus) >= 2` must hold, but got {len(corpus)}")
    first = first_sentence_ids(corpus)
    labels = rng.permutation(np.arange(len(first)) % 2)
    second = first + 1
    random = labels == IS_RANDOM
    second[random] = _random_sentences(corpus, first[random], rng, hard_negative_fraction)
    return Pairs(first, second, labels).take(rng.permutation(len(first)))


def _random_sentences(
    corpus: Corpus, first: np.ndarray, rng: np.random.Generator, hard_negative_fraction: float
) -> list[int]:
    """Draw a sentence of another document for each of ``first``.

    The draws are a loop, because the count of numbers that a draw takes from ``rng`` depends on the draw. Python lists
    are faster than arrays here.
    """
    count, starts = len(corpus), corpus.documents.tolist()
    drawn = []
    for document in (np.searchsorted(corpus.documents, first, side="right") - 1).tolist():
        hard = rng.random() < hard_negative_fraction
        step = int(rng.choice((-1, 1))) if hard else 1 + int(rng.integers(count - 1))
        other = (document + step) % count
        drawn.append(starts[other] + int(rng.integers(starts[other + 1] - starts[other])))
    return drawn
