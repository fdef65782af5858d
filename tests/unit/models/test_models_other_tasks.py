"""Checkpoints of other tasks: the encoder is used, the seed draws the head, the plan says what is left out."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from transformers import (
    AutoModelForMultipleChoice,
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
    BertForQuestionAnswering,
    PreTrainedModel,
)

from encoder_families import FAMILIES, encoder_of, masked_lm
from gluetune.config import TrainingConfig
from gluetune.models import Encoder, build_model, count_unused_weights
from gluetune.tasks import TASKS

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
