"""Metrics of a regression on many resamples at once.

They equal those of `gluetune.tasks.score_metrics`, which take one set of rows, in a fraction of their time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

_Floats = NDArray[np.float64]
ResampledMetric = Callable[[Sequence[NDArray[np.float32]], NDArray[np.float32]], _Floats]
"""Takes predictions of each model, [resamples, rows], and labels [resamples, rows]; returns [resamples, models]."""


def _of_each(metric: Callable[[_Floats, _Floats], _Floats]) -> ResampledMetric:
    """Return a metric of several models from that of one."""

    def resampled(predictions: Sequence[NDArray[np.float32]], labels: NDArray[np.float32]) -> _Floats:
        wide = labels.astype(np.float64)
        return np.stack([metric(each.astype(np.float64), wide) for each in predictions], axis=1)

    return resampled


def _pearson(predictions: _Floats, labels: _Floats) -> _Floats:
    """Pearson's correlation of each row of two arrays; 0.0 where one is constant."""
    parts = [each - each.mean(axis=1, keepdims=True) for each in (predictions, labels)]
    products, squares, others = (np.einsum("ij,ij->i", *pair) for pair in (parts, [parts[0]] * 2, [parts[1]] * 2))
    varied = (np.ptp(predictions, axis=1) > 0) & (np.ptp(labels, axis=1) > 0)
    found = np.divide(products, np.sqrt(squares * others), out=np.zeros(len(labels)), where=varied)
    return np.asarray(np.clip(found, -1.0, 1.0))


def _spearman(predictions: Sequence[NDArray[np.float32]], labels: NDArray[np.float32]) -> _Floats:
    """Spearman's correlation: Pearson's of the ranks, of which equal numbers share the mean."""
    from scipy.stats import rankdata  # slow to import

    ranks = rankdata(labels, axis=1)
    return np.stack([_pearson(rankdata(each, axis=1), ranks) for each in predictions], axis=1)


def _mse(predictions: _Floats, labels: _Floats) -> _Floats:
    return np.asarray(np.mean((predictions - labels) ** 2, axis=1))


def _r2(predictions: _Floats, labels: _Floats) -> _Floats:
    residual, total = _mse(predictions, labels), labels.var(axis=1)
    explained = np.divide(residual, total, out=np.zeros(len(total)), where=total > 0)
    return np.asarray(np.where(total > 0, 1 - explained, residual == 0))


_of_pearson = _of_each(_pearson)
RESAMPLED: dict[str, ResampledMetric] = {
    "pearson": _of_pearson,
    "spearman": _spearman,
    "pearson_and_spearman": lambda predictions, labels: (
        (_of_pearson(predictions, labels) + _spearman(predictions, labels)) / 2
    ),
    "mse": _of_each(_mse),
    "mae": _of_each(lambda predictions, labels: np.asarray(np.mean(np.abs(predictions - labels), axis=1))),
    "r2": _of_each(_r2),
}
"""By the names of `gluetune.tasks.metrics.METRICS`."""
