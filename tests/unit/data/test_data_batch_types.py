"""Batches as encoders take them: int32 with zeros beyond the row, for every family."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from transformers import (
    AlbertConfig,
    AutoModelForSequenceClassification,
    BertConfig,
    DebertaV2Config,
    DistilBertConfig,
    ElectraConfig,
    ModernBertConfig,
    PretrainedConfig,
    PreTrainedTokenizerBase,
    RobertaConfig,
)

from gluetune.data import EncodedRows, Examples, encode_rows
from gluetune.tasks import get_task
from gluetune.training.evaluate import loss_sum

SMALL: dict[str, Any] = {
    "vocab_size": 200,
    "hidden_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "max_position_embeddings": 40,
}
FAMILIES: dict[str, PretrainedConfig] = {
    "bert": BertConfig(**SMALL),
    "roberta": RobertaConfig(**SMALL, pad_token_id=1),
    "electra": ElectraConfig(**SMALL),
    "albert": AlbertConfig(**SMALL),
    "deberta-v2": DebertaV2Config(**SMALL, relative_attention=True),
    "modernbert": ModernBertConfig(
        **SMALL, pad_token_id=0, cls_token_id=1, bos_token_id=1, eos_token_id=2, sep_token_id=2
    ),
    "distilbert": DistilBertConfig(
        vocab_size=200, dim=16, n_layers=1, n_heads=2, hidden_dim=32, max_position_embeddings=40
    ),
}
NO_TYPES = {"roberta", "distilbert", "modernbert"}


def rows(tokenizer: PreTrainedTokenizerBase, task: str = "mnli") -> EncodedRows:
    found = get_task(task)
    texts = (["the cat sat", "a dog"], ["a mat", "not good at all"])
    labels = np.array([2, 0]) if found.labels else np.array([2.5, 0], np.float32)
    columns = dict(zip(found.columns, texts, strict=True))
    return encode_rows(Examples(task, "train", columns, labels, "test"), found, tokenizer, 24)


def test_a_pairs_batch_feature_by_feature(bert: PreTrainedTokenizerBase) -> None:
    batch = rows(bert).collate(np.arange(2))
    assert {name: tensor.dtype for name, tensor in batch.items()} == dict.fromkeys(
        ["input_ids", "attention_mask", "token_type_ids", "labels"], torch.int32
    )
    tokens = [" ".join(bert.convert_ids_to_tokens(row)) for row in batch["input_ids"].tolist()]
    assert tokens == [
        "[CLS] the cat sat [SEP] a mat [SEP] [PAD] [PAD] [PAD] [PAD]",
        "[CLS] a dog [SEP] not good a ##t a ##l ##l [SEP]",
    ]
    assert batch["attention_mask"].tolist() == [[1] * 8 + [0] * 4, [1] * 12]
    assert batch["token_type_ids"].tolist() == [[0] * 5 + [1] * 3 + [0] * 4, [0] * 4 + [1] * 8]
    assert batch["labels"].tolist() == [2, 0]


def test_padding_is_the_tokenizers_and_masks_are_zero(roberta: PreTrainedTokenizerBase) -> None:
    batch = rows(roberta).collate(np.arange(2))
    beyond = batch["attention_mask"] == 0
    assert beyond.any()
    assert set(batch["input_ids"][beyond].tolist()) == {roberta.pad_token_id} != {0}
    assert "token_type_ids" not in batch


def test_similarities_stay_real_numbers(bert: PreTrainedTokenizerBase) -> None:
    labels = rows(bert, "stsb").collate(np.arange(2))["labels"]
    assert (labels.dtype, labels.tolist()) == (torch.float32, [2.5, 0.0])


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("task", ["mnli", "stsb"])
def test_every_family_trains_on_them(bert: PreTrainedTokenizerBase, family: str, task: str) -> None:
    config, found = FAMILIES[family], get_task(task)
    config.num_labels = found.num_labels
    torch.manual_seed(0)
    model = AutoModelForSequenceClassification.from_config(config).eval()
    batch = rows(bert, task).collate(np.arange(2))
    labels = batch.pop("labels")
    if family in NO_TYPES:
        del batch["token_type_ids"]
    logits = model(**batch).logits
    assert torch.equal(logits, model(**{name: tensor.long() for name, tensor in batch.items()}).logits)
    loss_sum(logits, labels, found).backward()
    assert model.get_input_embeddings().weight.grad.abs().sum() > 0
