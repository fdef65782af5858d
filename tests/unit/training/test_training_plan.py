"""Which steps a trial takes, and after which it is evaluated."""

from __future__ import annotations

import numpy as np
import pytest

from gluetune.config import TrainingConfig
from gluetune.training.plan import StepPlan

LENGTHS = np.random.default_rng(0).integers(4, 30, 65)  # 9 steps of 8 rows


def plan(**fields: object) -> StepPlan:
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
def test_steps_and_evaluations(fields: dict[str, object], total: int, evaluations: set[int]) -> None:
    made = plan(**fields)
    assert (made.per_epoch, made.total, made.evaluations) == (9, total, evaluations)
    assert len(list(made.batches())) == total


def test_every_row_is_trained_on_once_an_epoch_in_another_order() -> None:
    batches = list(plan(num_train_epochs=2).batches())
    first, second = np.concatenate(batches[:9]), np.concatenate(batches[9:])
    assert sorted(first) == sorted(second) == list(range(65))
    assert list(first) != list(second)


@pytest.mark.parametrize("step", [0, 1, 8, 9, 10, 13, 14])
def test_a_resume_finds_its_place(step: int) -> None:
    made = plan(num_train_epochs=1.5)
    rest = list(made.batches())[step:]
    assert [list(batch) for batch in made.batches(step)] == [list(batch) for batch in rest]
