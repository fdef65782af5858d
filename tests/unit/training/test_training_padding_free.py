"""Layers that compute no padding: logits and gradients do not change."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import PreTrainedModel

from encoder_families import FAMILIES, encoder_of, masked_lm
from gluetune.config import TrainingConfig
from gluetune.data import EncodedRows
from gluetune.models import build_model
from gluetune.tasks import get_task
from gluetune.training import DistributedContext
from gluetune.training.evaluate import predict_logits
from gluetune.training.speedups import padding_free
from gluetune.training.speedups.cpu_dropout import use_fast_cpu_dropout
from gluetune.training.speedups.padding_free import model_inputs, use_cls_only_last_layer, use_padding_free

LENGTHS = np.array([20, 12, 7, 7, 3])
LIKE_BERT = ("bert", "electra", "roberta")


@pytest.fixture(autouse=True)
def no_model_is_too_narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(padding_free, "MIN_HIDDEN_SIZE", 0)


def rows(family: str, lengths: np.ndarray = LENGTHS) -> EncodedRows:
    """Random rows of these lengths."""
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    ids = np.random.default_rng(0).integers(3, 50, offsets[-1]).astype(np.int32)
    pad = getattr(FAMILIES[family], "pad_token_id", None) or 0
    return EncodedRows(
        ids,
        offsets,
        (lengths // 2).astype(np.int32),
        np.zeros(len(lengths), np.int64),
        pad,
        family in ("bert", "electra"),
    )


def model(family: str, folder: Path, dropout: float = 0.0, **training: Any) -> PreTrainedModel:
    """A small classification model as a trial starts from it."""
    torch.manual_seed(0)
    chosen = TrainingConfig(
        hidden_dropout_prob=0.0, attention_probs_dropout_prob=dropout, classifier_dropout=0.0, **training
    )
    built = build_model(encoder_of(masked_lm(family, folder)), get_task("cola"), chosen, seed=1)
    use_fast_cpu_dropout(built)
    return built


def learnt(model: PreTrainedModel, encoded: EncodedRows) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    """Logits of all rows, and the gradients of their squares."""
    model.zero_grad()
    inputs = model_inputs(model, encoded, np.arange(len(encoded)), DistributedContext())
    del inputs["labels"]
    logits = model(**inputs).logits
    logits.square().sum().backward()
    return logits.detach(), {name: weight.grad for name, weight in model.named_parameters()}  # type: ignore[misc]


def assert_same(
    found: tuple[torch.Tensor, dict[str, torch.Tensor]], expected: tuple[torch.Tensor, dict[str, torch.Tensor]]
) -> None:
    torch.testing.assert_close(found[0], expected[0], atol=1e-6, rtol=1e-5)
    for name, gradient in expected[1].items():
        torch.testing.assert_close(
            found[1][name],
            gradient,
            atol=1e-6,
            rtol=1e-4,
            msg=lambda m, name=name: f"{name}: {m}",  # type: ignore[misc]
        )


@pytest.mark.parametrize("last_whole", [False, True])
@pytest.mark.parametrize(
    ("family", "training"),
    [
        *((family, {}) for family in LIKE_BERT),
        ("bert", {"head": "linear"}),
        ("electra", {"head": "nsp"}),
        ("bert", {"head": "linear", "pooling": "mean"}),
        ("roberta", {"head": "mlp", "pooling": "max"}),
    ],
)
def test_logits_and_gradients_are_those_of_the_padded_batch(
    family: str, training: dict[str, Any], last_whole: bool, tmp_path: Path
) -> None:
    model_ = model(family, tmp_path, **training)
    expected = learnt(model_, rows(family))
    assert use_padding_free(model_)
    if not last_whole:
        use_cls_only_last_layer(model_)
    assert_same(learnt(model_, rows(family)), expected)


def test_layers_compute_tokens_only(tmp_path: Path) -> None:
    model_ = model("bert", tmp_path)
    use_padding_free(model_)
    use_cls_only_last_layer(model_)
    seen = []
    for layer in model_.bert.encoder.layer:
        layer.output.register_forward_hook(lambda _, __, out: seen.append(tuple(out.shape[:2])))
    learnt(model_, rows("bert"))
    assert seen == [(1, LENGTHS.sum()), (len(LENGTHS), 1)]


def test_rows_of_one_length_are_not_packed(tmp_path: Path) -> None:
    model_ = model("bert", tmp_path)
    use_padding_free(model_)
    inputs = model_inputs(model_, rows("bert", np.array([7, 7])), np.arange(2), DistributedContext())
    assert "packed_layout" not in inputs


def test_dropout_is_at_random_and_only_in_training(tmp_path: Path) -> None:
    model_ = model("bert", tmp_path, dropout=0.5)
    use_padding_free(model_)
    assert not torch.equal(learnt(model_, rows("bert"))[0], learnt(model_, rows("bert"))[0])
    model_.eval()
    assert torch.equal(learnt(model_, rows("bert"))[0], learnt(model_, rows("bert"))[0])


def test_predictions_are_the_same(tmp_path: Path) -> None:
    model_ = model("roberta", tmp_path)
    expected = predict_logits(model_, rows("roberta"), batch_size=3)
    use_padding_free(model_)
    use_cls_only_last_layer(model_)
    np.testing.assert_allclose(predict_logits(model_, rows("roberta"), batch_size=3), expected, atol=1e-6)


@pytest.mark.parametrize("family", ["albert", "deberta-v2", "modernbert", "distilbert"])
def test_other_families_are_not_changed(family: str, tmp_path: Path) -> None:
    model_ = model(family, tmp_path)
    assert not use_padding_free(model_)
    assert "packed_layout" not in model_inputs(model_, rows(family), np.arange(len(LENGTHS)), DistributedContext())


def test_narrow_models_are_not_changed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(padding_free, "MIN_HIDDEN_SIZE", FAMILIES["bert"].hidden_size + 1)
    assert not use_padding_free(model("bert", tmp_path))


def test_weights_keep_their_names(tmp_path: Path) -> None:
    model_ = model("bert", tmp_path)
    names = list(model_.state_dict())
    use_padding_free(model_)
    assert list(model_.state_dict()) == names
