"""``training.speedups`` and ``torch_compile``: with them and without, trials end with the same numbers."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch._dynamo.utils import counters
from transformers import CamembertConfig, XLMRobertaConfig

from encoder_families import FAMILIES, SMALL, encoder_of, masked_lm
from gluetune.config import TrainingConfig
from gluetune.models import Encoder
from gluetune.tasks import TASKS
from gluetune.training import DistributedContext
from gluetune.training.speedups import padding_free, runtime, uses_speedups
from gluetune.training.trainer import TrialTrainer
from training_setup import VOCABULARY, run_trial, task_data

COLA = TASKS["cola"]
LIKE_ROBERTA: dict[str, Any] = {**SMALL, "pad_token_id": 1, "type_vocab_size": 1}
CONFIGS = FAMILIES | {"camembert": CamembertConfig(**LIKE_ROBERTA), "xlm-roberta": XLMRobertaConfig(**LIKE_ROBERTA)}
TRAINING = TrainingConfig(
    learning_rate=5e-3,
    batch_size=8,
    num_train_epochs=2,
    weight_decay=0.1,
    max_grad_norm=0.5,
    hidden_dropout_prob=0.0,
    attention_probs_dropout_prob=0.0,
    classifier_dropout=0.0,
)


def trained(encoder: Encoder, **changes: Any) -> TrialTrainer:
    data = task_data(COLA)
    types = encoder.config["model_type"] in ("bert", "electra")
    rows = replace(data.train, pad_token_id=encoder.config.get("pad_token_id") or 0, token_types=types)
    training = TRAINING.model_copy(update=changes)
    trainer = TrialTrainer(COLA, replace(data, train=rows), encoder, training, 3, DistributedContext())
    for batch in trainer.batches():
        trainer.train_step(batch)
    return trainer


@pytest.fixture
def encoder(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Encoder:
    """An encoder with many more tokens than occur, so that not all are trained."""
    torch.manual_seed(0)
    settings = CONFIGS[request.param].to_dict() | {"vocab_size": 3 * VOCABULARY}
    monkeypatch.setitem(FAMILIES, request.param, type(CONFIGS[request.param]).from_dict(settings))
    monkeypatch.setattr(padding_free, "MIN_HIDDEN_SIZE", 0)  # padding is left out, as it is of larger encoders
    return encoder_of(masked_lm(request.param, tmp_path))


def test_every_verified_family_is_tested() -> None:
    assert set(CONFIGS) == runtime.VERIFIED_FAMILIES


@pytest.mark.parametrize("encoder", sorted(runtime.VERIFIED_FAMILIES), indirect=True)
def test_trials_end_with_the_same_numbers(encoder: Encoder) -> None:
    fast, plain = trained(encoder), trained(encoder, speedups="off")
    assert (uses_speedups(fast.model, TRAINING), type(plain.model.base_model.get_input_embeddings())) == (
        True,
        torch.nn.Embedding,
    )
    losses = [trainer.state.summary().losses[0] for trainer in (fast, plain)]
    assert losses[0] == pytest.approx(losses[1], abs=1e-5)
    found, expected = (trainer.best_weights(trainer.state_dict()) for trainer in (fast, plain))
    assert list(found) == list(expected)
    for name, weight in expected.items():
        # A key's bias adds the same to all of a query's scores: only rounding changes it, which Adam scales up.
        atol = 1e-2 if name.endswith(("key.bias", "k_lin.bias", "key_proj.bias")) else 1e-4
        np.testing.assert_allclose(found[name], weight, atol=atol, rtol=0, err_msg=name)


@pytest.mark.parametrize("encoder", ["bert"], indirect=True)
def test_unknown_families_use_no_speedups(encoder: Encoder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime, "VERIFIED_FAMILIES", frozenset())
    unknown, plain = trained(encoder), trained(encoder, speedups="off")
    found, expected = (trainer.best_weights(trainer.state_dict()) for trainer in (unknown, plain))
    assert all(torch.equal(found[name], weight) for name, weight in expected.items())


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="torch compiles for CPUs with a C++ compiler, such as g++")
def test_compiled_trials_give_the_numbers_of_others_and_compile_once(tmp_path: Path) -> None:
    compiled = []
    for rate in (5e-3, 1e-3):
        training = TrainingConfig(learning_rate=rate, batch_size=8, num_train_epochs=2, evals_per_epoch=2)
        plain, _ = run_trial(COLA, training, tmp_path / f"plain-{rate}", layers=1)
        compiling = training.model_copy(update={"torch_compile": True})
        evaluations, _ = run_trial(COLA, compiling, tmp_path / f"{rate}", layers=1)
        compiled.append(counters["stats"]["unique_graphs"])
        for figure in ("train_loss", "eval_loss"):
            np.testing.assert_allclose(
                [getattr(evaluation, figure) for evaluation in evaluations],
                [getattr(evaluation, figure) for evaluation in plain],
                atol=1e-5,
                rtol=0,
            )
    assert compiled[0] == compiled[1] > 0
