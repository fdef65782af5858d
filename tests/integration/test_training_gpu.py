"""Training on a real GPU: the same numbers as on a CPU, and what only a GPU shows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch._dynamo.utils import counters

from gluetune.config import TrainingConfig
from gluetune.tasks import TASKS
from gluetune.training import DistributedContext
from gluetune.training.evaluate import predict_logits
from gluetune.training.profiling import CudaProfiler, profile_trial
from gluetune.training.trainer import TrialTrainer
from training_setup import run_trial, task_data, tiny_encoder

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
GPU = DistributedContext(device="cuda:0")
COLA = TASKS["cola"]


def training(**changes: Any) -> TrainingConfig:
    return TrainingConfig(
        **{
            "learning_rate": 5e-3,
            "batch_size": 8,
            "num_train_epochs": 2,
            "evals_per_epoch": 2,
            "bf16": False,
            **changes,
        }
    )


@pytest.fixture(autouse=True)
def float32_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.cuda.matmul, "allow_tf32", False)


def test_a_trial_gives_the_numbers_of_a_cpu(tmp_path: Path) -> None:
    there, _ = run_trial(COLA, training(), tmp_path / "gpu", distributed=GPU)
    here, _ = run_trial(COLA, training(), tmp_path / "cpu")
    for figure in ("train_loss", "eval_loss"):
        np.testing.assert_allclose(
            [getattr(evaluation, figure) for evaluation in there],
            [getattr(evaluation, figure) for evaluation in here],
            atol=1e-3,
        )


def test_dropout_and_bfloat16_train(tmp_path: Path) -> None:
    evaluations, _ = run_trial(
        COLA,
        training(bf16=True, hidden_dropout_prob=0.1, attention_probs_dropout_prob=0.1, num_train_epochs=6),
        tmp_path,
        distributed=GPU,
    )
    assert evaluations[-1].train_loss < 0.9 * evaluations[0].train_loss


def test_a_trial_resumes_to_the_same_numbers(tmp_path: Path) -> None:
    noisy = training(hidden_dropout_prob=0.2)
    undisturbed, _ = run_trial(COLA, noisy, tmp_path / "whole", distributed=GPU)
    run_trial(COLA, noisy, tmp_path / "parts", stop_after=2, distributed=GPU)
    resumed, _ = run_trial(COLA, noisy, tmp_path / "parts", distributed=GPU)
    for figure in ("step", "train_loss", "eval_loss"):
        np.testing.assert_allclose(
            [getattr(evaluation, figure) for evaluation in resumed],
            [getattr(evaluation, figure) for evaluation in undisturbed[1:]],
            atol=1e-4,
        )


@pytest.mark.parametrize("mode", ["default", "reduce-overhead"])
@pytest.mark.parametrize("splits", [1, 2])
def test_compiled_trials_give_the_same_numbers_and_compile_once(mode: str, splits: int, tmp_path: Path) -> None:
    plain, _ = run_trial(COLA, training(), tmp_path / "plain", distributed=GPU)
    compiled = []
    for name in ("first", "second"):
        chosen = training(torch_compile=True, torch_compile_mode=mode, gradient_accumulation_steps=splits)
        evaluations, _ = run_trial(COLA, chosen, tmp_path / name, distributed=GPU)
        compiled.append(counters["stats"]["unique_graphs"])
        np.testing.assert_allclose(
            [evaluation.train_loss for evaluation in evaluations],
            [evaluation.train_loss for evaluation in plain],
            atol=1e-3,
        )
    assert compiled[0] == compiled[1] > 0


def test_a_batch_that_does_not_fit_is_split_and_the_trial_goes_on() -> None:
    data = task_data(COLA, train=4096)
    batch = np.arange(4096)

    def step() -> TrialTrainer:
        run = TrialTrainer(COLA, data, tiny_encoder(), training(batch_size=4096), 3, GPU)
        run.train_step(batch)
        torch.cuda.synchronize()
        return run

    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    assert step().state_dict()["micro_batches"] == 1
    most, total = torch.cuda.max_memory_reserved(), torch.cuda.mem_get_info()[1]
    torch.cuda.empty_cache()
    torch.cuda.set_per_process_memory_fraction(0.6 * most / total)
    try:
        assert step().state_dict()["micro_batches"] > 1
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)


def test_the_probe_measures_shares_of_the_gpu() -> None:
    data = task_data(COLA)
    need = profile_trial(COLA, data, data.vocabulary, tiny_encoder(), training(), 8, 3, CudaProfiler(GPU.device), GPU)
    assert 0 < need.memory < 0.5
    assert 0 < need.busy <= 1


def test_predictions_are_those_of_a_cpu() -> None:
    data = task_data(COLA)
    run = TrialTrainer(COLA, data, tiny_encoder(), training(), 3, GPU)
    there = predict_logits(run.model, data.selection, 8, GPU)
    np.testing.assert_allclose(there, predict_logits(run.model.cpu(), data.selection, 8), atol=1e-4)
