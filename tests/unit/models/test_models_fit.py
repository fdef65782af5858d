"""Rows that do not fit an encoder, and encoders that do not mask padding, are refused before training."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import (
    BertTokenizer,
    ConvBertConfig,
    FNetConfig,
    NystromformerConfig,
    PretrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from encoder_families import FAMILIES, SMALL
from gluetune.data import EncodedRows
from gluetune.errors import ModelError
from gluetune.models import check_forward_pass, check_token_ids
from gluetune.models.architecture import model_class

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *(f"w{number}" for number in range(45))]
WIDE: dict[str, Any] = {**SMALL, "initializer_range": 0.5}  # as far from zero as trained weights are


@pytest.fixture(autouse=True)
def _seed() -> Iterator[None]:
    with torch.random.fork_rng():
        torch.manual_seed(3)
        yield


@pytest.fixture
def tokenizer(tmp_path: Path) -> PreTrainedTokenizerBase:
    (tmp_path / "vocab.txt").write_text("\n".join(WORDS))
    return BertTokenizer(str(tmp_path / "vocab.txt"))


def model_of(settings: PretrainedConfig) -> PreTrainedModel:
    return model_class(settings)(settings)


def rows(
    lengths: tuple[int, ...] = (20, 12), largest: int = 49, second: int | None = None, pad: int = 0
) -> EncodedRows:
    """Rows of these lengths; the last one has the largest id, each has a second segment from position ``second`` on."""
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    ids = np.random.default_rng(0).integers(5, 50, offsets[-1]).astype(np.int32)
    ids[-1] = largest
    boundaries = np.array(lengths if second is None else [second] * len(lengths), np.int32)
    return EncodedRows(ids, offsets, boundaries, None, pad, True)


@pytest.mark.parametrize("family", [family for family in FAMILIES if family not in ("distilbert", "modernbert")])
def test_rows_that_fit(family: str, tokenizer: PreTrainedTokenizerBase) -> None:
    model = model_of(FAMILIES[family]).train()
    check_forward_pass(model, [rows(), rows((40 - 2 * (family == "roberta"),))], tokenizer, "bear")
    assert model.training


@pytest.mark.parametrize(
    ("found", "message"),
    [
        (rows(largest=50), r"must be below 50.*'bear' gives .* the id 50; use the tokenizer"),
        (rows(pad=50), r"must be below 50.* the id 50"),
        (rows((20, 12), second=6), r"segment ids must be below 1.*type_vocab_size.*'bear'"),
        (rows((39,)), r"fails on a row of 39 tokens \((IndexError|RuntimeError): "),
    ],
    ids=["token", "padding", "segment", "position"],
)
def test_rows_that_do_not_fit(found: EncodedRows, message: str, tokenizer: PreTrainedTokenizerBase) -> None:
    with pytest.raises(ModelError, match=message):
        check_forward_pass(model_of(FAMILIES["roberta"]), [rows(), found], tokenizer, "bear")


def test_the_added_token_is_named(tokenizer: PreTrainedTokenizerBase) -> None:
    tokenizer.add_tokens(["bear"])
    with pytest.raises(ModelError, match=r"gives 'bear' the id 50; .*resize_token_embeddings"):
        check_token_ids(model_of(FAMILIES["bert"]), [rows(largest=50)], tokenizer, "x")


def test_a_segment_that_no_row_has_is_no_hindrance(tokenizer: PreTrainedTokenizerBase) -> None:
    """Single sentences train well with a tokenizer that could give a second text another segment."""
    check_forward_pass(model_of(FAMILIES["roberta"]), [rows()], tokenizer, "x")


@pytest.mark.parametrize(
    "settings",
    [
        FNetConfig(**{key: value for key, value in WIDE.items() if key != "num_attention_heads"}),
        ConvBertConfig(**WIDE, embedding_size=16, num_groups=1),
        NystromformerConfig(**WIDE),
    ],
    ids=lambda settings: settings.model_type,
)
def test_an_encoder_whose_states_depend_on_padding_is_refused(
    settings: PretrainedConfig, tokenizer: PreTrainedTokenizerBase
) -> None:
    with pytest.raises(ModelError, match=rf"'{settings.model_type}'\) does not mask padding.*another family"):
        check_forward_pass(model_of(settings), [rows()], tokenizer, "x")


@pytest.mark.parametrize("lengths", [(1,), (2,), (3, 2)])
def test_the_shortest_rows(lengths: tuple[int, ...], tokenizer: PreTrainedTokenizerBase) -> None:
    check_forward_pass(model_of(FAMILIES["bert"]), [rows(lengths)], tokenizer, "x")


def test_a_split_without_rows(tokenizer: PreTrainedTokenizerBase) -> None:
    empty = rows().select(np.zeros(0, np.int64))
    check_forward_pass(model_of(FAMILIES["bert"]), [rows(), empty], tokenizer, "x")


def test_broken_weights_are_distinguished_from_padding(tokenizer: PreTrainedTokenizerBase) -> None:
    model = model_of(FAMILIES["bert"])
    with torch.no_grad():
        model.bert.encoder.layer[0].output.dense.bias[0] = float("nan")
    with pytest.raises(ModelError, match=r"must be finite.*weights are broken"):
        check_forward_pass(model, [rows()], tokenizer, "x")
