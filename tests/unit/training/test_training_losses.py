"""Losses, class weights and label smoothing against torch's, transformers' and scikit-learn's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from sklearn.utils.class_weight import compute_class_weight
from torch import nn
from transformers.trainer_pt_utils import LabelSmoother

from gluetune.config import TrainingConfig
from gluetune.data.examples import Labels
from gluetune.tasks import Task
from gluetune.training.evaluate import loss_sum
from gluetune.training.losses import TrainingLoss, class_weights
from training_setup import own_task

CLASSES, ROWS = 3, 23
GENERATOR = np.random.default_rng(1)
LOGITS = torch.from_numpy(GENERATOR.normal(size=(ROWS, CLASSES)).astype(np.float32) * 2)
IDS = np.minimum(GENERATOR.integers(5, size=ROWS), CLASSES - 1)
SETS = (GENERATOR.random((ROWS, CLASSES)) < 0.3).astype(np.float32)
SINGLE, MULTI = own_task("single_label", CLASSES), own_task("multi_label", CLASSES)
NAMED: dict[str, Any] = {"class_weights": {"class0": 3, "class2": 0.5}}


def mean_loss(task: Task, labels: Labels, logits: torch.Tensor = LOGITS, **fields: Any) -> torch.Tensor:
    """The loss of one batch of all rows, computed as three workers with two micro-batches each do."""
    loss = TrainingLoss(task, TrainingConfig(**fields), labels)
    batch = np.arange(len(labels))
    weight = loss.batch_weight(batch)
    parts = [part for rank in range(3) for part in np.array_split(batch[rank::3], 2)]
    sums = [loss.sum(logits[part], torch.from_numpy(labels[part])) * (1 / weight) for part in parts]
    return torch.stack(sums).sum()


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.5])
@pytest.mark.parametrize("weights", [None, [3.0, 1.0, 0.5]])
def test_weights_and_smoothing_are_torchs(smoothing: float, weights: list[float] | None) -> None:
    reference = nn.CrossEntropyLoss(None if weights is None else torch.tensor(weights), label_smoothing=smoothing)
    named: dict[str, Any] = {} if weights is None else NAMED
    got = mean_loss(SINGLE, IDS, label_smoothing=smoothing, **named)
    torch.testing.assert_close(got, reference(LOGITS, torch.from_numpy(IDS)))


def test_smoothing_is_that_of_transformers() -> None:
    expected = LabelSmoother(epsilon=0.2)({"logits": LOGITS}, torch.from_numpy(IDS))
    torch.testing.assert_close(mean_loss(SINGLE, IDS, label_smoothing=0.2), expected)


def focal_by_hand(labels: Any, weights: Any, smoothing: float, gamma: float) -> float:
    """Row by row and class by class, in double precision."""
    total = 0.0
    for logits, label in zip(LOGITS.double().numpy(), labels, strict=True):
        shares = np.exp(logits) / np.exp(logits).sum()
        for k in range(CLASSES):
            target = (1 - smoothing) * (k == label) + smoothing / CLASSES
            total -= target * weights[k] * (1 - shares[k]) ** gamma * np.log(shares[k])
    return float(total / sum(weights[label] for label in labels))


@pytest.mark.parametrize("gamma", [0.5, 2.0])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_the_focal_loss_is_that_by_hand(gamma: float, smoothing: float) -> None:
    got = mean_loss(SINGLE, IDS, loss="focal", focal_gamma=gamma, label_smoothing=smoothing, **NAMED)
    assert got.item() == pytest.approx(focal_by_hand(IDS, [3.0, 1.0, 0.5], smoothing, gamma), rel=1e-5)


def test_a_focal_loss_with_gamma_zero_is_the_loss_without_it() -> None:
    fields: dict[str, Any] = {"label_smoothing": 0.1, **NAMED}
    for task, labels in ((SINGLE, IDS), (MULTI, SETS)):
        got = mean_loss(task, labels, loss="focal", focal_gamma=0.0, **fields)
        torch.testing.assert_close(got, mean_loss(task, labels, **fields))
        torch.testing.assert_close(
            mean_loss(task, labels, loss="focal", focal_gamma=1e-6, **fields), got, rtol=1e-4, atol=1e-5
        )


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_the_loss_of_label_sets_is_torchs(smoothing: float) -> None:
    sets = torch.from_numpy(SETS)
    targets = sets * (1 - smoothing) + smoothing / 2
    reference = nn.BCEWithLogitsLoss(pos_weight=torch.tensor([3.0, 1.0, 0.5]))
    got = mean_loss(MULTI, SETS, label_smoothing=smoothing, **NAMED)
    torch.testing.assert_close(got, reference(LOGITS, targets))
    torch.testing.assert_close(mean_loss(MULTI, SETS, loss="bce"), nn.BCEWithLogitsLoss()(LOGITS, sets))


def test_the_focal_loss_of_label_sets_is_that_of_its_authors() -> None:
    """Lin et al. 2017, equation 4, for each class."""
    shares, sets = LOGITS.double().sigmoid(), torch.from_numpy(SETS)
    truth = torch.where(sets > 0, shares, 1 - shares)
    expected = ((1 - truth) ** 2 * -truth.log()).mean()
    got = mean_loss(MULTI, SETS, loss="focal")
    assert got.item() == pytest.approx(expected.item(), rel=1e-5)


@pytest.mark.parametrize("gamma", [0.3, 1.0, 2.0])
def test_gradients_are_finite_where_the_model_is_sure(gamma: float) -> None:
    for task, labels in ((SINGLE, np.array([0, 1])), (MULTI, np.array([[1, 0, 0], [0, 1, 1]], np.float32))):
        logits = torch.tensor([[200.0, -200.0, 0.0], [200.0, -200.0, -200.0]], requires_grad=True)
        loss = mean_loss(task, labels, logits, loss="focal", focal_gamma=gamma)
        loss.backward()
        assert logits.grad is not None
        assert torch.isfinite(loss)
        assert torch.isfinite(logits.grad).all()


@pytest.mark.parametrize("task", [SINGLE, MULTI, own_task("regression")], ids=lambda task: str(task.problem))
def test_the_default_is_the_loss_of_evaluations_to_the_bit(task: Task) -> None:
    labels: Labels = {"single_label": IDS, "multi_label": SETS, "regression": SETS[:, 0]}[task.problem]
    logits = LOGITS if task.labels else LOGITS[:, :1]
    loss = TrainingLoss(task, TrainingConfig(), labels)
    assert loss.batch_weight(np.arange(7)) == 7
    assert loss.sum(logits, torch.from_numpy(labels)).item() == loss_sum(logits, torch.from_numpy(labels), task).item()


def test_balanced_weights_are_scikit_learns() -> None:
    balanced = TrainingConfig(class_weights="balanced")
    expected = compute_class_weight("balanced", classes=np.arange(CLASSES), y=IDS)
    np.testing.assert_allclose(class_weights(SINGLE, balanced, IDS), expected)  # type: ignore[arg-type]
    without = class_weights(own_task("single_label", 5), balanced, IDS)
    assert without is not None
    np.testing.assert_allclose(without, [*expected, 1, 1])


def test_balanced_weights_of_label_sets_are_rows_outside_by_rows_inside() -> None:
    sets = np.array([[1, 1, 0], [0, 1, 0], [0, 1, 0], [0, 1, 0]], np.float32)
    weights = class_weights(MULTI, TrainingConfig(class_weights="balanced"), sets)
    np.testing.assert_allclose(weights, [3, 0.25, 1])  # type: ignore[arg-type]
