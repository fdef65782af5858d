"""Batches of ragged rows equal those that the tokenizer pads itself."""

from __future__ import annotations

import os
import pickle

import numpy as np
import pytest
import torch
from tokenizers.processors import TemplateProcessing
from transformers import BertTokenizerFast, PreTrainedTokenizerBase

from gluetune.data import EncodedRows, Examples, FolderSource, encode_rows
from gluetune.errors import ConfigError, ModelError
from gluetune.tasks import get_task
from messages import Line, assert_shows

REAL, VOCABULARY = os.environ.get("GLUETUNE_GLUE_DIR"), os.environ.get("GLUETUNE_BERT_VOCAB_DIR")
FIRST = ["the cat sat on the mat", "a dog", "", "the cats ran " * 9, "not good!", "a"]
SECOND = ["a dog ran", "the mat is good " * 7, "a", "", "bad cat number 7 " * 5, "is"]


@pytest.fixture(params=["bert", "roberta"])
def tokenizer(request: pytest.FixtureRequest) -> PreTrainedTokenizerBase:
    found: PreTrainedTokenizerBase = request.getfixturevalue(request.param)
    return found


def single() -> Examples:
    return Examples("cola", "train", {"sentence": FIRST}, np.array([0, 1, 1, 0, 1, 0]), "test")


def pairs() -> Examples:
    labels = np.array([0, 0.25, 1, 2.5, 4.75, 5], np.float32)
    return Examples("stsb", "train", {"sentence1": FIRST, "sentence2": SECOND}, labels, "test")


def assert_same(batch: dict[str, torch.Tensor], expected: dict[str, torch.Tensor]) -> None:
    assert set(batch) - {"labels"} == set(expected)
    for name, tensor in expected.items():
        assert batch[name].dtype == torch.int32
        assert torch.equal(batch[name], tensor.int()), name


@pytest.mark.parametrize("max_seq_length", [8, 16, 24, 512])
@pytest.mark.parametrize("rows", [[0, 1, 2, 3, 4, 5], [5, 2], [3], [1, 1, 4]])
def test_batches_are_the_tokenizers_own(
    tokenizer: PreTrainedTokenizerBase,
    max_seq_length: int,
    rows: list[int],
) -> None:
    for examples in (single(), pairs()):
        encoded = encode_rows(examples, get_task(examples.task), tokenizer, max_seq_length)
        texts = ([column[int(row)] for row in rows] for column in examples.columns.values())
        expected = tokenizer(*texts, truncation=True, max_length=max_seq_length, padding=True, return_tensors="pt")
        assert_same(encoded.collate(np.array(rows)), expected)


def test_widths_are_rounded_up_but_not_beyond_the_longest_row(tokenizer: PreTrainedTokenizerBase) -> None:
    encoded = encode_rows(single(), get_task("cola"), tokenizer, 32)
    longest = int(encoded.lengths.max())
    for row, length in enumerate(encoded.lengths.tolist()):
        plain, rounded = encoded.collate(np.array([row])), encoded.collate(np.array([row]), multiple=4)
        width = min(-(-length // 4) * 4, longest)
        assert rounded["input_ids"].shape == (1, width)
        assert torch.equal(rounded["input_ids"][:, :length], plain["input_ids"])
        assert rounded["attention_mask"].sum().item() == length
        assert (rounded["input_ids"][:, length:] == tokenizer.pad_token_id).all()


def test_labels_keep_their_type(bert: PreTrainedTokenizerBase) -> None:
    rows = np.array([4, 0])
    classes = encode_rows(single(), get_task("cola"), bert, 32).collate(rows)["labels"]
    numbers = encode_rows(pairs(), get_task("stsb"), bert, 32).collate(rows)["labels"]
    assert (classes.dtype, classes.tolist()) == (torch.int32, [1, 0])
    assert (numbers.dtype, numbers.tolist()) == (torch.float32, [4.75, 0.0])


def test_unlabelled_rows_make_batches_without_labels(bert: PreTrainedTokenizerBase) -> None:
    examples = Examples("cola", "test", {"sentence": FIRST}, None, "test")
    assert "labels" not in encode_rows(examples, get_task("cola"), bert, 32).collate(np.arange(2))


def test_no_padding_is_stored(tokenizer: PreTrainedTokenizerBase) -> None:
    encoded = encode_rows(pairs(), get_task("stsb"), tokenizer, 16)
    lengths = [
        len(tokenizer(a, b, truncation=True, max_length=16)["input_ids"]) for a, b in zip(FIRST, SECOND, strict=True)
    ]
    assert encoded.lengths.tolist() == lengths
    assert len(encoded.input_ids) == sum(lengths)
    assert (encoded.input_ids.dtype, encoded.offsets.dtype) == (np.int32, np.int64)


def test_select_is_the_same_rows(tokenizer: PreTrainedTokenizerBase) -> None:
    encoded = encode_rows(pairs(), get_task("stsb"), tokenizer, 24)
    rows = np.array([4, 1, 1, 5, 0])
    selected = encoded.select(rows)
    assert len(selected) == 5
    expected, batch = encoded.collate(rows), selected.collate(np.arange(5))
    assert all(torch.equal(batch[name], expected[name]) for name in expected)


def test_select_of_nothing(bert: PreTrainedTokenizerBase) -> None:
    nothing = encode_rows(single(), get_task("cola"), bert, 24).select(np.arange(0))
    assert len(nothing) == 0
    assert len(nothing.input_ids) == 0


def test_shared_read_only_arrays_make_writable_batches(bert: PreTrainedTokenizerBase) -> None:
    """Ray's object store hands out read-only arrays; a batch must never alias them."""
    encoded = encode_rows(pairs(), get_task("stsb"), bert, 24)
    for array in (encoded.input_ids, encoded.offsets, encoded.boundaries, encoded.labels):
        assert array is not None
        array.flags.writeable = False
    batch = encoded.collate(np.arange(6))
    for tensor in batch.values():
        tensor += 1
    assert encoded.collate(np.arange(6))["labels"][0] == 0


def test_arrays_pickle_out_of_band(bert: PreTrainedTokenizerBase) -> None:
    """Protocol 5 with buffers is how Ray shares arrays without a copy."""
    encoded = encode_rows(pairs(), get_task("stsb"), bert, 24)
    buffers: list[pickle.PickleBuffer] = []
    small = pickle.dumps(encoded, protocol=5, buffer_callback=buffers.append)
    assert len(buffers) == 4
    again: EncodedRows = pickle.loads(small, buffers=buffers)
    assert np.shares_memory(again.input_ids, encoded.input_ids)


def test_many_rows_cross_the_tokenizers_calls(bert: PreTrainedTokenizerBase) -> None:
    texts = [f"number {row}" for row in range(5000)]
    encoded = encode_rows(Examples("cola", "test", {"sentence": texts}, None, "test"), get_task("cola"), bert, 32)
    assert len(encoded) == 5000
    for row in (0, 2047, 2048, 4999):
        assert encoded.collate(np.array([row]))["input_ids"][0].tolist() == bert(texts[row])["input_ids"]


def test_longer_than_the_encoder_takes(bert: PreTrainedTokenizerBase) -> None:
    with pytest.raises(ConfigError) as caught:
        encode_rows(single(), get_task("cola"), bert, 513)
    assert_shows(str(caught.value), [Line("data.max_seq_length", "513")])
    assert "512" in str(caught.value)


def test_token_types_that_no_boundary_describes(bert: PreTrainedTokenizerBase) -> None:
    tokenizer = BertTokenizerFast(vocab=bert.get_vocab(), model_max_length=512)
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
        single="[CLS]:1 $A:0 [SEP]:0",
        pair="[CLS]:1 $A:0 [SEP]:0 $B:1 [SEP]:1",
        special_tokens=[("[CLS]", tokenizer.cls_token_id), ("[SEP]", tokenizer.sep_token_id)],
    )
    with pytest.raises(ModelError, match="token types"):
        encode_rows(pairs(), get_task("stsb"), tokenizer, 32)


def test_a_tokenizer_without_padding(bert: PreTrainedTokenizerBase) -> None:
    tokenizer = BertTokenizerFast(vocab=bert.get_vocab(), model_max_length=512)
    tokenizer.pad_token = None
    with pytest.raises(ModelError, match="padding token"):
        encode_rows(single(), get_task("cola"), tokenizer, 32)


@pytest.mark.skipif(not (REAL and VOCABULARY), reason="GLUETUNE_GLUE_DIR or GLUETUNE_BERT_VOCAB_DIR is not set")
def test_real_pairs_with_berts_vocabulary() -> None:
    tokenizer = BertTokenizerFast.from_pretrained(str(VOCABULARY))
    task = get_task("mrpc")
    examples = FolderSource(str(REAL)).load(task, "validation")
    rows = np.arange(0, len(examples), 7)
    texts = ([column[int(row)] for row in rows] for column in examples.columns.values())
    expected = tokenizer(*texts, truncation=True, max_length=64, padding=True, return_tensors="pt")
    assert_same(encode_rows(examples, task, tokenizer, 64).collate(rows), expected)
