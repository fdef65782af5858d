"""The schedule of a trial, the metrics of its steps, and errors that mean a lack of memory."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from gluetune.config import TrainingConfig
from gluetune.errors import DivergedError
from gluetune.training import DistributedContext
from gluetune.training.memory import is_out_of_memory
from gluetune.training.plan import StepPlan
from gluetune.training.running_metrics import RunningMetrics

LENGTHS = np.random.default_rng(0).integers(4, 30, 65)  # 9 steps of 8 rows


def plan(**fields: Any) -> StepPlan:
    return StepPlan.make(LENGTHS, TrainingConfig(batch_size=8, **fields), seed=1)


@pytest.mark.parametrize(
    ("fields", "total", "evaluations"),
    [
        ({"num_train_epochs": 2}, 18, {9, 18}),
        ({"num_train_epochs": 1.5}, 14, {9, 14}),
        ({"num_train_epochs": 0.01}, 1, {1}),
        ({"num_train_epochs": 1, "evals_per_epoch": 2}, 9, {5, 9}),
        ({"num_train_epochs": 1, "evals_per_epoch": 100}, 9, set(range(1, 10))),
        ({"max_steps": 4}, 4, {4}),
        ({"max_steps": 20, "num_train_epochs": 1}, 20, {9, 18, 20}),
    ],
)
def test_steps_and_evaluations(fields: dict[str, Any], total: int, evaluations: set[int]) -> None:
    made = plan(**fields)
    assert (made.per_epoch, made.total, made.evaluations) == (9, total, evaluations)
    assert len(list(made.batches())) == total


def test_every_row_is_trained_on_once_an_epoch_in_another_order() -> None:
    batches = list(plan(num_train_epochs=2).batches())
    first, second = np.concatenate(batches[:9]), np.concatenate(batches[9:])
    assert sorted(first) == sorted(second) == list(range(65))
    assert list(first) != list(second)


@pytest.mark.parametrize("step", [0, 1, 8, 9, 10, 13, 14])
def test_a_resumed_trial_continues_with_the_next_batch(step: int) -> None:
    made = plan(num_train_epochs=1.5)
    rest = list(made.batches())[step:]
    assert [list(batch) for batch in made.batches(step)] == [list(batch) for batch in rest]


def test_running_metrics_give_the_mean_loss_of_their_steps() -> None:
    running = RunningMetrics(DistributedContext(), step=10)
    for loss in range(20):
        running.add(torch.tensor([float(loss), 1.0]), examples=2, tokens=7)
    trained = running.finish()
    assert (trained.losses, trained.examples, trained.tokens, trained.accuracy) == ((9.5,), 40, 140, 0.5)
    assert trained.seconds > 0
    assert trained.ended == trained.started + trained.seconds


def test_running_metrics_without_counts_of_correct_rows_have_no_accuracy() -> None:
    running = RunningMetrics(DistributedContext(), step=0)
    running.add(torch.tensor([1.0]), examples=2, tokens=7)
    assert running.finish().accuracy is None


def test_running_metrics_name_the_step_whose_loss_is_not_finite() -> None:
    running = RunningMetrics(DistributedContext(), step=10, losses=("masked_lm", "next_sentence"))
    running.add(torch.tensor([1.0, 1.0]), examples=1, tokens=3)
    running.add(torch.tensor([1.0, float("nan")]), examples=1, tokens=3)
    with pytest.raises(DivergedError, match=r"masked_lm=1\.0, next_sentence=nan, step=12"):
        running.finish()


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB"), True),
        (
            RuntimeError("[enforce fail at alloc_cpu.cpp:119] DefaultCPUAllocator: can't allocate memory: you tried"),
            True,
        ),
        (MemoryError(), True),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), False),
        (ValueError("out of memory"), False),
    ],
)
def test_out_of_memory_errors_are_recognised(error: Exception, expected: bool) -> None:
    assert is_out_of_memory(error) is expected
