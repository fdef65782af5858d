"""What a model says of labelled rows, as metrics use it: predictions, probabilities and counts."""

from __future__ import annotations

from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from gluetune.tasks.decision_metrics import Counts
from gluetune.tasks.task import Task

DEFAULT_THRESHOLD = 0.5
"""The probability above which a class is predicted where no threshold was tuned."""


class Outputs:
    """A model's outputs for labelled rows, as metrics use them.

    Args:
        task: the task.
        logits: [rows, num_labels] float32, finite.
        labels: [rows] class ids; of a multi-label task [rows, classes] 0 and 1; of a regression [rows] numbers.
        thresholds: [classes] probabilities above which a class is predicted, of a task with two classes or a
            multi-label one; ``None`` for 0.5, and for the likeliest of two classes.
        predictions: what is predicted, where it does not follow from logits and thresholds; see `predictions`.
    """

    def __init__(
        self,
        task: Task,
        logits: np.ndarray,
        labels: np.ndarray,
        thresholds: NDArray[np.float64] | None = None,
        *,
        predictions: np.ndarray | None = None,
    ) -> None:
        self.task, self._logits, self.labels, self._thresholds = task, logits, labels, thresholds
        self._given = predictions

    @cached_property
    def predictions(self) -> np.ndarray:
        """[rows] class ids or numbers; of a multi-label task [rows, classes] bool."""
        if self._given is not None:
            return self._given
        if self.task.regression:
            numbers: np.ndarray = self._logits[:, 0]
            return numbers
        return predicted_classes(self.task, self._logits, self._thresholds)

    @cached_property
    def probabilities(self) -> NDArray[np.float64]:
        """[rows, classes] of a classification."""
        return class_probabilities(self.task, self._logits)

    @cached_property
    def counts(self) -> Counts:
        """Decisions and labels of a classification, counted."""
        if self.task.multi_label:
            return Counts.of_label_sets(self.predictions, self.labels > DEFAULT_THRESHOLD)
        return Counts.of_classes(self.predictions, self.labels, self.task.num_labels)

    @cached_property
    def indicators(self) -> NDArray[np.bool_]:
        """[rows, classes] whether a row is of a class."""
        is_of_class: NDArray[np.bool_] = (
            self.labels > DEFAULT_THRESHOLD
            if self.task.multi_label
            else np.arange(self.task.num_labels) == self.labels[:, None]
        )
        return is_of_class

    def of_second_class(self, array: np.ndarray) -> np.ndarray:
        """Return the column of the second of two classes, [rows, 1]; all columns of a task with other classes."""
        binary = self.task.problem == "single_label" and self.task.num_labels == 2
        return array[:, 1:] if binary else array


def class_probabilities(task: Task, logits: np.ndarray) -> NDArray[np.float64]:
    """Compute [rows, classes] probabilities: softmax, or the logistic function for each class of a multi-label task.

    Args:
        task: a classification.
        logits: [rows, classes].
    """
    wide = logits.astype(np.float64)
    with np.errstate(over="ignore"):  # 1 / inf is 0
        if task.multi_label:
            return np.asarray(1 / (1 + np.exp(-wide)))
        exponentials = np.exp(wide - wide.max(axis=1, keepdims=True))
    return np.asarray(exponentials / exponentials.sum(axis=1, keepdims=True))


def predicted_classes(task: Task, logits: np.ndarray, thresholds: NDArray[np.float64] | None = None) -> np.ndarray:
    """Decide for classes: [rows] ids of the likeliest ones, or [rows, classes] bool of a multi-label task.

    Args:
        task: a classification.
        logits: [rows, classes].
        thresholds: [classes] probabilities above which a class of a multi-label task, or the second of two classes, is
            predicted; ``None`` for 0.5, and for the likeliest of two classes.
    """
    if task.multi_label:
        return np.asarray(logits > 0 if thresholds is None else class_probabilities(task, logits) > thresholds)
    if thresholds is None:
        return np.asarray(logits.argmax(axis=1))
    return np.asarray(class_probabilities(task, logits)[:, 1] > thresholds[1]).astype(np.int64)
