"""Averages of weights, patience and the balanced sampler: what they do, and that they resume to the same numbers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from gluetune.config import TrainingConfig
from gluetune.tasks import TASKS
from gluetune.training.averaging import EarlyStopping, WeightAverage, averaged_weights
from gluetune.training.plan import StepPlan, balanced_shares
from training_setup import VOCABULARY, numbers, own_task, run_trial

COMMON: dict[str, Any] = {"batch_size": 8, "learning_rate": 5e-3, "num_train_epochs": 2, "evals_per_epoch": 2}


def changed(model: nn.Linear, step: int) -> None:
    with torch.no_grad():
        model.weight.copy_(torch.full_like(model.weight, float(step * step)))


def test_the_moving_average_is_torchs() -> None:
    model = nn.Linear(2, 2)
    average = WeightAverage.make(model, TrainingConfig(ema_decay=0.9))
    assert average is not None
    reference = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(0.9))
    for step in range(1, 6):
        changed(model, step)
        average.after_step(decay_factor=1.0)
        reference.update_parameters(model)
    with average.evaluated(1.0):
        torch.testing.assert_close(model.weight, reference.module.weight)
    assert model.weight[0, 0].item() == 25.0  # trained weights are back


def test_the_mean_is_of_the_last_evaluations() -> None:
    model = nn.Linear(2, 2)
    average = WeightAverage.make(model, TrainingConfig(weight_average=3))
    assert average is not None
    for step, expected in ((1, 1.0), (2, (1 + 4) / 2), (3, (1 + 4 + 9) / 3), (4, (4 + 9 + 16) / 3)):
        changed(model, step)
        with average.evaluated(float(step)):
            assert model.weight[0, 0].item() == pytest.approx(expected)
    weights, factor = averaged_weights(average.state_dict())
    assert weights["weight"][0, 0].item() == pytest.approx(29 / 3)
    assert factor == 3.0


def test_no_average_is_kept_without_the_settings() -> None:
    assert WeightAverage.make(nn.Linear(1, 1), TrainingConfig()) is None
    assert WeightAverage.make(nn.Linear(1, 1), TrainingConfig(weight_average=1)) is None


@pytest.mark.parametrize("changes", [{"weight_average": 2}, {"ema_decay": 0.8}], ids=str)
def test_saved_weights_are_the_averages_that_were_evaluated(changes: dict[str, Any], tmp_path: Path) -> None:
    """Also those of the embeddings of tokens that occur in no row, which only decay."""
    common = COMMON | {"weight_decay": 0.3} | changes
    (fast, kept), (slow, expected) = (
        run_trial(
            TASKS["cola"],
            TrainingConfig(**common, speedups=speedups),
            tmp_path / speedups,
            vocabulary=3 * VOCABULARY,
        )
        for speedups in ("auto", "off")
    )
    assert [e.eval_loss for e in fast] == pytest.approx([e.eval_loss for e in slow], abs=1e-5)
    weights, others = kept.load_best(), expected.load_best()
    assert weights is not None
    assert others is not None
    for name, tensor in weights.items():
        torch.testing.assert_close(tensor, others[name], atol=1e-4, rtol=0)


@pytest.mark.parametrize(
    "changes",
    [{"weight_average": 2}, {"ema_decay": 0.8}, {"patience": 2, "sampler": "balanced", "class_weights": "balanced"}],
    ids=str,
)
@pytest.mark.parametrize("stop_after", [1, 3])
def test_a_resumed_trial_gives_the_same_numbers(changes: dict[str, Any], stop_after: int, tmp_path: Path) -> None:
    training = TrainingConfig(**COMMON, **changes, hidden_dropout_prob=0.2)
    whole, kept = run_trial(TASKS["cola"], training, tmp_path / "whole")
    begun, _ = run_trial(TASKS["cola"], training, tmp_path / "resumed", stop_after=stop_after)
    rest, again = run_trial(TASKS["cola"], training, tmp_path / "resumed")
    assert [numbers(e) for e in whole] == [numbers(e) for e in [*begun[:-1], *rest]]
    weights, others = kept.load_best(), again.load_best()
    assert weights is not None
    assert others is not None
    assert all(torch.equal(tensor, others[name]) for name, tensor in weights.items())


@pytest.mark.parametrize("changes", [{"weight_average": 2}, {"ema_decay": 0.8}], ids=str)
def test_averages_of_adapters_resume_to_the_same_numbers(changes: dict[str, Any], tmp_path: Path) -> None:
    pytest.importorskip("peft")
    training = TrainingConfig(**COMMON, **changes, adapter="lora", loss="focal", class_weights="balanced")
    whole, kept = run_trial(TASKS["cola"], training, tmp_path / "whole")
    begun, _ = run_trial(TASKS["cola"], training, tmp_path / "resumed", stop_after=2)
    rest, again = run_trial(TASKS["cola"], training, tmp_path / "resumed")
    assert [numbers(e) for e in whole] == [numbers(e) for e in [*begun[:-1], *rest]]
    weights, others = kept.load_best(), again.load_best()
    assert weights is not None
    assert others is not None
    assert weights.keys() == others.keys()
    assert all(torch.equal(tensor, others[name]) for name, tensor in weights.items())


def test_evaluations_without_improvement_end_a_trial(tmp_path: Path) -> None:
    training = TrainingConfig(**COMMON | {"num_train_epochs": 6}, patience=2, min_delta=10.0)
    evaluations, _ = run_trial(TASKS["cola"], training, tmp_path)
    assert [e.index for e in evaluations] == [1, 2, 3]
    again, _ = run_trial(TASKS["cola"], training, tmp_path)  # the process ended before the trial was reported as ended
    assert [e.index for e in again] == [3]


def test_improvements_must_be_larger_than_min_delta() -> None:
    stopping, ends = EarlyStopping(patience=2, min_delta=0.1), []
    for score in (0.5, 0.55, 0.61, 0.65, 0.7):  # 0.61 is more than 0.1 above 0.5; 0.7 is not above 0.61 by as much
        stopping.note(score)
        ends.append(stopping.ends_training)
    assert ends == [False, False, False, False, True]
    endless = EarlyStopping(patience=None, min_delta=0.0)
    for _ in range(9):
        endless.note(0.0)
    assert not endless.ends_training


def test_the_balanced_sampler_draws_all_classes_equally_often() -> None:
    labels = np.array([0] * 900 + [1] * 90 + [2] * 10)
    lengths = np.random.default_rng(0).integers(4, 30, len(labels))
    plan = StepPlan.make(lengths, TrainingConfig(sampler="balanced", num_train_epochs=2), 1, labels)
    shuffled = StepPlan.make(lengths, TrainingConfig(num_train_epochs=2), 1, labels)
    drawn = np.concatenate(list(plan.batches()))
    assert (plan.total, plan.evaluations, len(drawn)) == (shuffled.total, shuffled.evaluations, 2000)
    np.testing.assert_allclose(np.bincount(labels[drawn]) / 2000, 1 / 3, atol=0.04)
    middle = [batch.tolist() for batch in plan.batches(40)]
    assert middle == [batch.tolist() for batch in plan.batches()][40:]


def test_a_row_with_several_labels_is_drawn_as_one_of_its_rarest() -> None:
    sets = np.array([[1, 0], [1, 0], [1, 1], [0, 0], [0, 0]], np.float32)
    np.testing.assert_allclose(balanced_shares(sets) * (2 / 3 + 1 + 1), [1 / 3, 1 / 3, 1, 1 / 2, 1 / 2])


def test_label_sets_train_with_all_settings(tmp_path: Path) -> None:
    fields: dict[str, Any] = {"loss": "focal", "class_weights": "balanced", "label_smoothing": 0.05}
    training = TrainingConfig(**COMMON | {"num_train_epochs": 6}, **fields, sampler="balanced", ema_decay=0.5)
    evaluations, _ = run_trial(own_task("multi_label"), training, tmp_path)
    assert evaluations[-1].score > 0.6
