"""Metrics of probabilities and of predicted numbers, equal to scikit-learn's and SciPy's.

Those of probabilities take labels and probabilities, both ``[rows, classes]``, one column for each class. Where a value
is not defined for a class, because no row or every row is of it, the class is left out of the mean.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

_Floats = NDArray[np.float64]
ProbabilityMetric = Callable[[NDArray[np.bool_], _Floats], float]
NumberMetric = Callable[[NDArray[np.float32], NDArray[np.float32]], float]
_CHANCE = 0.5


def roc_auc(labels: NDArray[np.bool_], probabilities: _Floats) -> float:
    """Area under the ROC curve, the mean over classes; 0.5 (chance) where no class has rows inside and outside."""
    found = [
        _area(of_class, scores)
        for of_class, scores in zip(labels.T, probabilities.T, strict=True)
        if 0 < np.count_nonzero(of_class) < len(of_class)
    ]
    return float(np.mean(found)) if found else _CHANCE


def _area(positive: NDArray[np.bool_], scores: _Floats) -> float:
    """Return the share of pairs of a positive and a negative row in which the positive one has the higher score."""
    _, position, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[position]  # of equal scores, their mean rank
    count = np.count_nonzero(positive)
    return float((ranks[positive].sum() - count * (count + 1) / 2) / (count * (len(scores) - count)))


def average_precision(labels: NDArray[np.bool_], probabilities: _Floats) -> float:
    """Mean of precisions weighted by the increase in recall, the mean over classes; 0.0 where no class has a row."""
    pairs = zip(labels.T, probabilities.T, strict=True)
    found = [_precision_area(of_class, scores) for of_class, scores in pairs if of_class.any()]
    return float(np.mean(found)) if found else 0.0


def _precision_area(positive: NDArray[np.bool_], scores: _Floats) -> float:
    order = np.argsort(-scores, kind="stable")
    last = np.append(np.diff(scores[order]) != 0, True)  # the last row of each distinct score
    hits, rows = np.cumsum(positive[order])[last], np.flatnonzero(last) + 1
    return float(np.sum(np.diff(hits, prepend=0) * hits / rows) / hits[-1])


def log_loss(labels: NDArray[np.bool_], probabilities: _Floats) -> float:
    """Mean over rows of minus the logarithm of the label's probability, which counts as at least 2.2e-16."""
    smallest = np.finfo(np.float64).eps
    return float(-np.mean(np.log(np.clip(probabilities[labels], smallest, 1 - smallest))))


def binary_log_loss(labels: NDArray[np.bool_], probabilities: _Floats) -> float:
    """Mean over rows and classes of the log loss of a multi-label task, each class being a decision of its own."""
    return log_loss(np.ones_like(labels), np.where(labels, probabilities, 1 - probabilities))


def squared_error_of_classes(labels: NDArray[np.bool_], probabilities: _Floats) -> float:
    """Brier score of more than two classes: mean over rows of the sum over classes of squared errors, from 0 to 2."""
    return float(np.mean(np.sum((probabilities - labels) ** 2, axis=1)))


def squared_error_of_probabilities(labels: NDArray[np.bool_], probabilities: _Floats) -> float:
    """Brier score of two classes or of a multi-label task: mean over rows and classes of squared errors."""
    return float(np.mean((probabilities - labels) ** 2))


def _correlation(statistic: NumberMetric) -> NumberMetric:
    """Wrap a correlation: 0.0 where predictions or labels are constant, without SciPy's warnings and NaN."""

    def metric(predictions: NDArray[np.float32], labels: NDArray[np.float32]) -> float:
        return statistic(predictions, labels) if np.ptp(predictions) and np.ptp(labels) else 0.0

    return metric


def _pearson(predictions: NDArray[np.float32], labels: NDArray[np.float32]) -> float:
    from scipy.stats import pearsonr

    return float(pearsonr(predictions.astype(np.float64), labels.astype(np.float64)).statistic)


def _spearman(predictions: NDArray[np.float32], labels: NDArray[np.float32]) -> float:
    from scipy.stats import spearmanr

    return float(spearmanr(predictions, labels).statistic)


pearson, spearman = _correlation(_pearson), _correlation(_spearman)


def r2(predictions: NDArray[np.float32], labels: NDArray[np.float32]) -> float:
    """Share of the labels' variance that predictions explain; of constant labels 1.0 if all are met, else 0.0."""
    residual, total = mse(predictions, labels), float(np.var(labels.astype(np.float64)))
    return 1 - residual / total if total else float(residual == 0)


def mse(predictions: NDArray[np.float32], labels: NDArray[np.float32]) -> float:
    """Mean squared error."""
    return float(np.mean((predictions.astype(np.float64) - labels) ** 2))


def mae(predictions: NDArray[np.float32], labels: NDArray[np.float32]) -> float:
    """Mean absolute error."""
    return float(np.mean(np.abs(predictions.astype(np.float64) - labels)))
