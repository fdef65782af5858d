"""Metrics of decisions, which follow from counts of rows: accuracy, precision, recall, F1, Matthews' correlation.

They are computed here, equal to scikit-learn's, because importing scikit-learn takes a second, which the driver and
each worker would spend before the first step.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Counts:
    """Decisions and labels, counted.

    Attributes:
        hits: [classes] int64, rows of the class that it was predicted for.
        predicted: [classes] int64, rows that the class was predicted for.
        actual: [classes] int64, rows of the class.
        rows: number of rows.
        correct: number of rows whose prediction is right; of a multi-label task, in every class.
        multi_label: whether a row can have any number of classes.
    """

    hits: NDArray[np.int64]
    predicted: NDArray[np.int64]
    actual: NDArray[np.int64]
    rows: int
    correct: int
    multi_label: bool = False

    @classmethod
    def of_classes(cls, predictions: NDArray[np.int64], labels: NDArray[np.int64], classes: int) -> Counts:
        """Count the decisions of a task with one class per row.

        Args:
            predictions: [rows] predicted class ids.
            labels: [rows] class ids.
            classes: number of classes of the task.
        """
        hits = np.bincount(labels[predictions == labels], minlength=classes)
        predicted, actual = np.bincount(predictions, minlength=classes), np.bincount(labels, minlength=classes)
        return cls(hits, predicted, actual, len(labels), int(hits.sum()))

    @classmethod
    def of_label_sets(cls, predictions: NDArray[np.bool_], labels: NDArray[np.bool_]) -> Counts:
        """Count the decisions of a multi-label task.

        Args:
            predictions: [rows, classes] whether the class was predicted.
            labels: [rows, classes] whether the row is of the class.
        """
        hits, predicted, actual = (
            np.count_nonzero(each, axis=0) for each in (predictions & labels, predictions, labels)
        )
        correct = np.count_nonzero((predictions == labels).all(axis=1))
        return cls(hits, predicted, actual, len(labels), int(correct), multi_label=True)


DecisionMetric = Callable[[Counts], float]


def accuracy(counts: Counts) -> float:
    """Share of rows that are right; of a multi-label task, rows that are right in every class."""
    return counts.correct / counts.rows


def balanced_accuracy(counts: Counts) -> float:
    """Mean recall of the classes that have rows."""
    occurs = counts.actual > 0
    return float(np.mean(counts.hits[occurs] / counts.actual[occurs]))


def matthews_correlation(counts: Counts) -> float:
    """Correlation of class ids (Gorodkin 2004 for more than two); 0.0 where predictions or labels are all the same."""
    rows, predicted, actual = counts.rows, counts.predicted, counts.actual
    spread = float(rows**2 - predicted @ predicted) * float(rows**2 - actual @ actual)
    return float((counts.correct * rows - actual @ predicted) / np.sqrt(spread)) if spread else 0.0


def precision(counts: Counts) -> float:
    """Precision of the second of two classes; 0.0 where it is never predicted."""
    return float(_precisions(counts)[1])


def recall(counts: Counts) -> float:
    """Recall of the second of two classes; 0.0 where it has no rows."""
    return float(_recalls(counts)[1])


def f1(counts: Counts) -> float:
    """F1 of the second of two classes; 0.0 where neither predictions nor labels contain it."""
    return float(_f1s(counts)[1])


def accuracy_and_f1(counts: Counts) -> float:
    """Mean of accuracy and F1, the figure of GLUE for tasks with both."""
    return (accuracy(counts) + f1(counts)) / 2


def _precisions(counts: Counts) -> NDArray[np.float64]:
    return _ratio(counts.hits, counts.predicted)


def _recalls(counts: Counts) -> NDArray[np.float64]:
    return _ratio(counts.hits, counts.actual)


def _f1s(counts: Counts) -> NDArray[np.float64]:
    return _ratio(2 * counts.hits, counts.predicted + counts.actual)


def _ratio(part: NDArray[np.int64], whole: NDArray[np.int64]) -> NDArray[np.float64]:
    """Divide; 0.0 where the whole is 0, as scikit-learn's ``zero_division=0``."""
    return np.divide(part, whole, out=np.zeros(len(whole)), where=whole > 0)


_BY_CLASS = {"precision": _precisions, "recall": _recalls, "f1": _f1s}


def by_class(counts: Counts) -> dict[str, NDArray[np.float64]]:
    """Return ``precision``, ``recall`` and ``f1`` of each class, [classes]; 0.0 where one is not defined."""
    return {name: values(counts) for name, values in _BY_CLASS.items()}


def macro(name: str) -> DecisionMetric:
    """Return the mean over classes of ``precision``, ``recall`` or ``f1``.

    As scikit-learn does, it leaves out classes of a single-label task that neither labels nor predictions contain.
    """

    def metric(counts: Counts) -> float:
        values = _BY_CLASS[name](counts)
        return float(np.mean(values if counts.multi_label else values[counts.predicted + counts.actual > 0]))

    return metric


def weighted(name: str) -> DecisionMetric:
    """Return the mean over classes of ``precision``, ``recall`` or ``f1``, weighted by the rows of each class."""

    def metric(counts: Counts) -> float:
        total = counts.actual.sum()
        return float(_BY_CLASS[name](counts) @ counts.actual / total) if total else 0.0

    return metric


def micro(name: str) -> DecisionMetric:
    """Return ``precision``, ``recall`` or ``f1`` over the decisions for all classes together."""

    def metric(counts: Counts) -> float:
        hits, predicted, actual = (np.array([each.sum()]) for each in (counts.hits, counts.predicted, counts.actual))
        return float(_BY_CLASS[name](Counts(hits, predicted, actual, counts.rows, counts.correct))[0])

    return metric
