"""Next-sentence pairs, and the corpus they are drawn from."""

from __future__ import annotations

import math
import pickle
import time

import numpy as np
import pytest

from gluetune.pretraining import Corpus
from gluetune.pretraining.corpus import IS_NEXT, IS_RANDOM, draw_pairs


def test_half_of_the_pairs_are_consecutive(numbered: Corpus) -> None:
    labels = draw_pairs(numbered, np.random.default_rng(0)).labels.tolist()
    assert len(labels) == 50 * 3
    assert labels.count(IS_NEXT) == labels.count(IS_RANDOM)


def test_every_sentence_that_has_a_next_one_begins_one_pair(numbered: Corpus) -> None:
    first = draw_pairs(numbered, np.random.default_rng(0)).first
    assert sorted(first.tolist()) == [4 * d + s for d in range(50) for s in range(3)]
    assert first.tolist() != sorted(first.tolist())


def test_labels_say_whether_sentences_are_consecutive(numbered: Corpus) -> None:
    pairs = draw_pairs(numbered, np.random.default_rng(0))
    first, second = numbered.ids[pairs.first], numbered.ids[pairs.second]
    following = pairs.labels == IS_NEXT
    assert (second[following] == first[following] + 1).all()
    assert (second[~following] // 100 != first[~following] // 100).all()


def test_random_sentences_come_from_all_other_documents_and_positions(numbered: Corpus) -> None:
    rng = np.random.default_rng(0)
    epochs = [draw_pairs(numbered, rng) for _ in range(40)]
    second = np.concatenate([numbered.ids[pairs.second[pairs.labels == IS_RANDOM]] for pairs in epochs])
    documents = np.bincount(second // 100, minlength=50)
    spread = math.sqrt(len(second) * 0.02 * 0.98)
    assert (abs(documents - len(second) / 50) < 4.5 * spread).all()
    assert (abs(np.bincount(second % 100) - len(second) / 4) < 4.5 * math.sqrt(len(second) * 3 / 16)).all()


def test_hard_negatives_come_from_the_document_before_or_after(numbered: Corpus) -> None:
    pairs = draw_pairs(numbered, np.random.default_rng(0), hard_negative_fraction=1.0)
    random = pairs.labels == IS_RANDOM
    steps = (pairs.second[random] // 4 - pairs.first[random] // 4) % 50
    assert set(steps.tolist()) == {1, 49}


def test_one_document_is_too_few(numbered: Corpus) -> None:
    with pytest.raises(ValueError, match="len"):
        draw_pairs(numbered[:1], np.random.default_rng(0))


def test_documents_of_one_sentence_are_random_sentences_only() -> None:
    corpus = Corpus(np.arange(5, dtype=np.int32), np.arange(6), np.array([0, 1, 3, 4, 5]))
    seen = {
        (int(first), int(second))
        for seed in range(20)
        for pairs in [draw_pairs(corpus, np.random.default_rng(seed))]
        for first, second in zip(pairs.first, pairs.second, strict=True)
    }
    assert {first for first, _ in seen} == {1}
    assert {second for _, second in seen} <= {0, 2, 3, 4}


def test_a_corpus_is_documents_of_sentences(numbered: Corpus) -> None:
    assert len(numbered) == 50
    assert [sentence.tolist() for sentence in numbered[2]] == [[200], [201], [202], [203]]
    assert [sentence.tolist() for sentence in numbered[-1]] == [[4900], [4901], [4902], [4903]]
    assert sum(len(document) for document in numbered) == 200
    with pytest.raises(IndexError):
        numbered[50]


def test_a_part_of_a_corpus_is_a_corpus(numbered: Corpus) -> None:
    part = numbered[10:12]
    assert [[sentence.tolist() for sentence in document] for document in part] == [
        [[1000], [1001], [1002], [1003]],
        [[1100], [1101], [1102], [1103]],
    ]
    assert len(pickle.dumps(part)) < len(pickle.dumps(numbered)) / 2
    assert len(numbered[60:]) == 0


def test_a_corpus_of_the_size_of_wikitext_103_is_cheap() -> None:
    """A tenth of WikiText-103's 3.6 million sentences, in documents of four, needs a second or so of CPU time."""
    sentences = 360_000
    corpus = Corpus(np.zeros(28 * sentences, np.int32), 28 * np.arange(sentences + 1), np.arange(0, sentences + 1, 4))
    started = time.process_time()
    pairs = draw_pairs(corpus, np.random.default_rng(0))
    assert len(pairs) == sentences * 3 // 4
    assert time.process_time() - started < 6
    assert len(pickle.dumps(corpus, protocol=5)) < 1.05 * (
        corpus.ids.nbytes + corpus.sentences.nbytes + corpus.documents.nbytes
    )
