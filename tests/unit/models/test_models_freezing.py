"""Frozen parameters: which ones ``freeze_layers`` selects, and that training does not change them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import PreTrainedModel

from encoder_families import FAMILIES, batch, encoder_of, masked_lm
from gluetune.config import TrainingConfig
from gluetune.models import build_model
from gluetune.tasks import TASKS
from gluetune.training.optimizer import make_optimizer

FIRST_LAYER = {"albert": ".albert_layer_groups.0.", "distilbert": ".layer.0.", "modernbert": ".layers.0."}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return {family: masked_lm(family, tmp_path_factory.mktemp(family)) for family in FAMILIES}


def model_of(folder: Path, **fields: Any) -> PreTrainedModel:
    return build_model(encoder_of(folder), TASKS["rte"], TrainingConfig(**fields), seed=0)


def frozen(model: PreTrainedModel) -> set[str]:
    return {name for name, parameter in model.named_parameters() if not parameter.requires_grad}


@pytest.mark.parametrize("head", ["default", "mlp"])
@pytest.mark.parametrize("family", FAMILIES)
def test_embeddings_and_first_layers_are_frozen(family: str, head: str, folders: dict[str, Path]) -> None:
    names = [name for name, _ in model_of(folders[family], head=head).named_parameters()]
    first = FIRST_LAYER.get(family, ".layer.0.")
    embeddings = {name for name in names if "embedding" in name or ".encoder.LayerNorm." in name}
    assert embeddings
    assert frozen(model_of(folders[family], head=head)) == set()
    assert frozen(model_of(folders[family], head=head, freeze_embeddings=True)) == embeddings
    for embeddings_too in (False, True):
        model = model_of(folders[family], head=head, freeze_layers=1, freeze_embeddings=embeddings_too)
        assert frozen(model) == embeddings | {name for name in names if first in name}


@pytest.mark.parametrize("head", ["default", "nsp"])
@pytest.mark.parametrize("family", FAMILIES)
def test_training_leaves_frozen_weights_as_they_were(family: str, head: str, folders: dict[str, Path]) -> None:
    training = TrainingConfig(head=head, freeze_layers=1, learning_rate=0.1, weight_decay=0.5)  # type: ignore[arg-type]
    model = build_model(encoder_of(folders[family]), TASKS["rte"], training, seed=0)
    before = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
    optimizer = make_optimizer(model, training)
    for _ in range(3):
        model(**batch(FAMILIES[family].pad_token_id), labels=torch.tensor([0, 1, 1, 0])).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    same = {name for name, parameter in model.named_parameters() if torch.equal(before[name], parameter)}
    still = {name for name in same - frozen(model) if before[name].any()}  # what no decay and no gradient moves
    assert frozen(model) <= same
    assert not {name for name in still if "query" not in name and "key" not in name}


def test_all_layers_may_be_frozen(folders: dict[str, Path]) -> None:
    """Only the head and BERT's pooler remain trainable."""
    model = model_of(folders["bert"], freeze_layers=2)
    assert {name for name, p in model.named_parameters() if p.requires_grad} == {
        "bert.pooler.dense.weight",
        "bert.pooler.dense.bias",
        "classifier.weight",
        "classifier.bias",
    }
    linear = model_of(folders["bert"], head="linear", freeze_layers=2)
    assert {name for name, p in linear.named_parameters() if p.requires_grad} == {
        "head.output.weight",
        "head.output.bias",
    }


def test_layers_that_share_their_weights_are_one(folders: dict[str, Path]) -> None:
    from gluetune.errors import ModelError

    model_of(folders["albert"], freeze_layers=1)
    with pytest.raises(ModelError, match=r"freeze_layers=2, layers=1"):
        model_of(folders["albert"], freeze_layers=2)
