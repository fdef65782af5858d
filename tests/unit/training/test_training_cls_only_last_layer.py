"""The last layer for the first token only: logits and gradients do not change."""

from __future__ import annotations

import gc
import weakref
from pathlib import Path

import pytest
import torch
from transformers import CamembertConfig, PreTrainedModel, XLMRobertaConfig

from encoder_families import FAMILIES, SMALL, batch, encoder_of, masked_lm
from gluetune.config import TrainingConfig
from gluetune.models import build_model
from gluetune.tasks import get_task
from gluetune.training.speedups.cpu_dropout import use_fast_cpu_dropout
from gluetune.training.speedups.padding_free import use_cls_only_last_layer

LIKE_BERT = ("bert", "camembert", "electra", "roberta", "xlm-roberta")


def model(family: str, folder: Path, **training: object) -> PreTrainedModel:
    chosen = TrainingConfig(
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        classifier_dropout=0.0,
        **training,  # type: ignore[arg-type]
    )
    return build_model(encoder_of(masked_lm(family, folder)), get_task("cola"), chosen, seed=1)


def learnt(model: PreTrainedModel) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    """Logits of a batch, and the gradients of their squares."""
    pad = getattr(model.config, "pad_token_id", None) or 0
    logits = model(**batch(pad)).logits
    logits.square().sum().backward()
    return logits.detach(), {name: weight.grad for name, weight in model.named_parameters()}  # type: ignore[misc]


@pytest.fixture(autouse=True)
def more_families(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    monkeypatch.setitem(FAMILIES, "camembert", CamembertConfig(**SMALL, pad_token_id=1, type_vocab_size=1))
    monkeypatch.setitem(FAMILIES, "xlm-roberta", XLMRobertaConfig(**SMALL, pad_token_id=1, type_vocab_size=1))


@pytest.mark.parametrize("fast_dropout", [False, True])
@pytest.mark.parametrize(
    ("family", "training"),
    [
        *((family, {}) for family in LIKE_BERT),
        ("bert", {"head": "linear"}),
        ("roberta", {"head": "mlp"}),
        ("electra", {"head": "nsp"}),
        ("bert", {"head": "mlp", "pooling": "cls"}),
    ],
)
def test_logits_and_gradients_are_the_whole_layers(
    family: str, training: dict[str, object], fast_dropout: bool, tmp_path: Path
) -> None:
    model_ = model(family, tmp_path, **training)
    if fast_dropout:
        use_fast_cpu_dropout(model_)
    logits, gradients = learnt(model_)
    model_.zero_grad()
    assert use_cls_only_last_layer(model_)
    again, others = learnt(model_)
    torch.testing.assert_close(again, logits, atol=1e-6, rtol=1e-5)
    for name, gradient in gradients.items():
        torch.testing.assert_close(
            others[name],
            gradient,
            atol=1e-6,
            rtol=1e-4,
            msg=lambda m, name=name: f"{name}: {m}",  # type: ignore[misc]
        )


def test_the_last_layer_computes_one_token_of_a_row(tmp_path: Path) -> None:
    whole = model("bert", tmp_path)
    use_cls_only_last_layer(whole)
    seen = {}
    for number, layer in enumerate(whole.bert.encoder.layer):  # type: ignore[arg-type]
        layer.output.register_forward_hook(lambda _, __, out, number=number: seen.update({number: out.shape[1]}))
    learnt(whole)
    assert seen == {0: 20, 1: 1}


def test_the_last_layer_drops_out_at_random_too(tmp_path: Path) -> None:
    dropping = build_model(
        encoder_of(masked_lm("bert", tmp_path)),
        get_task("cola"),
        TrainingConfig(hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.5, classifier_dropout=0.0),
        seed=1,
    )
    use_fast_cpu_dropout(dropping)
    assert use_cls_only_last_layer(dropping)
    for layer in dropping.bert.encoder.layer[:-1]:
        layer.eval()
    assert not torch.equal(learnt(dropping)[0], learnt(dropping)[0])
    dropping.eval()
    assert torch.equal(learnt(dropping)[0], learnt(dropping)[0])


@pytest.mark.parametrize(
    ("family", "training"),
    [
        ("bert", {"head": "linear", "pooling": "mean"}),
        ("bert", {"head": "linear", "pooling": "max"}),
        ("albert", {}),
        ("deberta-v2", {}),
        ("modernbert", {}),
        ("distilbert", {}),
    ],
)
def test_other_models_are_not_changed(family: str, training: dict[str, object], tmp_path: Path) -> None:
    model_ = model(family, tmp_path, **training)
    logits, _ = learnt(model_)
    model_.zero_grad()
    assert not use_cls_only_last_layer(model_)
    assert torch.equal(learnt(model_)[0], logits)


def test_weights_keep_their_names(tmp_path: Path) -> None:
    model_ = model("bert", tmp_path)
    names = list(model_.state_dict())
    use_cls_only_last_layer(model_)
    assert list(model_.state_dict()) == names


def test_a_mask_may_be_a_positional_or_a_keyword_argument(tmp_path: Path) -> None:
    model_ = model("bert", tmp_path)
    use_cls_only_last_layer(model_)
    layer, states = model_.bert.encoder.layer[-1], torch.rand(2, 5, model_.config.hidden_size)
    mask = torch.ones(2, 1, 5, 5, dtype=torch.bool)
    mask[..., 3:] = False
    assert torch.equal(layer(states, attention_mask=mask), layer(states, mask))
    assert not torch.allclose(layer(states, mask), layer(states))


def test_an_unreferenced_model_is_freed_without_the_garbage_collector(tmp_path: Path) -> None:
    model_ = model("bert", tmp_path)
    use_cls_only_last_layer(model_)
    last = weakref.ref(model_.bert.encoder.layer[-1])
    gc.disable()
    try:
        del model_
        assert last() is None
    finally:
        gc.enable()
