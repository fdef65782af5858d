"""Batches of rows of similar length, how workers share them, and the tensors that encoders take."""

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

from gluetune.data import EncodedRows, Examples, encode_rows, length_grouped_batches, shard_batch
from gluetune.tasks import get_task
from gluetune.training.evaluate import loss_sum


def lengths(rows: int) -> np.ndarray:
    return np.random.default_rng(rows).integers(5, 128, rows)


def padding(batches: list[np.ndarray], of: np.ndarray) -> float:
    """Share of a padded epoch that is padding."""
    padded = sum(len(batch) * int(of[batch].max()) for batch in batches)
    return 1 - float(of.sum()) / padded


@pytest.mark.parametrize("shuffle", [True, False])
@pytest.mark.parametrize("rows", [0, 1, 7, 31, 32, 33, 1600, 1601, 4999])
@pytest.mark.parametrize("batch_size", [1, 32])
def test_every_row_exactly_once(rows: int, batch_size: int, shuffle: bool) -> None:
    batches = length_grouped_batches(lengths(rows), batch_size, seed=1, epoch=0, shuffle=shuffle)
    assert sorted(np.concatenate([np.arange(0), *batches]).tolist()) == list(range(rows))
    assert len(batches) == -(-rows // batch_size)
    assert sum(len(batch) != batch_size for batch in batches) == (rows % batch_size > 0)


def test_same_seed_and_epoch_same_plan() -> None:
    first, second = (length_grouped_batches(lengths(999), 16, seed=3, epoch=2) for _ in range(2))
    assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))


@pytest.mark.parametrize(("seed", "epoch"), [(4, 2), (3, 3), (2, 3)])
def test_another_seed_or_epoch_another_plan(seed: int, epoch: int) -> None:
    plan, other = length_grouped_batches(lengths(999), 16, 3, 2), length_grouped_batches(lengths(999), 16, seed, epoch)
    assert {frozenset(batch.tolist()) for batch in plan} != {frozenset(batch.tolist()) for batch in other}


def test_rows_of_like_length_stand_together() -> None:
    of = lengths(8000)
    drawn = np.array_split(np.random.default_rng(0).permutation(len(of)), 250)
    assert padding(drawn, of) > 0.4
    assert padding(length_grouped_batches(of, 32, seed=0, epoch=0), of) < 0.05


def test_short_and_long_batches_are_mixed() -> None:
    of = lengths(8000)
    means = [float(of[batch].mean()) for batch in length_grouped_batches(of, 32, seed=0, epoch=0)]
    ranks = np.argsort(np.argsort(means))
    assert abs(np.corrcoef(ranks, np.arange(len(ranks)))[0, 1]) < 0.2


def test_neighbours_in_length_change_from_epoch_to_epoch() -> None:
    of = np.full(640, 20)
    first, second = (length_grouped_batches(of, 32, seed=0, epoch=epoch) for epoch in (0, 1))
    shared = max(len(set(a.tolist()) & set(b.tolist())) for a in first for b in second)
    assert shared < 16


def test_without_shuffling_short_rows_come_first() -> None:
    of = lengths(100)
    order = np.concatenate(length_grouped_batches(of, 8, seed=5, epoch=1, shuffle=False))
    assert np.all(np.diff(of[order]) >= 0)
    assert np.array_equal(order, np.concatenate(length_grouped_batches(of, 8, seed=6, epoch=9, shuffle=False)))


@pytest.mark.parametrize("rows", [1, 2, 3, 7, 32])
@pytest.mark.parametrize("world_size", [1, 2, 3, 4, 8])
def test_shares_are_the_batch(rows: int, world_size: int) -> None:
    batch = np.arange(100, 100 + rows)
    shares = [shard_batch(batch, rank, world_size) for rank in range(world_size)]
    counted = np.concatenate([share[:count] for share, count in shares])
    assert sorted(counted.tolist()) == batch.tolist()
    assert max(count for _, count in shares) - min(count for _, count in shares) <= 1
    assert all(len(share) == max(count, 1) and set(share) <= set(batch) for share, count in shares)


def test_shares_are_of_like_length() -> None:
    of = lengths(3200)
    for batch in length_grouped_batches(of, 32, seed=0, epoch=0):
        tokens = [int(of[shard_batch(batch, rank, 2)[0]].sum()) for rank in range(2)]
        assert max(tokens) <= 1.1 * min(tokens)


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
