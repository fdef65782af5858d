"""Saved models load again, with gluetune and without, to the same logits."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import BertTokenizer, PreTrainedModel

from encoder_families import FAMILIES, batch, encoder_of, masked_lm
from gluetune.config import ModelConfig, TrainingConfig
from gluetune.errors import ModelError
from gluetune.models import build_model, load_encoder, load_tokenizer, load_trained, save_ensemble, save_pretrained
from gluetune.tasks import TASKS

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"abcdefghijklmnopqrstuvwxyz"]
TRAININGS = {
    "default": TrainingConfig(),
    "nsp": TrainingConfig(head="nsp"),
    "linear": TrainingConfig(head="linear", pooling="max", classifier_dropout=0.25),
    "mlp": TrainingConfig(head="mlp", head_hidden_size=6, pooling="mean"),
}
WITHOUT_GLUETUNE = """
import sys
sys.modules["gluetune"] = None
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer
for folder in sys.argv[1:]:
    custom = not folder.endswith(("default", "nsp"))
    model = AutoModelForSequenceClassification.from_pretrained(folder, trust_remote_code=custom)
    assert not model.training
    inputs = AutoTokenizer.from_pretrained(folder, trust_remote_code=custom)("a b", "c", return_tensors="pt")
    assert model(**inputs).logits.shape == (1, 3)
    inputs, expected = torch.load(folder + "/expected.pt")
    assert torch.equal(model(**inputs).logits, expected), folder
    assert model.config.id2label == {0: "entailment", 1: "neutral", 2: "contradiction"}, model.config.id2label
    print(type(model).__name__)
"""


def saved(folder: Path, training: TrainingConfig, family: str = "bert") -> PreTrainedModel:
    """A model of random weights, saved with a tokenizer."""
    encoder, task = encoder_of(masked_lm(family, folder / "encoder")), TASKS["mnli"]
    model = build_model(encoder, task, training, seed=5).eval()
    (folder / "vocab.txt").write_text("\n".join(WORDS))
    save_pretrained(
        encoder, task, model.state_dict(), BertTokenizer(str(folder / "vocab.txt")), folder / "saved", training
    )
    return model


def save_several(folder: Path, training: TrainingConfig, to: Path) -> None:
    """Save an ensemble of two models of random weights, with the encoder and the vocabulary that `saved` made."""
    encoder, task = encoder_of(masked_lm("bert", folder / "encoder")), TASKS["mnli"]
    members = [build_model(encoder, task, training, seed).state_dict() for seed in (5, 6)]
    save_ensemble(encoder, task, members, BertTokenizer(str(folder / "vocab.txt")), to, training)


@pytest.mark.parametrize("head", TRAININGS)
def test_a_trained_model_is_loaded(head: str, tmp_path: Path) -> None:
    model = saved(tmp_path, TRAININGS[head])
    again, tokenizer = load_trained(tmp_path / "saved")
    assert not again.training
    assert torch.equal(again(**batch(0)).logits, model(**batch(0)).logits)
    assert again.config.id2label == {0: "entailment", 1: "neutral", 2: "contradiction"}
    assert again.config.problem_type == "single_label_classification"
    assert tokenizer.tokenize("a b") == ["a", "b"]
    assert tokenizer.model_max_length == 40
    rates = [sorted(m.p for m in made.modules() if isinstance(m, torch.nn.Dropout)) for made in (model, again)]
    assert rates[0] == rates[1]


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_is_loaded(family: str, tmp_path: Path) -> None:
    model = saved(tmp_path, TRAININGS["mlp"], family)
    again, _ = load_trained(tmp_path / "saved")
    inputs = batch(FAMILIES[family].pad_token_id)
    assert torch.equal(again(**inputs).logits, model(**inputs).logits)


def test_transformers_loads_them_without_gluetune(tmp_path: Path) -> None:
    for head, training in TRAININGS.items():
        model = saved(tmp_path / head, training)
        (tmp_path / head / "saved").rename(tmp_path / f"saved-{head}")
        torch.save((batch(0), model(**batch(0)).logits.detach()), tmp_path / f"saved-{head}" / "expected.pt")
    for head in ("nsp", "mlp"):
        folder = tmp_path / f"saved-ensemble-of-{head}-heads"
        save_several(tmp_path / head, TRAININGS[head], folder)
        torch.save((batch(0), load_trained(folder)[0](**batch(0)).logits.detach()), folder / "expected.pt")
    folders = [
        str(tmp_path / f"saved-{head}") for head in (*TRAININGS, "ensemble-of-nsp-heads", "ensemble-of-mlp-heads")
    ]
    done = subprocess.run(
        [sys.executable, "-I", "-c", WITHOUT_GLUETUNE, *folders],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"HF_MODULES_CACHE": str(tmp_path / "modules")},
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["BertForSequenceClassification"] * 2 + ["EncoderWithHead"] * 2 + ["Ensemble"] * 2


def test_the_familys_own_models_need_no_code(tmp_path: Path) -> None:
    for head in ("default", "nsp"):
        saved(tmp_path / head, TRAININGS[head])
        assert list((tmp_path / head / "saved").glob("*.py")) == []
        assert "auto_map" not in json.loads((tmp_path / head / "saved" / "config.json").read_text())


@pytest.mark.parametrize("head", ["default", "mlp"])
def test_code_in_a_folder_is_never_run(head: str, tmp_path: Path) -> None:
    model = saved(tmp_path, TRAININGS[head])
    settings = json.loads((tmp_path / "saved" / "config.json").read_text())
    settings["auto_map"] = {"AutoConfig": "heads.Config", "AutoModelForSequenceClassification": "heads.Model"}
    (tmp_path / "saved" / "config.json").write_text(json.dumps(settings))
    (tmp_path / "saved" / "heads.py").write_text("raise SystemExit('this code ran')")
    again, _ = load_trained(tmp_path / "saved")
    assert torch.equal(again(**batch(0)).logits, model(**batch(0)).logits)


def test_training_may_go_on_from_a_saved_model(tmp_path: Path) -> None:
    """The encoder of a saved model gets a new head, like that of any checkpoint."""
    model = saved(tmp_path, TRAININGS["mlp"])
    config = ModelConfig(name_or_path=str(tmp_path / "saved"))
    encoder = load_encoder(config)
    assert encoder.config["model_type"] == "bert"
    assert np.array_equal(
        encoder.weights["bert.encoder.layer.1.output.dense.weight"],
        model.encoder.encoder.layer[1].output.dense.weight.detach().numpy(),
    )
    assert {name.split(".")[0] for name in encoder.weights} == {"bert"}
    assert load_tokenizer(config).model_max_length == 40
    build_model(encoder, TASKS["rte"], TrainingConfig(), seed=1)


def test_missing_weights_are_named(tmp_path: Path) -> None:
    saved(tmp_path, TRAININGS["mlp"])
    file = tmp_path / "saved" / "model.safetensors"
    weights = load_file(file)
    del weights["head.dense.bias"]
    save_file(weights, file, metadata={"format": "pt"})
    with pytest.raises(ModelError, match=r"all weights of its EncoderWithHead, but 1 are missing, such as 'head.dense"):
        load_trained(tmp_path / "saved")


def test_an_encoder_alone_is_no_trained_model(tmp_path: Path) -> None:
    saved(tmp_path, TRAININGS["default"])
    with pytest.raises(ModelError, match=r"all weights of its BertForSequenceClassification"):
        load_trained(tmp_path / "encoder")


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"must be a folder that exists, but got '.*gone'"):
        load_trained(tmp_path / "gone")
