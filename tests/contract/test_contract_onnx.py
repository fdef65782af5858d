"""Every family of encoders is exported for ONNX Runtime with its adapter merged, and gives torch's labels."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from transformers import BertTokenizer

from encoder_families import ALL_FAMILIES, encoder_of, masked_lm
from gluetune.config import TrainingConfig
from gluetune.inference import TextSettings, load_classifier
from gluetune.inference.onnx_model import export_onnx
from gluetune.models import build_model, save_pretrained
from gluetune.tasks import get_task

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"abcdefghijklmnopqrstuvwxyz"]
SEGMENTS = ("bert", "electra", "albert")  # families whose embeddings count texts
INPUTS = ["input_ids", "attention_mask"]
TASK = get_task("cola")
TRAINING = TrainingConfig(adapter="lora", lora_rank=2)


@pytest.mark.slow
@pytest.mark.parametrize("family", ALL_FAMILIES)
def test_a_family(family: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    layers = 2 if family == "modernbert" else 1  # only its second layer differs from its first one
    encoder = encoder_of(masked_lm(family, tmp_path / "encoder", layers))
    model = build_model(encoder, TASK, TRAINING, seed=3)
    weights = {name: torch.randn_like(each) for name, each in model.named_parameters() if each.requires_grad}
    assert any("lora_B" in name for name in weights)
    (tmp_path / "vocab.txt").write_text("\n".join(WORDS))
    names = [*INPUTS, *(["token_type_ids"] if family in SEGMENTS else [])]
    tokenizer = BertTokenizer(str(tmp_path / "vocab.txt"), model_input_names=names)
    save_pretrained(encoder, TASK, weights, tokenizer, tmp_path / "model", TRAINING)
    thresholds = {"unacceptable": 0.7, "acceptable": 0.3}
    text = TextSettings(max_seq_length=32, truncation="longest_first").of_task(TASK)
    text.model_copy(update={"thresholds": thresholds}).write(tmp_path / "model")
    classifier = load_classifier(str(tmp_path / "model"), TASK, device="cpu")
    check = export_onnx(classifier, str(tmp_path / "model"), tmp_path / "onnx" / "model.onnx")
    assert check.thresholds == thresholds
    session = onnxruntime.InferenceSession(str(tmp_path / "onnx" / "model.onnx"), providers=["CPUExecutionProvider"])
    assert {each.name for each in session.get_inputs()} == set(names)
    texts = ["a b c", "z", "q u i c k b r o w n f o x"]  # other numbers of rows and tokens than at export
    inputs = dict(classifier.tokenizer(texts, padding=True, return_tensors="np"))
    logits = session.run(["logits"], {name: inputs[name].astype(np.int64) for name in names})[0]
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(shares, classifier.predict_proba(texts), atol=1e-4)
    kept = json.loads((tmp_path / "onnx" / "gluetune.json").read_text())["thresholds"]
    labels = [("unacceptable", "acceptable")[int(share > kept["acceptable"])] for share in shares[:, 1]]
    assert labels == classifier.predict(texts)
