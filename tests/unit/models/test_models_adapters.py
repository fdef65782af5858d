"""Adapters: which layers get one, what is trained beside them, and the two forms in which they are saved."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import peft
import pytest
import torch
from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForSequenceClassification,
    BertTokenizer,
    PreTrainedModel,
)

from encoder_families import batch, encoder_of, masked_lm
from gluetune.config import TrainingConfig
from gluetune.errors import ModelError
from gluetune.models import Encoder, auto_target_modules, build_model, check_training_config, save_pretrained
from gluetune.tasks import TASKS

RTE = TASKS["rte"]
WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"abcdefghijklmnopqrstuvwxyz"]
HEAD = {"bert.pooler.dense.weight", "bert.pooler.dense.bias", "classifier.weight", "classifier.bias"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    return masked_lm("bert", tmp_path_factory.mktemp("bert"))


@pytest.fixture(scope="module")
def encoder(folder: Path) -> Encoder:
    return encoder_of(folder)


def lora(**fields: Any) -> TrainingConfig:
    return TrainingConfig(**{"adapter": "lora", "lora_rank": 2, **fields})


def trained(model: PreTrainedModel) -> dict[str, torch.Tensor]:
    """The weights that training changes, changed at random."""
    generator = torch.Generator().manual_seed(1)
    return {
        name: parameter.detach().add_(torch.randn(parameter.shape, generator=generator) / 10)
        for name, parameter in model.named_parameters()
        if parameter.requires_grad
    }


def adapted_layers(model: PreTrainedModel) -> set[str]:
    return {name.split(".lora_A")[0] for name, _ in model.named_parameters() if ".lora_A" in name}


def test_the_whole_head_is_trained_beside_the_adapter(encoder: Encoder) -> None:
    model = build_model(encoder, RTE, lora(), seed=0)
    names = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
    assert {name for name in names if ".lora_" not in name} == HEAD
    assert len(names - HEAD) == 2 * 2 * 2  # two matrices beside two projections of two layers
    other = build_model(encoder, RTE, lora(head="mlp"), seed=0)
    assert {name for name, p in other.named_parameters() if p.requires_grad and ".lora_" not in name} == {
        f"head.{part}.{kind}" for part in ("dense", "output") for kind in ("weight", "bias")
    }


def test_an_untrained_adapter_changes_nothing_but_what_is_trained(encoder: Encoder) -> None:
    plain, adapted = (build_model(encoder, RTE, training, seed=5).eval() for training in (TrainingConfig(), lora()))
    assert torch.equal(plain(**batch(0)).logits, adapted(**batch(0)).logits)


def test_the_adapter_follows_from_the_seed_alone(encoder: Encoder) -> None:
    first = build_model(encoder, RTE, lora(), seed=5).state_dict()
    torch.rand(3)
    before = torch.get_rng_state()
    again, other = (build_model(encoder, RTE, lora(), seed=seed).state_dict() for seed in (5, 6))
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(first[name], again[name]) for name in first)
    key = "bert.encoder.layer.0.attention.self.query.lora_A.default.weight"
    assert not torch.equal(first[key], other[key])


@pytest.mark.parametrize(
    ("modules", "layers"),
    [
        ("value", {"attention.self.value"}),
        (["dense", "query"], {"attention.self.query", "attention.output.dense", "intermediate.dense", "output.dense"}),
        (
            "all-linear",
            {f"attention.self.{kind}" for kind in ("query", "key", "value")}
            | {"attention.output.dense", "intermediate.dense", "output.dense"},
        ),
    ],
)
def test_target_modules_name_layers(modules: Any, layers: set[str], encoder: Encoder) -> None:
    model = build_model(encoder, RTE, lora(lora_target_modules=modules), seed=0)
    assert adapted_layers(model) == {f"bert.encoder.layer.{number}.{name}" for number in range(2) for name in layers}


def test_frozen_layers_have_no_adapter_and_no_trained_biases(encoder: Encoder) -> None:
    model = build_model(encoder, RTE, lora(freeze_layers=1, lora_bias="all"), seed=0)
    names = {name for name, parameter in model.named_parameters() if parameter.requires_grad} - HEAD
    assert names
    assert all(".layer.1." in name for name in names)
    assert adapted_layers(model) == {f"bert.encoder.layer.1.attention.self.{kind}" for kind in ("query", "value")}
    embeddings = "bert.embeddings.LayerNorm.bias"
    for frozen in (False, True):
        model = build_model(encoder, RTE, lora(lora_bias="all", freeze_embeddings=frozen), seed=0)
        assert dict(model.named_parameters())[embeddings].requires_grad == (not frozen)


@pytest.mark.parametrize(
    ("fields", "shown"),
    [
        ({"lora_target_modules": "qery,value"}, ["'qery'", "nearest: 'query'", "query, key, value, dense"]),
        ({"lora_target_modules": "classifier"}, ["'classifier'", "query, key, value, dense"]),
        ({"freeze_layers": 2}, ["freeze_layers=2"]),
    ],
)
def test_an_adapter_without_layers_is_a_mistake(fields: dict[str, Any], shown: list[str], encoder: Encoder) -> None:
    with pytest.raises(ModelError) as caught:
        check_training_config(encoder, lora(**fields))
    assert [text for text in shown if text not in str(caught.value)] == []


def test_a_missing_package_is_named(encoder: Encoder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "peft", None)  # as on a machine of a cluster that lacks it
    with pytest.raises(ModelError, match=r"pip install 'gluetune\[lora\]'"):
        build_model(encoder, RTE, lora(), seed=0)


def test_auto_is_known_by_its_layers(encoder: Encoder, tmp_path: Path) -> None:
    assert auto_target_modules(encoder) == "query,value"
    assert auto_target_modules(encoder_of(masked_lm("modernbert", tmp_path))) == "Wqkv"


@pytest.mark.parametrize("fields", [{}, {"lora_bias": "all"}, {"lora_bias": "lora_only", "freeze_layers": 1}], ids=str)
def test_peft_loads_the_adapter_on_the_encoder(
    fields: dict[str, Any], encoder: Encoder, folder: Path, tmp_path: Path
) -> None:
    training = lora(**fields)
    model = build_model(encoder, RTE, training, seed=5).eval()
    weights = trained(model)
    save(encoder, weights, tmp_path, training)
    base = AutoModelForSequenceClassification.from_pretrained(folder, num_labels=2)
    adapted = peft.PeftModel.from_pretrained(base, tmp_path / "saved" / "adapter").eval()
    expected = model(**batch(0)).logits
    torch.testing.assert_close(adapted(**batch(0)).logits, expected, atol=1e-6, rtol=0)
    plain = AutoModelForSequenceClassification.from_pretrained(tmp_path / "saved").eval()
    torch.testing.assert_close(plain(**batch(0)).logits, expected, atol=1e-6, rtol=0)
    settings = json.loads((tmp_path / "saved" / "adapter" / "adapter_config.json").read_text())
    assert settings["base_model_name_or_path"] == str(folder)
    sizes = [path.stat().st_size for path in ((tmp_path / "saved").glob("**/*.safetensors"))]
    assert min(sizes) < max(sizes)


def test_an_adapter_with_a_head_of_gluetune_is_loaded(encoder: Encoder, folder: Path, tmp_path: Path) -> None:
    """The steps that the documentation shows."""
    training = lora(head="mlp", pooling="mean")
    model = build_model(encoder, RTE, training, seed=5).eval()
    save(encoder, trained(model), tmp_path, training)
    base: Any = AutoModelForSequenceClassification.from_config(AutoConfig.from_pretrained(tmp_path / "saved"))
    base.encoder = AutoModel.from_pretrained(folder)
    adapted = peft.PeftModel.from_pretrained(base, tmp_path / "saved" / "adapter").eval()
    torch.testing.assert_close(adapted(**batch(0)).logits, model(**batch(0)).logits, atol=1e-6, rtol=0)


def test_all_layers_are_adapted_where_projections_have_unknown_names(encoder: Encoder) -> None:
    weights = {name.replace("self.query", "self.first"): array for name, array in encoder.weights.items()}
    found = auto_target_modules(Encoder("renamed", encoder.config, weights))
    assert set(found.split(",")) == {"dense", "first", "key", "value"}


def save(encoder: Encoder, weights: dict[str, torch.Tensor], folder: Path, training: TrainingConfig) -> None:
    (folder / "vocab.txt").write_text("\n".join(WORDS))
    save_pretrained(encoder, RTE, weights, BertTokenizer(str(folder / "vocab.txt")), folder / "saved", training)
