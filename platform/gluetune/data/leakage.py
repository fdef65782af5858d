"""Rows that two splits have in common: equal texts, and nearly equal ones.

Two rows are *identical* if their texts are equal after letters are made lower case and white space is made one space.
Two rows are *near-duplicates* if they are not identical, but the sets of their words have a Jaccard similarity of at
least 0.8: of the different words in the two rows, at least four in five are in both. A word is what white space
separates, in lower case and without punctuation at its ends. All text columns of a row count together.

The time grows linearly with the rows to compare with: words of the rows that are looked for are indexed by the rarest
ones (prefix filtering: Chaudhuri et al. 2006, "A primitive operator for similarity joins in data cleaning"), which a
near-duplicate must share.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from gluetune.data.examples import Examples, Texts

THRESHOLD = 0.8
"""Least Jaccard similarity of the words of near-duplicates."""

_ROWS_PER_STEP = 1 << 15
_MAX_COMPARED = 4_000_000  # pairs of rows whose words are compared
_MAX_CANDIDATES = 4_000_000  # pairs of a row and a word of one step, before rows of other sizes are left out
_PAIRS_PER_STEP = 1 << 17
_PUNCTUATION = ".,;:!?\"'`()[]{}<>-–—…“”‘’«»*_/\\|"


@dataclass(frozen=True, slots=True)
class Overlap:
    """How many rows of one split have the texts of rows in another split.

    Attributes:
        identical: rows with identical texts.
        near: further rows with nearly identical texts.
        complete: whether all rows were compared; if not, ``near`` is a lower limit.
        groups: number of groups that both splits have rows of.
    """

    identical: int
    near: int
    complete: bool = True
    groups: int = 0


def count_overlap(train: Examples, rows: Examples) -> Overlap:
    """Count the rows that repeat rows of train.

    Args:
        train: the rows to compare with.
        rows: the rows that are looked for, in general fewer.
    """
    index = _Index(rows, next(_steps(train)))
    identical, near = np.zeros(len(rows), np.bool_), np.zeros(len(rows), np.bool_)
    compared, complete = 0, True
    for words in _steps(train):
        identical |= np.isin(index.texts, words.texts)
        pairs, whole = index.find_near(words, near, _MAX_COMPARED - compared)
        compared, complete = compared + pairs, complete and whole
    return Overlap(int(identical.sum()), int((near & ~identical).sum()), complete)


def count_duplicates(rows: Examples) -> tuple[int, int]:
    """Count rows whose texts an earlier row of the same split has, and those of them that have another label.

    Args:
        rows: rows with or without labels.

    Returns:
        The number of repeated rows, and how many of these have a label that differs from that of the first such row.
    """
    steps = range(0, len(rows), _ROWS_PER_STEP)
    texts = np.concatenate([_text_hashes(_word_lists(rows, start)) for start in steps])
    _, first, inverse = np.unique(texts, return_index=True, return_inverse=True)
    repeated = first[inverse] != np.arange(len(texts))
    if rows.labels is None:
        return int(repeated.sum()), 0
    differs = rows.labels != rows.labels[first[inverse]]
    return int(repeated.sum()), int((repeated & (differs if differs.ndim == 1 else differs.any(axis=1))).sum())


@dataclass(frozen=True, slots=True)
class _Words:
    """The words of some rows.

    Attributes:
        texts: [rows] hashes of the texts in the form in which identical ones are equal.
        words: [words] the different words of each row, one row after the other.
        rows: [words] the row that each word is in.
    """

    texts: NDArray[np.uint64]
    words: pa.LargeStringArray
    rows: NDArray[np.int64]


def _steps(examples: Examples) -> Iterator[_Words]:
    """Yield the words of the rows, some thousand rows at a time."""
    for start in range(0, len(examples), _ROWS_PER_STEP):
        lists = _word_lists(examples, start)
        rows = np.concatenate([pc.list_parent_indices(each).to_numpy(zero_copy_only=False) for each in lists])
        words = pc.utf8_trim(pa.concat_arrays([pc.list_flatten(each) for each in lists]), characters=_PUNCTUATION)
        ids = words.dictionary_encode()
        width = len(ids.dictionary) + 1
        rows, places = np.divmod(_distinct(rows * width + ids.indices.to_numpy(zero_copy_only=False)), width)
        yield _Words(_text_hashes(lists), ids.dictionary.take(pa.array(places)), rows)


def _word_lists(examples: Examples, start: int) -> list[Any]:
    """Return for each text column the lists of what white space separates, in lower case, of the rows of one step."""
    stop, kind = start + _ROWS_PER_STEP, pa.large_string()
    columns = [
        texts.array[start:stop] if isinstance(texts, Texts) else pa.array(texts[start:stop], kind)
        for texts in examples.columns.values()
    ]
    return [pc.utf8_split_whitespace(pc.utf8_trim_whitespace(pc.utf8_lower(column))) for column in columns]


def _text_hashes(lists: Sequence[Any]) -> NDArray[np.uint64]:
    """Return [rows] hashes of the texts of all columns."""
    from pandas.util import hash_array  # slow to import

    kind = pa.large_string()
    lines = [pc.binary_join(each, pa.scalar(" ", kind)) for each in lists]
    joined = pc.binary_join_element_wise(*lines, pa.scalar("\n", kind)) if len(lines) > 1 else lines[0]
    hashes: NDArray[np.uint64] = hash_array(joined.to_numpy(zero_copy_only=False), categorize=False)
    return hashes


def _distinct(values: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the different values, sorted; unlike `numpy.unique`, in the time of a sort alone."""
    values = np.sort(values)
    return values[np.flatnonzero(np.diff(values, prepend=-1))]


class _Index:
    """The words of the rows that are looked for, indexed by the rarest words of each row.

    Args:
        rows: the rows that are looked for.
        sample: words of rows to compare with, which say which words are rare.
    """

    def __init__(self, rows: Examples, sample: _Words) -> None:
        parts = list(_steps(rows))
        self.texts = np.concatenate([part.texts for part in parts])
        starts = np.arange(len(parts)) * _ROWS_PER_STEP
        row_of = np.concatenate([part.rows + start for part, start in zip(parts, starts, strict=True)])
        words = pa.concat_arrays([part.words for part in parts])
        encoded = words.dictionary_encode()
        self.vocabulary = encoded.dictionary
        ids = encoded.indices.to_numpy(zero_copy_only=False).astype(np.int64)
        sampled = pc.drop_null(pc.index_in(sample.words, value_set=self.vocabulary)).to_numpy(zero_copy_only=False)
        frequency = np.bincount(np.concatenate([ids, sampled.astype(np.int64)]), minlength=len(self.vocabulary))
        self._frequency = frequency
        self._keys = np.sort(row_of * len(self.vocabulary) + ids)  # of each word of each row
        self._sizes = np.bincount(row_of, minlength=len(rows))
        order = np.lexsort((ids, frequency[ids], row_of))
        rare = order[_in_prefix(row_of[order], self._sizes)]
        rare = rare[np.argsort(ids[rare], kind="stable")]
        self._rows_by_word = row_of[rare]  # rows of which the word is one of the rarest, one word after the other
        self._word_offsets = np.searchsorted(ids[rare], np.arange(len(self.vocabulary) + 1))

    def find_near(self, others: _Words, found: NDArray[np.bool_], limit: int) -> tuple[int, bool]:
        """Mark the rows that are near-duplicates of other rows.

        Args:
            others: the words of the other rows.
            found: [rows] what was found so far; set to true for near-duplicates and for identical rows.
            limit: maximum number of pairs to compare.

        Returns:
            The number of pairs that were compared, and whether these are all that can be near-duplicates.
        """
        ids = pc.fill_null(pc.index_in(others.words, value_set=self.vocabulary), -1).to_numpy(zero_copy_only=False)
        sizes = np.bincount(others.rows, minlength=len(others.texts))
        ids = ids.astype(np.int64)
        known = ids >= 0
        order = np.lexsort((ids, np.where(known, self._frequency[ids], -1), others.rows))  # unknown words are rarest
        rare = order[_in_prefix(others.rows[order], sizes) & known[order]]
        counts = np.cumsum(self._word_offsets[ids[rare] + 1] - self._word_offsets[ids[rare]])
        within = int(np.searchsorted(counts, _MAX_CANDIDATES, side="right"))
        candidates = self._candidates(ids[rare[:within]], others.rows[rare[:within]], sizes, found)
        pairs = candidates[:limit]
        shared = self._count_shared(pairs, ids[known], others.rows[known], len(sizes))
        mine, other = pairs[:, 0], pairs[:, 1]
        union = self._sizes[mine] + sizes[other] - shared
        found[mine[shared >= THRESHOLD * union - 1e-9]] = True
        return len(pairs), within == len(rare) and len(pairs) == len(candidates)

    def _candidates(
        self, ids: NDArray[np.int64], rows: NDArray[np.int64], sizes: NDArray[np.int64], found: NDArray[np.bool_]
    ) -> NDArray[np.int64]:
        """Return [pairs, 2] rows looked for and other rows that share a rare word and have about as many words."""
        counts = self._word_offsets[ids + 1] - self._word_offsets[ids]
        other = np.repeat(rows, counts)
        steps = np.arange(len(other)) - np.repeat(np.cumsum(counts) - counts, counts)
        mine = self._rows_by_word[np.repeat(self._word_offsets[ids], counts) + steps]
        small, large = (np.minimum(self._sizes[mine], sizes[other]), np.maximum(self._sizes[mine], sizes[other]))
        kept = (small >= THRESHOLD * large - 1e-9) & ~found[mine]
        pairs = _distinct(mine[kept] * len(sizes) + other[kept])
        return np.stack(np.divmod(pairs, len(sizes)), axis=1)

    def _count_shared(
        self, pairs: NDArray[np.int64], ids: NDArray[np.int64], rows: NDArray[np.int64], others: int
    ) -> NDArray[np.int64]:
        """Return [pairs] how many different words both rows have."""
        counts = np.bincount(rows, minlength=others)
        offsets = np.cumsum(counts) - counts
        parts = [np.zeros(0, np.int64)]
        for start in range(0, len(pairs), _PAIRS_PER_STEP):
            mine, other = pairs[start : start + _PAIRS_PER_STEP].T
            pair = np.repeat(np.arange(len(other)), counts[other])
            steps = np.arange(len(pair)) - np.repeat(np.cumsum(counts[other]) - counts[other], counts[other])
            keys = mine[pair] * len(self.vocabulary) + ids[offsets[other][pair] + steps]
            places = np.minimum(np.searchsorted(self._keys, keys), len(self._keys) - 1)
            parts.append(np.bincount(pair, weights=self._keys[places] == keys, minlength=len(other)).astype(np.int64))
        return np.concatenate(parts)


def _in_prefix(rows: NDArray[np.int64], sizes: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return for each word whether it is one of the rarest of its row, of which near-duplicates share at least one.

    Args:
        rows: [words] the row of each word; the words of a row follow each other, the rarest first.
        sizes: [rows] number of words of each row.
    """
    rank = np.arange(len(rows)) - (np.cumsum(sizes) - sizes)[rows]
    prefix = sizes - np.ceil(THRESHOLD * sizes - 1e-9).astype(np.int64) + 1
    rare: NDArray[np.bool_] = rank < prefix[rows]
    return rare
