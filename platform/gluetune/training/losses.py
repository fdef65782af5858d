"""The loss that a trial trains: its kind, class weights and label smoothing, exact over micro-batches and workers.

A loss is a sum over rows, divided by a number that follows from the rows of the whole global batch. A worker knows
those rows, and so divides its part of the sum by the same number as torch's and transformers' losses divide the sum
over the batch.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from gluetune.config import TrainingConfig
from gluetune.data.examples import Labels
from gluetune.tasks import Task

_LEAST_DOUBT = 1e-8  # a smaller one has no gradient under a power below 1


class TrainingLoss:
    """The loss of one trial.

    Cross-entropy is torch's ``CrossEntropyLoss`` with its ``weight`` and ``label_smoothing``; without weights it is
    transformers' ``LabelSmoother`` too. For a multi-label task it is torch's ``BCEWithLogitsLoss`` with class weights
    as its ``pos_weight``, and targets that smoothing moves towards a half. The focal loss multiplies each class's part
    by ``(1 - p) ** focal_gamma``, where ``p`` is the probability of the truth (Lin et al. 2017, arXiv:1708.02002).

    Args:
        task: the task.
        training: the kind of loss and its settings.
        labels: labels of the training rows, from which ``balanced`` class weights follow.
        device: where logits are.
    """

    def __init__(self, task: Task, training: TrainingConfig, labels: Labels, device: str = "cpu") -> None:
        self._task, self._smoothing = task, training.label_smoothing
        self._gamma = training.focal_gamma if training.loss == "focal" else 0.0
        weights = class_weights(task, training, labels)
        self._weights = None if weights is None else torch.from_numpy(weights.astype(np.float32)).to(device)
        self._row_weights = None if weights is None or task.multi_label else weights[labels]

    def batch_weight(self, batch: NDArray[np.int64]) -> float:
        """Return what the sum over a global batch is divided by: its number of rows, or the sum of their weights.

        Args:
            batch: [rows] row numbers.
        """
        return len(batch) if self._row_weights is None else float(self._row_weights[batch].sum())

    def sum(self, logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Sum the loss over rows, in fp32.

        Args:
            logits: ``[rows, num_labels]``.
            labels: ``[rows]`` class ids, or numbers for regression; ``[rows, num_labels]`` 0 and 1 for multi-label.

        Returns:
            A scalar.
        """
        wide = logits.float()
        if self._task.regression:
            return functional.mse_loss(wide[:, 0], labels, reduction="sum")
        if self._task.multi_label:
            return self._of_label_sets(wide, labels)
        if self._gamma:
            return self._focal(wide, labels.long())
        return functional.cross_entropy(  # torch takes no int32 classes
            wide, labels.long(), self._weights, reduction="sum", label_smoothing=self._smoothing
        )

    def _of_label_sets(self, logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        targets = labels * (1 - self._smoothing) + self._smoothing / 2 if self._smoothing else labels
        if not self._gamma:
            total = functional.binary_cross_entropy_with_logits(
                logits, targets, pos_weight=self._weights, reduction="sum"
            )
            return total / logits.shape[1]
        parts = functional.binary_cross_entropy_with_logits(logits, targets, pos_weight=self._weights, reduction="none")
        probabilities = logits.sigmoid()
        doubt = probabilities + targets - 2 * probabilities * targets
        return (_focus(doubt, self._gamma) * parts).sum() / logits.shape[1]

    def _focal(self, logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        log_probabilities = logits.log_softmax(dim=1)
        parts = _focus(-log_probabilities.expm1(), self._gamma) * -log_probabilities
        if self._weights is not None:
            parts = parts * self._weights
        of_label = parts.gather(1, labels[:, None]).sum()
        return (1 - self._smoothing) * of_label + self._smoothing / logits.shape[1] * parts.sum()


def _focus(doubt: torch.Tensor, gamma: float) -> torch.Tensor:
    return doubt.clamp(min=_LEAST_DOUBT) ** gamma


def class_weights(task: Task, training: TrainingConfig, labels: Labels) -> NDArray[np.float64] | None:
    """Return the weight of each class, or of the rows inside each class of a multi-label task.

    ``balanced`` is scikit-learn's: rows / (classes with rows * rows of the class). For a multi-label task it is the
    number of rows outside the class for each one inside. A class without rows has the weight 1.

    Args:
        task: names the classes.
        training: the setting; classes that a mapping does not name have the weight 1.
        labels: labels of the training rows.

    Returns:
        [classes]; ``None`` where all weights are 1 by the setting, and for a regression.
    """
    if training.class_weights == "none" or task.regression:
        return None
    named = training.label_weights
    if named is not None:
        return _named_weights(task, named)
    if task.multi_label:
        inside = labels.sum(axis=0, dtype=np.float64)
        outside = np.maximum(len(labels) - inside, 1)
        return _ratio_or_one(outside, inside)
    rows = np.bincount(labels, minlength=task.num_labels)
    return _ratio_or_one(np.full(len(rows), float(len(labels))), np.count_nonzero(rows) * rows.astype(np.float64))


def _ratio_or_one(part: NDArray[np.float64], whole: NDArray[np.float64]) -> NDArray[np.float64]:
    ratio: NDArray[np.float64] = np.divide(part, whole, out=np.ones_like(whole), where=whole > 0)
    return ratio


def _named_weights(task: Task, named: Mapping[str, float]) -> NDArray[np.float64]:
    return np.array([named.get(label, 1.0) for label in task.labels])
