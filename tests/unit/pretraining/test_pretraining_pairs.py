"""Next-sentence pairs, batches and the vocabulary."""

from __future__ import annotations

import subprocess
import sys
from itertools import islice

import numpy as np
import pytest
from transformers import PreTrainedTokenizerBase

from gluetune.data.embedded import EmbeddedSource, corpus
from gluetune.pretraining import PretrainingConfig
from gluetune.pretraining.batches import Collator, bucketed, endless
from gluetune.pretraining.masking import IGNORED, Masker
from gluetune.pretraining.pairs import IS_NEXT, IS_RANDOM, Pair, draw_pairs, tokenize
from gluetune.pretraining.vocabulary import train_tokenizer
from gluetune.tasks import TASKS, Task

TEXT = list(corpus(documents=300))
TOKENIZER = train_tokenizer((line for document in TEXT for line in document), 2000, 64)
NUMBERED = [[np.array([100 * d + s]) for s in range(4)] for d in range(50)]


def collator(max_length: int = 64, probability: float = 0.15) -> Collator:
    return Collator(TOKENIZER, Masker.of(TOKENIZER, probability), max_length)


def test_half_of_the_pairs_are_consecutive() -> None:
    labels = [pair.label for pair in draw_pairs(NUMBERED, np.random.default_rng(0))]
    assert len(labels) == 50 * 3
    assert labels.count(IS_NEXT) == labels.count(IS_RANDOM)


def test_labels_tell_the_truth() -> None:
    for pair in draw_pairs(NUMBERED, np.random.default_rng(0)):
        first, second = int(pair.first[0]), int(pair.second[0])
        if pair.label == IS_NEXT:
            assert second == first + 1
        else:
            assert second // 100 != first // 100


def test_near_partners_come_from_the_document_before_or_behind() -> None:
    pairs = draw_pairs(NUMBERED, np.random.default_rng(0), near=1.0)
    steps = {(int(pair.second[0]) // 100 - int(pair.first[0]) // 100) % 50 for pair in pairs if pair.label == IS_RANDOM}
    assert steps == {1, 49}


def test_one_document_has_no_random_partners() -> None:
    with pytest.raises(ValueError, match="len"):
        draw_pairs(NUMBERED[:1], np.random.default_rng(0))


def test_pairs_are_laid_out_as_bert_wants_them() -> None:
    batch = collator(probability=0.0)([Pair(np.array([10, 11]), np.array([12]), IS_NEXT),
                                       Pair(np.array([13]), np.array([14]), IS_RANDOM)], np.random.default_rng(0))
    cls, sep, pad = TOKENIZER.cls_token_id, TOKENIZER.sep_token_id, TOKENIZER.pad_token_id
    assert batch["input_ids"].tolist() == [[cls, 10, 11, sep, 12, sep], [cls, 13, sep, 14, sep, pad]]
    assert batch["token_type_ids"].tolist() == [[0, 0, 0, 0, 1, 1], [0, 0, 0, 1, 1, 0]]
    assert batch["attention_mask"].tolist() == [[1] * 6, [1] * 5 + [0]]
    assert batch["next_sentence_label"].tolist() == [IS_NEXT, IS_RANDOM]
    assert (batch["labels"] == IGNORED).all()


def test_the_longer_sentence_is_cut_first() -> None:
    batch = collator(max_length=8, probability=0.0)([Pair(np.full(9, 10), np.array([12]), IS_NEXT)],
                                                    np.random.default_rng(0))
    assert batch["input_ids"].tolist()[0].count(10) == 4
    assert batch["input_ids"].shape == (1, 8)
    assert 12 in batch["input_ids"]


def test_buckets_hold_every_pair_once_and_little_padding() -> None:
    pairs = draw_pairs(tokenize(TEXT, TOKENIZER), np.random.default_rng(0))
    batches = list(bucketed(pairs, 16, np.random.default_rng(0)))
    assert sorted(id(pair) for batch in batches for pair in batch) == sorted(id(pair) for pair in pairs)
    masks = [collator()(batch, np.random.default_rng(0))["attention_mask"].float() for batch in batches]
    assert sum(mask.sum().item() for mask in masks) / sum(mask.numel() for mask in masks) > 0.9


def test_every_round_draws_other_pairs() -> None:
    ids = tokenize(TEXT[:4], TOKENIZER)
    one_round = len(draw_pairs(ids, np.random.default_rng(0)))
    config = PretrainingConfig(batch_size=one_round)
    first, second = islice(endless(ids, collator(), config, np.random.default_rng(0)), 2)
    assert first["input_ids"].shape != second["input_ids"].shape or (first["input_ids"] != second["input_ids"]).any()


@pytest.fixture(scope="module")
def whole_tokenizer() -> PreTrainedTokenizerBase:
    return train_tokenizer((line for document in corpus() for line in document), 2000, 64)


@pytest.mark.parametrize("task", TASKS.values(), ids=lambda task: task.name)
def test_the_corpus_covers_the_words_of_every_task(task: Task, whole_tokenizer: PreTrainedTokenizerBase) -> None:
    for split in task.splits:
        for column in EmbeddedSource().load(task, split).columns.values():
            ids = [number for text in whole_tokenizer(column)["input_ids"] for number in text]
            assert whole_tokenizer.unk_token_id not in ids
            words = sum(len(text.replace(".", " .").replace("?", " ?").replace(",", " ,").split()) for text in column)
            assert len(ids) - 2 * len(column) <= 1.02 * words  # hardly a word is cut into pieces


def test_the_vocabulary_is_the_same_in_another_process() -> None:
    script = ("from gluetune.data.embedded import corpus; from gluetune.pretraining.vocabulary import train_tokenizer; "
              "t = train_tokenizer((l for d in corpus(documents=300) for l in d), 2000, 64); "
              "print(*t.convert_ids_to_tokens(range(len(t))))")
    there = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()
    assert there == TOKENIZER.convert_ids_to_tokens(range(len(TOKENIZER)))
