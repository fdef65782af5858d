"""Every family of encoders: from a folder to arrays to a model, compared with ``from_pretrained``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoModelForMaskedLM, AutoModelForSequenceClassification, BertConfig

from encoder_families import FAMILIES, SMALL, batch, encoder_of, masked_lm
from gluetune.config import TrainingConfig
from gluetune.errors import ModelError
from gluetune.models import Encoder, build_model
from gluetune.tasks import TASKS

DROPOUTS: dict[str, Any] = {
    "hidden_dropout_prob": 0.21,
    "attention_probs_dropout_prob": 0.22,
    "classifier_dropout": 0.23,
}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return {family: masked_lm(family, tmp_path_factory.mktemp(family)) for family in FAMILIES}


@pytest.mark.parametrize("name", ["mnli", "stsb"])
@pytest.mark.parametrize("family", FAMILIES)
def test_logits_equal_from_pretrained_with_the_same_head(family: str, name: str, folders: dict[str, Path]) -> None:
    task = TASKS[name]
    built = build_model(encoder_of(folders[family]), task, TrainingConfig(), seed=5).eval()
    reference = AutoModelForSequenceClassification.from_pretrained(folders[family], num_labels=task.num_labels).eval()
    encoder = reference.base_model_prefix + "."
    head = {key: tensor for key, tensor in built.state_dict().items() if not key.startswith(encoder) or "pooler" in key}
    reference.load_state_dict(head, strict=False)
    inputs = batch(built.config.pad_token_id)
    assert torch.equal(built(**inputs).logits, reference(**inputs).logits)
    assert built.config.problem_type == ("regression" if name == "stsb" else "single_label_classification")


@pytest.mark.parametrize("family", FAMILIES)
def test_the_head_depends_on_the_seed_alone(family: str, folders: dict[str, Path]) -> None:
    encoder, task = encoder_of(folders[family]), TASKS["mnli"]
    torch.manual_seed(1)
    first = build_model(encoder, task, TrainingConfig(), seed=5).state_dict()
    before = torch.get_rng_state()
    second = build_model(encoder, task, TrainingConfig(), seed=5).state_dict()
    other = build_model(encoder, task, TrainingConfig(), seed=6).state_dict()
    assert torch.equal(torch.get_rng_state(), before)
    assert [key for key in first if not torch.equal(first[key], second[key])] == []
    changed = [key for key in first if not torch.equal(first[key], other[key])]
    assert changed
    assert not set(changed) & encoder.weights.keys()


@pytest.mark.parametrize("family", FAMILIES)
def test_training_a_model_leaves_the_encoder_alone(family: str, folders: dict[str, Path]) -> None:
    encoder = encoder_of(folders[family])
    before = {name: array.copy() for name, array in encoder.weights.items()}
    for array in encoder.weights.values():
        array.flags.writeable = False  # as arrays in Ray's object store are
    with torch.no_grad():
        for parameter in build_model(encoder, TASKS["rte"], TrainingConfig(), seed=0).parameters():
            parameter.fill_(9.0)
    assert all(np.array_equal(before[name], array) for name, array in encoder.weights.items())


@pytest.mark.parametrize("family", FAMILIES)
def test_every_weight_is_trained(family: str, folders: dict[str, Path]) -> None:
    """Workers that train together wait for the gradient of every weight."""
    model = build_model(encoder_of(folders[family]), TASKS["rte"], TrainingConfig(), seed=0)
    ids = torch.arange(3, 23).reshape(2, 10)
    model(input_ids=ids, attention_mask=torch.ones_like(ids)).logits.sum().backward()
    assert [name for name, parameter in model.named_parameters() if parameter.grad is None] == []


@pytest.mark.parametrize("family", FAMILIES)
def test_every_dropout_can_be_set(family: str, folders: dict[str, Path]) -> None:
    model = build_model(encoder_of(folders[family]), TASKS["rte"], TrainingConfig(**DROPOUTS), seed=0)
    rates = {module.p for module in model.modules() if isinstance(module, torch.nn.Dropout)}
    rates |= {
        getattr(module, name)
        for module in model.modules()
        for name in ("attention_dropout", "dropout_prob")
        if isinstance(getattr(module, name, None), float)
    }
    expected = set(DROPOUTS.values())
    assert expected <= rates, f"set {expected}, but the model has {rates}"


def test_a_dropout_that_the_family_lacks_is_refused() -> None:
    from transformers import MPNetConfig

    encoder = Encoder("mpnet", MPNetConfig(**SMALL).to_dict(), {})
    with pytest.raises(ModelError, match=r"training.classifier_dropout must be left unset .*model_type='mpnet'"):
        build_model(encoder, TASKS["rte"], TrainingConfig(classifier_dropout=0.1), seed=0)


def test_the_pooler_is_loaded_where_the_checkpoint_has_one(tmp_path: Path, folders: dict[str, Path]) -> None:
    from transformers import BertForPreTraining

    BertForPreTraining(FAMILIES["bert"]).save_pretrained(tmp_path)
    assert "bert.pooler.dense.weight" in encoder_of(tmp_path).weights
    assert "bert.pooler.dense.weight" not in encoder_of(folders["bert"]).weights  # masked LMs have none


def test_modernberts_prediction_head_is_kept_and_a_classifiers_is_not(tmp_path: Path, folders: dict[str, Path]) -> None:
    masked = encoder_of(folders["modernbert"])
    AutoModelForSequenceClassification.from_config(FAMILIES["modernbert"]).save_pretrained(tmp_path)
    assert "head.dense.weight" in masked.weights
    assert {name.split(".")[0] for name in encoder_of(tmp_path).weights} == {"model"}


def test_half_precision_checkpoints_become_fp32(tmp_path: Path) -> None:
    AutoModelForMaskedLM.from_config(BertConfig(**SMALL), dtype=torch.bfloat16).save_pretrained(tmp_path)
    assert {array.dtype for array in encoder_of(tmp_path).weights.values()} == {np.dtype("float32")}
