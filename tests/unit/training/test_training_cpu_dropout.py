"""Dropout on the CPU: the same rates, the same attention, the same numbers from the same seed."""

from __future__ import annotations

import ctypes
import resource
import sys

import pytest
import torch
from torch import nn
from torch.nn import functional
from transformers import BertConfig, BertForSequenceClassification

from gluetune.training.speedups.cpu_dropout import (
    FastCpuDropout,
    dropout_mask,
    fast_cpu_attention,
    fast_softmax,
    use_fast_cpu_dropout,
)
from gluetune.training.speedups.malloc import configure_malloc


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
def test_mask_drops_its_rate_and_keeps_the_mean(rate: float) -> None:
    torch.manual_seed(0)
    mask = dropout_mask(torch.zeros(1000, 1001), rate)
    assert mask.unique().tolist() == pytest.approx([0, 1 / (1 - rate)], rel=1e-4)
    assert (mask == 0).double().mean().item() == pytest.approx(rate, abs=2e-3)  # four standard deviations
    assert mask.mean().item() == pytest.approx(1, abs=2e-3 / (1 - rate))


def test_elements_of_one_draw_are_dropped_independently() -> None:
    torch.manual_seed(0)
    dropped = (dropout_mask(torch.zeros(200_000, 4), 0.5) == 0).double()
    correlations = torch.corrcoef(dropped.T) - torch.eye(4)
    assert correlations.abs().max().item() < 0.01


def test_the_same_seed_draws_the_same_mask() -> None:
    torch.manual_seed(5)
    state = torch.get_rng_state()
    first, second = dropout_mask(torch.zeros(7, 3), 0.5), dropout_mask(torch.zeros(7, 3), 0.5)
    torch.set_rng_state(state)
    assert torch.equal(dropout_mask(torch.zeros(7, 3), 0.5), first)
    assert torch.equal(dropout_mask(torch.zeros(7, 3), 0.5), second)
    assert not torch.equal(first, second)


def test_dropped_elements_have_no_gradient() -> None:
    x = torch.ones(50, requires_grad=True)
    y = FastCpuDropout(0.5)(x)
    y.sum().backward()
    assert torch.equal(x.grad, y.detach())  # type: ignore[arg-type]
    assert 0 < int((y == 0).sum()) < 50


def test_attention_without_dropout_is_torchs() -> None:
    torch.manual_seed(0)
    query, key, value = torch.randn(3, 2, 4, 6, 8).unbind()
    mask = torch.tensor([6, 3])[:, None, None, None] > torch.arange(6).expand(2, 1, 6, 6)
    layer = nn.Module()
    expected = functional.scaled_dot_product_attention(query, key, value, mask).transpose(1, 2)
    torch.testing.assert_close(fast_cpu_attention(layer, query, key, value, mask)[0], expected)
    torch.testing.assert_close(fast_cpu_attention(layer, query, key, value, mask, dropout=1e-9)[0], expected)
    assert not torch.allclose(fast_cpu_attention(layer, query, key, value, mask, dropout=0.5)[0], expected)
    assert fast_cpu_attention(layer, query, key, value, mask, dropout=0.5)[0][1].isfinite().all()


def bert(rate: float) -> BertForSequenceClassification:
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=50,
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        hidden_dropout_prob=rate,
        attention_probs_dropout_prob=rate,
    )
    return BertForSequenceClassification(config).train()


@pytest.mark.parametrize("tokens", [1, 7, 12, 15, 16, 40])
def test_softmax_and_its_gradient_are_torchs(tokens: int) -> None:
    scores = torch.randn(3, 2, tokens, tokens) * 8
    if tokens > 1:
        scores[:, :, :, -1] = -torch.finfo(torch.float32).max  # a token that is masked
    gradient = torch.randn_like(scores)
    found = []
    for function in (fast_softmax, lambda x: torch.softmax(x, -1)):
        leaf = scores.clone().requires_grad_()
        weights = function(leaf)
        found.append((weights.detach(), *torch.autograd.grad(weights, leaf, gradient)))
    torch.testing.assert_close(*found, rtol=1e-6, atol=1e-6)


def test_softmax_of_half_precision_is_left_to_torch() -> None:
    scores = torch.randn(2, 2, 9, 9).to(torch.bfloat16)
    assert torch.equal(fast_softmax(scores), scores.softmax(-1))


def test_mean_over_many_passes_is_that_of_torchs_dropout() -> None:
    ids = torch.arange(2, 14).reshape(2, 6)
    mask = torch.tensor([[1] * 6, [1] * 4 + [0] * 2])
    logits = {}
    for name, model in (("torch's", bert(0.3)), ("fast", fast(bert(0.3)))):
        with torch.no_grad():
            passes = torch.stack([model(input_ids=ids, attention_mask=mask).logits for _ in range(300)])
        logits[name] = passes.mean(0), passes.std(0)
    mean, deviation = logits["torch's"]
    torch.testing.assert_close(logits["fast"][0], mean, rtol=0, atol=5 * deviation.max().item() * (2 / 300) ** 0.5)
    torch.testing.assert_close(logits["fast"][1], deviation, rtol=0.25, atol=0)


def test_evaluation_and_models_without_dropout_are_not_changed() -> None:
    ids = torch.arange(2, 14).reshape(2, 6)
    mask = torch.tensor([[1] * 6, [1] * 4 + [0] * 2])
    for model in (bert(0.3).eval(), bert(0.0)):
        before = model(input_ids=ids, attention_mask=mask).logits
        assert torch.equal(fast(model)(input_ids=ids, attention_mask=mask).logits, before)


def fast(model: BertForSequenceClassification) -> BertForSequenceClassification:
    use_fast_cpu_dropout(model)
    return model


@pytest.mark.skipif(sys.platform != "linux" or not hasattr(ctypes.CDLL(None), "mallopt"), reason="needs glibc")
def test_freed_memory_is_reused_without_page_faults() -> None:
    configure_malloc()
    faults = []
    for _ in range(4):
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        torch.ones(60_000_000 // 4)
        faults.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
    assert min(faults[1:]) < 60_000_000 / 4096 / 2
