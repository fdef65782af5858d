"""Trials that train an adapter: checkpoints, resumes, speed-ups, memory; and gradient checkpointing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from gluetune.config import TrainingConfig
from gluetune.errors import StorageError
from gluetune.models import build_model
from gluetune.storage import Storage
from gluetune.tasks import TASKS
from gluetune.training import Checkpoints, DistributedContext, train_trial, trainer
from gluetune.training.speedups import padding_free
from gluetune.training.trainer import TrialTrainer
from training_setup import VOCABULARY, numbers, run_trial, task_data, tiny_encoder

COLA = TASKS["cola"]
NOISY = TrainingConfig(
    adapter="lora",
    lora_rank=4,
    lora_dropout=0.1,
    batch_size=8,
    learning_rate=5e-3,
    num_train_epochs=2,
    evals_per_epoch=2,
    hidden_dropout_prob=0.2,
)
HEAD = {"bert.pooler.dense.weight", "bert.pooler.dense.bias", "classifier.weight", "classifier.bias"}


def test_a_trial_resumes_to_the_same_bits_from_a_checkpoint_of_adapter_and_head(tmp_path: Path) -> None:
    evaluations, whole = run_trial(COLA, NOISY, tmp_path / "whole", dropout=0.1)
    run_trial(COLA, NOISY, tmp_path / "parts", stop_after=2, dropout=0.1)
    torch.rand(5)
    resumed, parts = run_trial(COLA, NOISY, tmp_path / "parts", dropout=0.1)
    assert [numbers(e) for e in resumed] == [numbers(e) for e in evaluations][1:]
    best, expected, state = parts.load_best(), whole.load_best(), parts.load()
    assert best is not None
    assert expected is not None
    assert state is not None
    assert {name for name in best if ".lora_" not in name} == HEAD
    assert best.keys() == expected.keys() == state["model"].keys()
    assert [name for name in best if not torch.equal(best[name], expected[name])] == []
    assert len(state["optimizer"]["state"]) == len(best)


def test_a_checkpoint_of_other_weights_is_refused(tmp_path: Path) -> None:
    run_trial(COLA, NOISY, tmp_path, stop_after=1)
    checkpoints = Checkpoints(Storage(str(tmp_path)), "trial")
    state = checkpoints.load()
    assert state is not None
    del state["model"]["classifier.bias"]
    checkpoints.save(state)
    with pytest.raises(StorageError, match=r"classifier\.bias"):
        run_trial(COLA, NOISY, tmp_path)


def test_lower_layers_of_the_adapter_learn_more_slowly_with_layerwise_decay() -> None:
    training = NOISY.model_copy(update={"layerwise_lr_decay": 0.5})
    made = TrialTrainer(COLA, task_data(COLA), tiny_encoder(), training, 3, DistributedContext())
    scales = trainer.layer_scales(made.model, 0.5)
    first, second = (
        scales[f"bert.encoder.layer.{number}.attention.self.query.lora_A.default.weight"] for number in range(2)
    )
    assert (first, second, scales["classifier.weight"]) == (0.125, 0.25, 1.0)


def trained(training: TrainingConfig, vocabulary: int = VOCABULARY) -> TrialTrainer:
    made = TrialTrainer(COLA, task_data(COLA), tiny_encoder(0.0, vocabulary), training, 3, DistributedContext())
    for batch in made.batches():
        made.train_step(batch)
    return made


def assert_close(one: TrialTrainer, other: TrialTrainer, atol: float) -> None:
    losses = [made.state.summary().losses[0] for made in (one, other)]
    assert losses[0] == pytest.approx(losses[1], abs=atol)
    found, expected = (made.best_weights(made.state_dict()) for made in (one, other))
    assert found.keys() == expected.keys()
    for name, weight in expected.items():
        torch.testing.assert_close(found[name], weight, atol=atol, rtol=0, msg=name)


@pytest.mark.parametrize("fields", [{"lora_target_modules": "all-linear"}, {"head": "mlp", "pooling": "mean"}], ids=str)
def test_trials_with_and_without_speedups_end_with_the_same_numbers(
    fields: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(padding_free, "MIN_HIDDEN_SIZE", 0)  # padding is left out, as it is of larger encoders
    training = NOISY.model_copy(update={"lora_dropout": 0.0, "hidden_dropout_prob": 0.0, **fields})
    fast = trained(training, 3 * VOCABULARY)
    plain = trained(training.model_copy(update={"speedups": "off"}), 3 * VOCABULARY)
    assert_close(fast, plain, 1e-4)


@pytest.mark.parametrize("adapter", ["none", "lora"])
@pytest.mark.parametrize("speedups", ["auto", "off"])
def test_gradient_checkpointing_gives_the_same_numbers(
    adapter: str, speedups: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With dropout too, whose masks are drawn again."""
    monkeypatch.setattr(padding_free, "MIN_HIDDEN_SIZE", 0)
    training = NOISY.model_copy(update={"adapter": adapter, "speedups": speedups, "attention_probs_dropout_prob": 0.1})
    checkpointed = trained(training.model_copy(update={"gradient_checkpointing": True}))
    assert any(getattr(module, "gradient_checkpointing", False) for module in checkpointed.model.modules())
    assert_close(checkpointed, trained(training), 1e-6)


def test_a_batch_too_large_for_memory_is_trained_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    def few_rows(*args: Any) -> nn.Module:
        def check(module: nn.Module, positional: Any, inputs: dict[str, torch.Tensor]) -> None:
            if module.training and len(inputs["input_ids"]) > 3:
                raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 1.00 GiB")

        model = build_model(*args)
        model.register_forward_pre_hook(check, with_kwargs=True)
        return model

    training = NOISY.model_copy(update={"lora_dropout": 0.0, "hidden_dropout_prob": 0.0})
    whole = trained(training)
    monkeypatch.setattr(trainer, "build_model", few_rows)
    assert_close(trained(training), whole, 1e-4)


def test_trials_with_and_without_an_adapter_alternate_in_one_process() -> None:
    """As a lane runs them; each gives the numbers that it gives alone."""

    def losses(adapter: str) -> list[float]:
        found: list[float] = []
        train_trial(
            COLA,
            replace(task_data(COLA)),
            tiny_encoder(),
            NOISY.model_copy(update={"adapter": adapter}),
            3,
            report=lambda evaluation: found.append(evaluation.train_loss) is None,
        )
        return found

    first = [losses(adapter) for adapter in ("none", "lora")]
    assert [losses(adapter) for adapter in ("lora", "none")] == first[::-1]
