"""The metrics of GLUE (Wang et al. 2019, https://gluebenchmark.com/tasks), as scikit-learn and SciPy have them.

A metric takes predictions and labels, both ``[rows]``, and returns one number; higher is better.

Importing scikit-learn takes a second, which driver and workers would spend before the first step. Metrics that follow
from counts are therefore computed here, equal to scikit-learn's to the bit, and only correlations of scores import
SciPy.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from gluetune.tasks.task import Task

Metric = Callable[[np.ndarray, np.ndarray], float]


def _correlation(statistic: Metric) -> Metric:
    """Wrap a correlation: 0.0 where predictions or labels are constant, without SciPy's warnings and NaN."""

    def metric(predictions: np.ndarray, labels: np.ndarray) -> float:
        return statistic(predictions, labels) if np.ptp(predictions) and np.ptp(labels) else 0.0

    return metric


def _mean(first: Metric, second: Metric) -> Metric:
    return lambda predictions, labels: (first(predictions, labels) + second(predictions, labels)) / 2


def _accuracy(predictions: np.ndarray, labels: np.ndarray) -> float:
    return float(np.mean(predictions == labels))


def _f1(predictions: np.ndarray, labels: np.ndarray) -> float:
    """F1 of class 1 (paraphrase, duplicate); 0.0 where neither predictions nor labels contain it."""
    both = np.count_nonzero((predictions == 1) & (labels == 1))
    either = np.count_nonzero(predictions == 1) + np.count_nonzero(labels == 1)
    return float(2 * both / either) if either else 0.0


def _matthews(predictions: np.ndarray, labels: np.ndarray) -> float:
    """Return the correlation of class ids (Gorodkin 2004 for more than two); 0.0 where either are all the same."""
    classes = 1 + int(max(predictions.max(), labels.max()))
    predicted, true = np.bincount(predictions, minlength=classes), np.bincount(labels, minlength=classes)
    rows, correct = len(labels), np.count_nonzero(predictions == labels)
    spread = float(rows**2 - predicted @ predicted) * float(rows**2 - true @ true)
    return float((correct * rows - true @ predicted) / np.sqrt(spread)) if spread else 0.0


def _pearson(predictions: np.ndarray, labels: np.ndarray) -> float:
    from scipy.stats import pearsonr

    return float(pearsonr(predictions.astype(np.float64), labels.astype(np.float64)).statistic)


def _spearman(predictions: np.ndarray, labels: np.ndarray) -> float:
    from scipy.stats import spearmanr

    return float(spearmanr(predictions, labels).statistic)


METRICS: dict[str, Metric] = {
    "accuracy": _accuracy,
    "f1": _f1,
    "accuracy_and_f1": _mean(_accuracy, _f1),
    "matthews_correlation": _matthews,
    "pearson": _correlation(_pearson),
    "spearman": _correlation(_spearman),
    "pearson_and_spearman": _mean(_correlation(_pearson), _correlation(_spearman)),
}


def compute_metrics(task: Task, logits: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """Compute all metrics of a task.

    Args:
        task: names the metrics.
        logits: ``[rows, num_labels]``, finite.
        labels: ``[rows]`` class ids, or scores for regression.

    Returns:
        Values by metric name, in the task's order. Constant predictions give correlations of 0.0.
    """
    predictions = logits[:, 0] if task.regression else logits.argmax(axis=1)
    return _score(task, predictions, labels)


def baseline_score(task: Task, labels: np.ndarray) -> float:
    """Compute the primary metric of a constant prediction: the majority class, or the mean for regression.

    Args:
        task: names the primary metric.
        labels: ``[rows]`` class ids, or scores for regression.
    """
    constant = labels.mean() if task.regression else np.bincount(labels).argmax()
    return _score(task, np.full(len(labels), constant), labels)[task.primary]


def _score(task: Task, predictions: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    return {name: METRICS[name](predictions, labels) for name in task.metrics}
