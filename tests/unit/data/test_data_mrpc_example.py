"""The row that GluonNLP's tutorial on sentence pairs prints, with BERT's own vocabulary.

https://nlp.gluon.ai, "Fine-tuning Pre-trained BERT Models". Its vocabulary numbers tokens otherwise, its wordpieces are
these. The row is as on the hub (``glue``, ``mrpc``, ``validation``, row 0): split at punctuation.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from transformers import BertTokenizer, PreTrainedTokenizerBase

from gluetune.data import EncodedRows, Examples, FolderSource, encode_rows
from gluetune.tasks import get_task

REAL, VOCABULARY = os.environ.get("GLUETUNE_GLUE_DIR"), os.environ.get("GLUETUNE_BERT_VOCAB_DIR")
pytestmark = pytest.mark.skipif(VOCABULARY is None, reason="GLUETUNE_BERT_VOCAB_DIR holds no vocab.txt of BERT")

FIRST = "He said the foodservice pie business doesn 't fit the company 's long-term growth strategy ."
SECOND = '" The foodservice pie business does not fit our long-term growth strategy .'
TOKENS = (  # separated by spaces
    "[CLS] he said the foods ##er ##vic ##e pie business doesn ' t fit the company ' s long - term growth strategy . "
    '[SEP] " the foods ##er ##vic ##e pie business does not fit our long - term growth strategy . [SEP]'
)
IDS = [
    101,
    2002,
    2056,
    1996,
    9440,
    2121,
    7903,
    2063,
    11345,
    2449,
    2987,
    1005,
    1056,
    4906,
    1996,
    2194,
    1005,
    1055,
    2146,
    1011,
    2744,
    3930,
    5656,
    1012,
    102,
    1000,
    1996,
    9440,
    2121,
    7903,
    2063,
    11345,
    2449,
    2515,
    2025,
    4906,
    2256,
    2146,
    1011,
    2744,
    3930,
    5656,
    1012,
    102,
]


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerBase:
    return BertTokenizer.from_pretrained(str(VOCABULARY), model_max_length=512)


def encoded(
    tokenizer: PreTrainedTokenizerBase,
    max_seq_length: int = 128,
    truncation: str = "longest_first",
) -> EncodedRows:
    """The row, and a longer one that it is padded for."""
    columns = {"sentence1": [FIRST, FIRST * 2], "sentence2": [SECOND, SECOND]}
    examples = Examples("mrpc", "validation", columns, np.array([1, 0]), "here")
    return encode_rows(examples, get_task("mrpc"), tokenizer, max_seq_length, truncation)  # type: ignore[arg-type]


def test_token_ids_segments_and_valid_length(tokenizer: PreTrainedTokenizerBase) -> None:
    batch = encoded(tokenizer).collate(np.arange(2))
    beyond = batch["input_ids"].shape[1] - 44
    assert beyond > 0
    assert batch["input_ids"][0].tolist() == IDS + [0] * beyond
    assert " ".join(tokenizer.convert_ids_to_tokens(IDS)) == TOKENS
    assert batch["attention_mask"][0].tolist() == [1] * 44 + [0] * beyond  # valid length 44
    assert batch["token_type_ids"][0].tolist() == [0] * 25 + [1] * 19 + [0] * beyond
    assert batch["labels"].tolist() == [1, 0]


def test_transformers_own_call_gives_the_same(tokenizer: PreTrainedTokenizerBase) -> None:
    call = tokenizer(FIRST, SECOND, truncation=True, max_length=128)
    assert (call["input_ids"], call["token_type_ids"]) == (IDS, [0] * 25 + [1] * 19)


@pytest.mark.parametrize(("truncation", "first", "second"), [("longest_first", 15, 14), ("proportional", 16, 13)])
def test_the_row_cut_to_32_tokens(tokenizer: PreTrainedTokenizerBase, truncation: str, first: int, second: int) -> None:
    """29 of its 23 and 18 tokens of text: 14.5 of each, or 16.3 and 12.7."""
    row = encoded(tokenizer, 32, truncation).select(np.arange(1))
    assert row.input_ids.tolist() == [*IDS[: 1 + first], 102, *IDS[25 : 25 + second], 102]
    assert row.boundaries.tolist() == [first + 2]


@pytest.mark.skipif(REAL is None, reason="GLUETUNE_GLUE_DIR names no GLUE folder")
def test_the_official_file_writes_the_same_row_unsplit(tokenizer: PreTrainedTokenizerBase) -> None:
    """GLUE's own MRPC/dev.tsv has ``doesn't`` and ``company's``; BERT's basic tokenizer splits both alike."""
    examples = FolderSource(Path(str(REAL))).load(get_task("mrpc"), "validation").take(np.arange(1))
    assert examples.columns["sentence1"] == [FIRST.replace(" '", "'").replace(" .", ".")]
    assert examples.columns["sentence2"] == [SECOND.replace('" ', '"').replace(" .", ".")]
    assert encode_rows(examples, get_task("mrpc"), tokenizer, 128).input_ids.tolist() == IDS
    assert examples.labels is not None
    assert examples.labels.tolist() == [1]
