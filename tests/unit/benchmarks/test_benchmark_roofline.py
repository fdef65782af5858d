"""Comparison 7: the products of a step are those that one counts by hand."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import BertConfig, BertModel

from benchmarks import roofline
from benchmarks.comparison import GLUETUNE, BenchmarkConfig
from benchmarks.roofline import Product, Products, replay
from gluetune.config import TrainingConfig
from gluetune.data import EncodedRows, EncodedTask
from gluetune.models import Encoder
from gluetune.tasks import get_task
from gluetune.training import DistributedContext
from gluetune.training.trainer import TrialTrainer

ROWS, TOKENS, WIDTH, FFN, LAYERS, HEADS, LABELS = 3, 5, 16, 48, 2, 4, 2


def run(rate: float, **training: Any) -> TrialTrainer:
    config = BertConfig(
        vocab_size=50,
        hidden_size=WIDTH,
        intermediate_size=FFN,
        num_hidden_layers=LAYERS,
        num_attention_heads=HEADS,
        max_position_embeddings=16,
        hidden_dropout_prob=rate,
        attention_probs_dropout_prob=rate,
    )
    weights = {f"bert.{name}": tensor.numpy() for name, tensor in BertModel(config).state_dict().items()}
    rows = EncodedRows(
        np.full(ROWS * TOKENS, 7, np.int32),
        TOKENS * np.arange(ROWS + 1),
        np.full(ROWS, TOKENS, np.int32),
        np.array([0, 1, 0]),
        0,
        True,
    )
    settings = TrainingConfig(batch_size=ROWS, bf16=False, **training)
    data = EncodedTask(get_task("cola"), rows, rows, {}, "generated for a test")
    encoder = Encoder("tiny", config.to_dict(), weights)
    return TrialTrainer(get_task("cola"), data, encoder, settings, 1, DistributedContext())


def forward_flops() -> int:
    seen = 2 * WIDTH * WIDTH  # key and value
    seeing = 2 * WIDTH * WIDTH + 2 * WIDTH * FFN  # query, output; up and down
    attention = 2 * HEADS * TOKENS * (WIDTH // HEADS)  # scores; weighted values
    layer = TOKENS * (seen + seeing + attention)
    last = TOKENS * seen + seeing + attention  # of each row one token is looked at
    ends = WIDTH * WIDTH + WIDTH * LABELS  # pooler and classifier see that one
    return 2 * ROWS * ((LAYERS - 1) * layer + last + ends)


@pytest.mark.parametrize("rate", [0.0, 0.1])
def test_a_steps_products_are_three_times_the_forward_ones(rate: float) -> None:
    one = run(rate)
    with Products() as products:
        one.train_step(np.arange(ROWS))
    assert products.flops == 3 * forward_flops()  # backward: one for the inputs' gradients, one for the weights'


def test_products_of_frozen_layers_are_forward_only() -> None:
    one = run(0.0, freeze_layers=LAYERS, freeze_embeddings=True)
    with Products() as products:
        one.train_step(np.arange(ROWS))
    ends = 2 * ROWS * (WIDTH * WIDTH + WIDTH * LABELS)
    inputs = 2 * ROWS * WIDTH * WIDTH  # the pooler's, whose gradient no layer needs
    assert products.flops == forward_flops() + 2 * ends - inputs


def test_operations_and_bytes_of_a_product() -> None:
    product = Product(4, 2, 3, 5, torch.bfloat16)
    assert product.flops == 4 * 2 * 30
    assert product.num_bytes == 4 * 2 * (6 + 15 + 10)


def test_the_same_products_are_computed_again() -> None:
    counts = Counter({Product(1, 2, 3, 5, torch.float32): 3, Product(4, 2, 3, 5, torch.float32): 1})
    with Products() as products:
        replay(counts, "cpu")()
    assert products.counts == counts


def test_cpu_limit_is_the_median_of_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = iter([5.0, 4.0, 100.0, 8.0, 6.0, 5.0])  # step and products in turns
    monkeypatch.setattr(roofline, "time_call", lambda act: next(seconds))
    assert roofline.cpu_limit(Products(), lambda: None) == (6.0, 5.0)


def test_what_is_measured_are_the_comparisons_figures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = iter([{"step": 2.0, "limit": 1.0}] * 2 + [{"step": 4.0, "limit": 3.0}, {"step": 6.0, "limit": 2.0}])
    monkeypatch.setattr(roofline, "compact_encoder", lambda: "compact")
    monkeypatch.setattr(roofline, "minilm_encoder", lambda config: "minilm")
    monkeypatch.setattr(
        roofline, "run_python", lambda *given: type("Done", (), {"answer": lambda self: next(answers)})()
    )
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(roofline.os, "sched_getaffinity", lambda _: {0, 1})  # two lanes of a core each
    (comparison,) = roofline.COMPARISONS
    (contender,) = comparison.contenders(BenchmarkConfig(tmp_path))
    assert contender.name == GLUETUNE
    measured = contender.measure(0)
    assert measured["share, CPU (compact)"] == 0.5
    assert measured["step, CPU (MiniLM-size)"] == 5.0
    assert measured["share, CPU (MiniLM-size)"] == 0.5
    assert set(measured) <= {figure.name for figure in comparison.figures}
    assert {target.figure for target in comparison.targets} <= {figure.name for figure in comparison.figures}
