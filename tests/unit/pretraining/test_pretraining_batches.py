"""Batches of masked pairs, and the tokenizer that is trained for them."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from transformers import DataCollatorForLanguageModeling, PreTrainedTokenizerBase

from gluetune.config import ModelConfig
from gluetune.data.synthetic_source import SyntheticSource
from gluetune.errors import ModelError
from gluetune.models import load_tokenizer
from gluetune.pretraining import Corpus, PretrainingConfig, prepare_synthetic_encoder
from gluetune.pretraining.batches import IGNORE_INDEX, Batch, BatchStream, Collator, Masker
from gluetune.pretraining.corpus import IS_NEXT, IS_RANDOM, Pairs, draw_pairs, tokenize_documents
from gluetune.pretraining.tokenizer import TokenIds, train_tokenizer
from gluetune.synthetic import generate_corpus
from gluetune.tasks import TASKS, Task
from two_workers import TwoWorkers

TEXT = list(generate_corpus(documents=300))
TOKENIZER = train_tokenizer((line for document in TEXT for line in document), 2000, 64)
TOKENS = TokenIds.from_tokenizer(TOKENIZER)


SPECIAL = np.arange(5)
MASK = 4
MASKER = Masker(MASK, np.arange(5, 1000), SPECIAL)
Masked = tuple[np.ndarray, np.ndarray, np.ndarray]


def collator(max_length: int = 64, probability: float = 0.15) -> Collator:
    return Collator.from_config(
        TOKENS, PretrainingConfig(max_seq_length=max_length, mlm_probability=probability or 1e-12)
    )


def collated(sentences: list[list[int]], labels: list[int], max_length: int = 64) -> Batch:
    """A batch of pairs of one sentence and the next, without masks."""
    lengths = [len(sentence) for sentence in sentences]
    text = Corpus(np.concatenate(sentences).astype(np.int32), np.cumsum([0, *lengths]), np.array([0, len(sentences)]))
    first = np.arange(0, len(sentences), 2)
    return collator(max_length, 0)(text, Pairs(first, first + 1, np.array(labels)), np.random.default_rng(0))


def test_pairs_have_the_layout_of_bert() -> None:
    batch = collated([[10, 11], [12], [13], [14]], [IS_NEXT, IS_RANDOM])
    cls, sep, pad = TOKENIZER.cls_token_id, TOKENIZER.sep_token_id, TOKENIZER.pad_token_id
    assert batch.input_ids.tolist() == [[cls, 10, 11, sep, 12, sep], [cls, 13, sep, 14, sep, pad]]
    assert batch.token_type_ids.tolist() == [[0, 0, 0, 0, 1, 1], [0, 0, 0, 1, 1, 0]]
    assert batch.attention_mask.tolist() == [[1] * 6, [1] * 5 + [0]]
    assert batch.next_sentence_labels.tolist() == [IS_NEXT, IS_RANDOM]
    assert (batch.labels == IGNORE_INDEX).all()
    assert (batch.tokens, batch.masked) == (11, 0)


@pytest.mark.parametrize("lengths", [(9, 1), (1, 9), (9, 9), (3, 3), (2, 3), (3, 2), (2, 2), (5, 4), (9, 2), (4, 3)])
@pytest.mark.parametrize("max_length", [8, 9])
def test_the_longer_sentence_is_cut_first(lengths: tuple[int, int], max_length: int) -> None:
    first, second = lengths
    while first + second + 3 > max_length:  # the rule of BERT's truncate_seq_pair: of equals, the second
        first, second = (first - 1, second) if first > second else (first, second - 1)
    batch = collated([[10] * lengths[0], [12] * lengths[1]], [IS_NEXT], max_length)
    ids = batch.input_ids.tolist()[0]
    assert (ids.count(10), ids.count(12)) == (first, second)


def test_an_epoch_holds_every_pair_once_with_little_padding() -> None:
    text = tokenize_documents(TEXT, TOKENIZER)
    pairs = len(draw_pairs(text, np.random.default_rng(0)))
    stream = BatchStream(text, collator(), PretrainingConfig(batch_size=16), 0)
    batches = [stream.next_batch() for _ in range(math.ceil(pairs / 16))]
    assert stream.epoch == 1
    assert sum(len(batch) for batch in batches) == pairs
    assert sum(batch.tokens for batch in batches) / sum(batch.attention_mask.size for batch in batches) > 0.9


def test_every_epoch_draws_other_pairs() -> None:
    text = tokenize_documents(TEXT[:4], TOKENIZER)
    per_epoch = len(draw_pairs(text, np.random.default_rng(0)))
    stream = BatchStream(text, collator(), PretrainingConfig(batch_size=per_epoch), 0)
    first, second = stream.next_batch(), stream.next_batch()
    assert stream.epoch == 2
    assert first.input_ids.shape != second.input_ids.shape or (first.input_ids != second.input_ids).any()


@pytest.mark.parametrize("done", [1, 3, 4, 9])
def test_a_stream_resumes_at_any_batch(done: int) -> None:
    text = tokenize_documents(TEXT[:16], TOKENIZER)
    config = PretrainingConfig(batch_size=len(draw_pairs(text, np.random.default_rng(0))) // 4 + 1)  # 4 per epoch
    stream = BatchStream(text, collator(), config, 0)
    for _ in range(done):
        stream.next_batch()
    resumed = BatchStream(text, collator(), config, 0)
    resumed.load_state_dict(stream.state_dict())
    assert resumed.epoch == stream.epoch == done / 4
    for _ in range(6):
        one, other = stream.next_batch(), resumed.next_batch()
        assert (one.input_ids == other.input_ids).all()
        assert (one.labels == other.labels).all()


def test_a_corpus_holds_what_the_tokenizer_makes() -> None:
    text = tokenize_documents(TEXT, TOKENIZER)
    assert len(text) == len(TEXT)
    assert text.ids.dtype == np.int32
    for document, sentences in zip(TEXT[:20], text, strict=False):
        expected = TOKENIZER(document, add_special_tokens=False)["input_ids"]
        assert [sentence.tolist() for sentence in sentences] == expected


def test_a_tokenizer_without_mask_token_is_rejected() -> None:
    tokenizer = train_tokenizer(["some words"], 100, 64)
    tokenizer.mask_token = None
    with pytest.raises(ModelError, match="mask_token"):
        TokenIds.from_tokenizer(tokenizer)


@pytest.mark.parametrize(("lower", "pieces"), [(True, ["the", "cafe"]), (False, ["The", "Café"])])
def test_lower_case_is_an_option(lower: bool, pieces: list[str]) -> None:
    tokenizer = train_tokenizer(["The Café the cafe Café The"] * 9, 100, 64, do_lower_case=lower)
    assert tokenizer.tokenize("The Café") == pieces


@pytest.fixture(scope="module")
def whole_tokenizer() -> PreTrainedTokenizerBase:
    """The synthetic encoder's, which is trained on the whole corpus."""
    return load_tokenizer(ModelConfig(name_or_path=prepare_synthetic_encoder()))


@pytest.mark.parametrize("task", TASKS.values(), ids=lambda task: task.name)
def test_the_corpus_covers_the_words_of_every_task(task: Task, whole_tokenizer: PreTrainedTokenizerBase) -> None:
    for split in task.splits:
        for column in SyntheticSource().load(task, split).columns.values():
            ids = [number for text in whole_tokenizer(column)["input_ids"] for number in text]
            assert whole_tokenizer.unk_token_id not in ids
            words = sum(len(text.replace(".", " .").replace("?", " ?").replace(",", " ,").split()) for text in column)
            assert len(ids) - 2 * len(column) <= 1.02 * words  # hardly a word is cut into pieces


def vocabulary(*_: object) -> dict[str, int]:
    return TOKENIZER.get_vocab()  # the module is imported, and the tokenizer trained, in each process


def test_the_vocabulary_is_the_same_in_another_process(two_workers: TwoWorkers) -> None:
    """Each process has another seed of its hashes."""
    assert two_workers.run(vocabulary) == [vocabulary()] * 2


@pytest.fixture(scope="module")
def masked() -> Masked:
    ids = np.random.default_rng(0).integers(0, 1000, size=(2000, 100))
    return ids, *MASKER(ids, np.random.default_rng(1))


def within_chance(hits: np.ndarray, share: float) -> bool:
    """Whether so many hits are within four standard deviations of a binomial distribution's mean."""
    return abs(hits.sum() - share * hits.size) < 4 * math.sqrt(hits.size * share * (1 - share))


def test_predicts_15_percent(masked: Masked) -> None:
    ids, _, labels = masked
    assert within_chance(labels[ids >= 5] != IGNORE_INDEX, 0.15)


def test_80_percent_masked_10_percent_random_10_percent_kept(masked: Masked) -> None:
    ids, inputs, labels = masked
    chosen = labels != IGNORE_INDEX
    drawn_alike = 0.1 / 995  # a random token is the right one by chance
    assert within_chance(inputs[chosen] == MASK, 0.8)
    assert within_chance(inputs[chosen] == ids[chosen], 0.1 + drawn_alike)
    assert within_chance((inputs[chosen] != ids[chosen]) & (inputs[chosen] != MASK), 0.1 - drawn_alike)


def test_random_tokens_are_any_but_the_special_ones(masked: Masked) -> None:
    ids, inputs, labels = masked
    replaced = inputs[(labels != IGNORE_INDEX) & (inputs != ids) & (inputs != MASK)]
    assert not np.isin(replaced, SPECIAL).any()
    assert len(np.unique(replaced)) > 900
    assert within_chance(replaced < 502, 497 / 995)


def test_never_touches_special_tokens(masked: Masked) -> None:
    ids, inputs, labels = masked
    special = np.isin(ids, SPECIAL)
    assert (labels[special] == IGNORE_INDEX).all()
    assert (inputs[special] == ids[special]).all()


def test_labels_are_the_original_tokens_and_the_rest_stays(masked: Masked) -> None:
    ids, inputs, labels = masked
    chosen = labels != IGNORE_INDEX
    assert (labels[chosen] == ids[chosen]).all()
    assert (inputs[~chosen] == ids[~chosen]).all()


def test_each_call_masks_other_tokens_and_a_seed_repeats_them() -> None:
    ids = np.full((10, 50), 7)
    rng = np.random.default_rng(0)
    first, second = MASKER(ids, rng)[0], MASKER(ids, rng)[0]
    assert (first != second).any()
    assert (first == MASKER(ids, np.random.default_rng(0))[0]).all()


def test_transformers_collator_masks_by_the_same_rule_but_for_special_random_tokens() -> None:
    """The reason why gluetune has a masker of its own."""
    tokenizer = train_tokenizer((line for document in TEXT[:50] for line in document), 200, 64)
    tokens, size = TokenIds.from_tokenizer(tokenizer), len(tokenizer)
    ids = np.random.default_rng(0).integers(0, size, size=(1000, 100))
    special = np.isin(ids, tokens.special)
    collator = DataCollatorForLanguageModeling(tokenizer)
    collator.generator = torch.Generator().manual_seed(0)
    collated, collated_labels = collator.torch_mask_tokens(torch.from_numpy(ids.copy()), torch.from_numpy(special))
    own, labels = Masker.from_tokens(tokens, 0.15)(ids, np.random.default_rng(0))
    for inputs, chosen in ((collated.numpy(), collated_labels.numpy() != IGNORE_INDEX), (own, labels != IGNORE_INDEX)):
        assert not (chosen & special).any()
        assert within_chance(chosen[~special], 0.15)
        assert within_chance(inputs[chosen] == tokens.mask, 0.8 + (inputs is not own) * 0.1 / size)
    drawn = {
        "transformers": collated.numpy()[(collated_labels.numpy() != IGNORE_INDEX) & (collated.numpy() != ids)],
        "gluetune": own[(labels != IGNORE_INDEX) & (own != ids)],
    }
    other_special = np.setdiff1d(tokens.special, [tokens.mask])
    assert np.isin(drawn["transformers"], other_special).any()
    assert not np.isin(drawn["gluetune"], other_special).any()
