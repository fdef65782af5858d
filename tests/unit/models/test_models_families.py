"""Every family of encoders and checkpoints of other tasks, loaded from a folder and compared with transformers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import (
    AutoModelForMaskedLM,
    AutoModelForMultipleChoice,
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
    BertConfig,
    BertForQuestionAnswering,
    PreTrainedModel,
)

from encoder_families import FAMILIES, SMALL, batch, encoder_of, masked_lm
from gluetune.config import TrainingConfig
from gluetune.errors import ModelError
from gluetune.models import Encoder, build_model, count_unused_weights
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
    """DDP requires a gradient for every parameter."""
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


TOKENS, CHOICES, CLASSES = (
    AutoModelForTokenClassification,
    AutoModelForMultipleChoice,
    AutoModelForSequenceClassification,
)
CASES = [
    ("bert", TOKENS, 2, "rte"),
    ("bert", TOKENS, 9, "rte"),
    ("bert", CHOICES, 2, "rte"),
    ("bert", CHOICES, 2, "stsb"),
    ("bert", CLASSES, 3, "mnli"),
    ("bert", CLASSES, 3, "rte"),
    ("distilbert", TOKENS, 2, "rte"),
    ("distilbert", CLASSES, 2, "rte"),
    ("electra", TOKENS, 9, "rte"),
    ("roberta", CLASSES, 2, "rte"),
    ("modernbert", TOKENS, 2, "rte"),
    ("deberta-v2", TOKENS, 2, "rte"),
]


def saved(folder: Path, model: PreTrainedModel, *, architectures: bool = True) -> Encoder:
    """The encoder of a checkpoint, loaded; ``architectures``: whether its config.json says what it was trained for."""
    model.save_pretrained(folder)
    if not architectures:
        settings = json.loads((folder / "config.json").read_text())
        del settings["architectures"]
        (folder / "config.json").write_text(json.dumps(settings))
    return encoder_of(folder)


def head(encoder: Encoder, task: str, seed: int) -> dict[str, torch.Tensor]:
    model = build_model(encoder, TASKS[task], TrainingConfig(), seed)
    return {key: tensor for key, tensor in model.state_dict().items() if key not in encoder.weights}


@pytest.mark.parametrize("architectures", [True, False])
@pytest.mark.parametrize(("family", "kind", "classes", "task"), CASES)
def test_the_seed_draws_the_head_and_nothing_but_the_encoder_is_taken_over(
    family: str, kind: type, classes: int, task: str, architectures: bool, tmp_path: Path
) -> None:
    settings = type(FAMILIES[family])(**{**FAMILIES[family].to_dict(), "num_labels": classes})
    trained = kind.from_config(settings)
    encoder = saved(tmp_path, trained, architectures=architectures)
    prefix = trained.base_model_prefix + "."
    assert encoder.weights
    assert all(key.startswith(prefix) for key in encoder.weights)
    assert set(encoder.unused_weights) == {key for key in trained.state_dict() if not key.startswith(prefix)}
    one, other = head(encoder, task, 1), head(encoder, task, 2)
    assert any(key.startswith("classifier") and key.endswith("weight") for key in one)
    assert all(not torch.equal(one[key], other[key]) for key in one if key.endswith("weight") and one[key].dim() == 2)


def test_a_head_of_another_name_is_left_out_too(tmp_path: Path) -> None:
    encoder = saved(tmp_path, BertForQuestionAnswering(FAMILIES["bert"]))
    assert count_unused_weights(encoder) == {"qa_outputs": 2}


def test_what_pre_training_shares_with_the_classifier_is_kept_whatever_the_config_says(tmp_path: Path) -> None:
    masked_lm("modernbert", tmp_path)
    settings = json.loads((tmp_path / "config.json").read_text())
    del settings["architectures"]
    (tmp_path / "config.json").write_text(json.dumps(settings))
    assert {"head.dense.weight", "head.norm.weight"} <= encoder_of(tmp_path).weights.keys()
    assert count_unused_weights(encoder_of(tmp_path)).keys() == {"decoder"}


def test_layers_that_the_settings_have_no_place_for_are_named(tmp_path: Path) -> None:
    masked_lm("bert", tmp_path)
    settings = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(settings | {"num_hidden_layers": 1}))
    assert count_unused_weights(encoder_of(tmp_path)).keys() == {"cls", "bert.encoder.layer.1"}
