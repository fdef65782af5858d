"""Parameter groups and the learning rate's course."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn.utils import clip_grad_norm_
from transformers import (
    AlbertConfig,
    AutoModelForSequenceClassification,
    BertConfig,
    BertForPreTraining,
    DebertaV2Config,
    DistilBertConfig,
    ElectraConfig,
    ModernBertConfig,
    PretrainedConfig,
    PreTrainedModel,
    RobertaConfig,
    Trainer,
    TrainingArguments,
)

from gluetune.config import TrainingConfig
from gluetune.models.heads import EncoderWithHead, EncoderWithHeadConfig
from gluetune.training.optimizer import (
    can_clip_in_step,
    clip_in_step,
    decayed_names,
    layer_scales,
    make_optimizer,
    make_scheduler,
)

SMALL: dict[str, Any] = {
    "vocab_size": 50,
    "hidden_size": 16,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "max_position_embeddings": 40,
    "pad_token_id": 0,
}
DEBERTA: dict[str, Any] = {
    "relative_attention": True,
    "position_biased_input": False,
    "pos_att_type": ["p2c", "c2p"],
    "norm_rel_ebd": "layer_norm",
    "position_buckets": 8,
}


def model_of(config: PretrainedConfig) -> PreTrainedModel:
    return AutoModelForSequenceClassification.from_config(config)


@pytest.mark.parametrize(
    "config",
    [
        BertConfig(**SMALL),
        RobertaConfig(**SMALL),
        DebertaV2Config(**SMALL, **DEBERTA),
        AlbertConfig(**SMALL),
        ElectraConfig(**SMALL, embedding_size=8),
        ModernBertConfig(**SMALL, bos_token_id=1, eos_token_id=2, cls_token_id=1, sep_token_id=2),
        DistilBertConfig(vocab_size=50, dim=16, n_layers=2, n_heads=2, hidden_dim=32),
    ],
    ids=lambda config: config.model_type,
)
def test_the_same_weights_decay_as_in_trainer(config: PretrainedConfig, tmp_path: Path) -> None:
    model = model_of(config)
    trainer = Trainer(model, TrainingArguments(output_dir=str(tmp_path), use_cpu=True, report_to=[]))
    assert decayed_names(model) == set(trainer.get_decay_parameter_names(model))
    assert decayed_names(model) & {"classifier.weight", "classifier.out_proj.weight"}


def test_bert_is_pre_trained_without_decay_of_vectors() -> None:
    """Biases and LayerNorms are the vectors among its weights (Devlin et al. 2019, reference code)."""
    model = BertForPreTraining(BertConfig(**SMALL))
    decays, rest = make_optimizer(model, TrainingConfig(weight_decay=0.2)).param_groups
    assert (decays["weight_decay"], rest["weight_decay"]) == (0.2, 0.0)
    assert {weight.ndim for weight in decays["params"]} == {2}
    assert {weight.ndim for weight in rest["params"]} == {1}


def test_every_parameter_is_in_one_group() -> None:
    model = model_of(BertConfig(**SMALL))
    for decay in (1.0, 0.8):
        optimizer = make_optimizer(model, TrainingConfig(), layer_scales(model, decay))
        grouped = [id(p) for group in optimizer.param_groups for p in group["params"]]
        assert sorted(grouped) == sorted(id(p) for p in model.parameters())


def test_groups_hold_the_configured_rates() -> None:
    training = TrainingConfig(learning_rate=1e-3, weight_decay=0.2, adam_beta1=0.8, adam_beta2=0.95, adam_epsilon=1e-6)
    optimizer = make_optimizer(model_of(BertConfig(**SMALL)), training)
    assert {(g["lr"], g["weight_decay"], g["betas"], g["eps"]) for g in optimizer.param_groups} == {
        (1e-3, 0.2, (0.8, 0.95), 1e-6),
        (1e-3, 0.0, (0.8, 0.95), 1e-6),
    }


def test_layerwise_decay_is_electras() -> None:
    """ELECTRA with 3 layers: embeddings at depth 0, layers at 1 to 3, the head at 5."""
    scales = layer_scales(model_of(ElectraConfig(**SMALL, embedding_size=8)), 0.8)
    assert scales["electra.embeddings.word_embeddings.weight"] == pytest.approx(0.8**5)
    assert scales["electra.embeddings_project.weight"] == pytest.approx(0.8**5)
    assert scales["electra.encoder.layer.0.output.dense.weight"] == pytest.approx(0.8**4)
    assert scales["electra.encoder.layer.2.attention.output.LayerNorm.bias"] == pytest.approx(0.8**2)
    assert scales["classifier.dense.weight"] == scales["classifier.out_proj.bias"] == 1.0


@pytest.mark.parametrize(
    ("config", "name", "depth"),
    [
        (BertConfig(**SMALL), "bert.pooler.dense.weight", 4),
        (DebertaV2Config(**SMALL, **DEBERTA), "deberta.encoder.rel_embeddings.weight", 0),
        (DebertaV2Config(**SMALL, **DEBERTA), "pooler.dense.weight", 5),
        (ModernBertConfig(**SMALL), "model.layers.1.mlp.Wi.weight", 2),
        (ModernBertConfig(**SMALL), "model.final_norm.weight", 4),
        (ModernBertConfig(**SMALL), "head.dense.weight", 5),
    ],
    ids=lambda value: getattr(value, "model_type", str(value)),
)
def test_depths_in_other_families(config: PretrainedConfig, name: str, depth: int) -> None:
    assert layer_scales(model_of(config), 0.5)[name] == pytest.approx(0.5 ** (5 - depth))


def rates(total: int, **fields: Any) -> list[float]:
    """The head's learning rate in every step."""
    optimizer = make_optimizer(model_of(BertConfig(**SMALL)), TrainingConfig(learning_rate=1.0, **fields))
    scheduler = make_scheduler(optimizer, TrainingConfig(learning_rate=1.0, **fields), total)
    values = []
    for _ in range(total):
        values.append(scheduler.get_last_lr()[0])
        optimizer.step()
        scheduler.step()
    return values  # type: ignore[return-value]


def test_linear_warm_up_and_decay() -> None:
    assert rates(10, warmup_ratio=0.2) == pytest.approx([0, 0.5, 1, 7 / 8, 6 / 8, 5 / 8, 4 / 8, 3 / 8, 2 / 8, 1 / 8])


def test_warm_up_is_rounded_up_and_steps_go_before_the_ratio() -> None:
    assert rates(11, warmup_ratio=0.1)[:3] == pytest.approx([0, 0.5, 1])
    assert rates(11, warmup_ratio=0.1, warmup_steps=0)[0] == 1.0


def test_cosine_and_constant() -> None:
    cosine = rates(4, lr_scheduler_type="cosine", warmup_ratio=0)
    assert cosine == pytest.approx([(1 + math.cos(math.pi * step / 4)) / 2 for step in range(4)])
    assert rates(4, lr_scheduler_type="constant", warmup_ratio=0.5) == [1.0] * 4
    assert rates(4, lr_scheduler_type="constant_with_warmup", warmup_ratio=0.5) == pytest.approx([0, 0.5, 1, 1])


def test_weight_decay_is_decoupled() -> None:
    """Without gradient signal a weight shrinks by lr * decay, and a bias stays."""
    model = model_of(BertConfig(**SMALL))
    optimizer = make_optimizer(model, TrainingConfig(learning_rate=0.1, weight_decay=0.5))
    weight, bias = model.classifier.weight, model.classifier.bias
    with torch.no_grad():
        bias.fill_(1.0)
    before = weight.detach().clone()
    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    torch.testing.assert_close(weight, before * 0.95)
    assert torch.equal(bias, torch.ones_like(bias))  # type: ignore[arg-type]


def test_frozen_parameters_are_in_no_group() -> None:
    model = model_of(BertConfig(**SMALL))
    for name, parameter in model.named_parameters():
        parameter.requires_grad_("embeddings" not in name and ".layer.0." not in name)
    optimizer = make_optimizer(model, TrainingConfig(learning_rate=1.0), layer_scales(model, 0.5))
    rates = {id(p): group["lr"] for group in optimizer.param_groups for p in group["params"]}
    assert rates.keys() == {id(parameter) for parameter in model.parameters() if parameter.requires_grad}
    assert rates[id(model.bert.encoder.layer[1].output.dense.weight)] == 0.5**3  # as without freezing
    assert rates[id(model.classifier.weight)] == 1.0


@pytest.mark.parametrize(
    ("config", "name", "depth"),
    [
        (BertConfig(**SMALL), "encoder.embeddings.word_embeddings.weight", 0),
        (BertConfig(**SMALL), "encoder.encoder.layer.2.output.dense.weight", 3),
        (AlbertConfig(**SMALL), "encoder.encoder.embedding_hidden_mapping_in.weight", 0),
        (DebertaV2Config(**SMALL, **DEBERTA), "encoder.encoder.LayerNorm.weight", 0),
        (ModernBertConfig(**SMALL), "encoder.layers.1.mlp.Wi.weight", 2),
        (ModernBertConfig(**SMALL), "encoder.final_norm.weight", -2),
        (BertConfig(**SMALL), "head.dense.weight", -1),
        (BertConfig(**SMALL), "head.output.bias", -1),
    ],
    ids=lambda value: getattr(value, "model_type", str(value)),
)
def test_depths_under_gluetunes_heads(config: PretrainedConfig, name: str, depth: int) -> None:
    """-1 is the head, -2 what lies between it and the last layer."""
    model = EncoderWithHead(EncoderWithHeadConfig(encoder=config.to_dict(), head="mlp"))
    top = 3 if config.model_type == "albert" else 5  # its layers share their weights
    assert layer_scales(model, 0.5)[name] == pytest.approx(0.5 ** (top - depth if depth >= 0 else -1 - depth))


@pytest.mark.parametrize("size", [1e-3, 50.0])
def test_gradients_clipped_in_the_step_are_clipped_as_torch_does_it(size: float) -> None:
    stepped = []
    for in_step in (True, False):
        torch.manual_seed(3)
        layers = nn.Sequential(nn.Linear(7, 5), nn.Linear(5, 2))
        optimizer = torch.optim.AdamW(layers.parameters(), lr=0.1, fused=True, eps=1e-3)
        for _ in range(3):
            (size * layers(torch.randn(4, 7)).square().sum()).backward()
            if in_step:
                clip_in_step(optimizer, 0.5)
            else:
                clip_grad_norm_(layers.parameters(), 0.5)
            optimizer.step()
            optimizer.zero_grad()
        stepped.append(torch.cat([weight.detach().view(-1) for weight in layers.parameters()]))
    torch.testing.assert_close(*stepped, rtol=1e-5, atol=1e-6)


def test_clipping_in_the_step_is_checked_on_the_gradients() -> None:
    class IgnoresScale(torch.optim.AdamW):
        def step(self, closure: Any = None) -> Any:
            self.grad_scale = None
            return super().step(closure)

    assert can_clip_in_step("cpu")
    for kind, size in ((torch.optim.AdamW, 9.0), (IgnoresScale, 1e-3)):
        weight = nn.Parameter(torch.zeros(2))
        weight.grad = torch.full_like(weight, size)
        optimizer = kind([weight], fused=True)
        clip_in_step(optimizer, 1.0, check=True)
        optimizer.step()  # divided, or too small to be divided
    weight.grad = torch.full_like(weight, 9.0)
    clip_in_step(optimizer, 1.0, check=True)
    with pytest.raises(AssertionError, match="grad_scale"):
        optimizer.step()
