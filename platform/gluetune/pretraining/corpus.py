"""Tokenised text as flat arrays."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from typing import overload

import numpy as np
from transformers import PreTrainedTokenizerBase

_SENTENCES_AT_ONCE = 10_000


@dataclass(frozen=True, eq=False)
class Corpus(Sequence[Sequence[np.ndarray]]):
    """Documents of sentences of token ids, without special tokens.

    Three arrays, whatever the size: Ray's object store shares them without copies. As a sequence it gives documents as
    lists of sentences, each a view.

    Attributes:
        ids: int32 ``[tokens]``, all sentences one after the other.
        sentences: int64 ``[sentences + 1]``, where each begins in ``ids``.
        documents: int64 ``[documents + 1]``, where each begins in ``sentences``.
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
        """Token counts of sentences by their numbers, int64."""
        lengths: np.ndarray = self.sentences[sentences + 1] - self.sentences[sentences]
        return lengths

    def sentence(self, number: int) -> np.ndarray:
        """Token ids of a sentence, counted over the whole corpus."""
        return self.ids[self.sentences[number] : self.sentences[number + 1]]

    def fingerprint(self) -> str:
        """The SHA-256 of token ids and of the ends of sentences and documents."""
        digest = hashlib.sha256()
        for array in (self.ids, self.sentences, self.documents):
            digest.update(np.ascontiguousarray(array).data)
        return digest.hexdigest()

    def _part(self, start: int, stop: int) -> Corpus:
        """Some documents on end; the ids are a view."""
        documents = self.documents[start : stop + 1]
        sentences = self.sentences[documents[0] : documents[-1] + 1]
        return Corpus(self.ids[sentences[0] : sentences[-1]], sentences - sentences[0], documents - documents[0])


def tokenize(documents: Sequence[Sequence[str]], tokenizer: PreTrainedTokenizerBase) -> Corpus:
    """Token ids of all sentences, without special tokens; what the tokenizer makes is at no time held as a whole."""
    ids, lengths = [np.empty(0, np.int32)], [np.zeros(1, np.int64)]
    for lines in _chunks(chain.from_iterable(documents)):
        rows = tokenizer(
            lines, add_special_tokens=False, return_attention_mask=False, return_token_type_ids=False, verbose=False
        )["input_ids"]
        lengths.append(np.fromiter(map(len, rows), np.int64, len(rows)))
        ids.append(np.fromiter(chain.from_iterable(rows), np.int32, int(lengths[-1].sum())))
    sizes = np.fromiter(map(len, documents), np.int64, len(documents))
    return Corpus(np.concatenate(ids), np.cumsum(np.concatenate(lengths)), np.concatenate([[0], np.cumsum(sizes)]))


def _chunks(lines: Iterator[str]) -> Iterator[list[str]]:
    while chunk := list(islice(lines, _SENTENCES_AT_ONCE)):
        yield chunk
