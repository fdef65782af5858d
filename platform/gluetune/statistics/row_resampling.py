"""A metric of several models on resamples of the rows that they share.

F1, Matthews' correlation and Pearson's correlation are no means over rows, so that they are computed anew on each
resample, by `gluetune.tasks.metrics`. Metrics of decisions follow from counts: rows on which all models decide alike
and whose labels are equal are counted once, and a resample is a weight of each of these groups.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from gluetune.statistics.regression_resamples import RESAMPLED, ResampledMetric
from gluetune.statistics.seed_outputs import SeedOutputs, model_outputs
from gluetune.tasks.decision_metrics import Counts, DecisionMetric
from gluetune.tasks.metrics import METRICS, metric_value
from gluetune.tasks.outputs import Outputs

_Floats = NDArray[np.float64]
_Integers = NDArray[np.int64]
_BATCH = 1 << 21  # row numbers that are drawn at a time
_MAX_EXACT = 1000  # different rows, each of which is left out by itself
_MAX_JACKKNIFE = 200  # groups of rows that are left out where there are more, or a metric is no function of counts


class MetricOnRows(Protocol):
    """A metric of several models on any of the rows that they share."""

    def on_all(self) -> _Floats:
        """Return the metric on all rows, [models]."""

    def on_draws(self, draws: _Integers) -> _Floats:
        """Return the metric on resamples, [resamples, models].

        Args:
            draws: [resamples, rows] row numbers.
        """

    def on_swaps(self, swaps: NDArray[np.bool_]) -> _Floats:
        """Return the metric of two models after their outputs were exchanged on some rows, [resamples, 2].

        Args:
            swaps: [resamples, rows] whether the outputs of a row are exchanged.
        """

    def without_rows(self) -> tuple[_Floats, _Floats]:
        """Return the metric without one row, or without one group of rows.

        Returns:
            The values, [rows left out, models], and how many rows have each of these values.
        """


def resamples_at_once(metric: str) -> bool:
    """Whether a metric is computed on many resamples at once, and not on one after another.

    Args:
        metric: a key of `gluetune.tasks.metrics.METRICS`, or a function of the user.
    """
    return metric in RESAMPLED or (metric in METRICS and METRICS[metric].of_counts is not None)


def metric_on_rows(parts: Sequence[SeedOutputs], metric: str) -> MetricOnRows:
    """Prepare a metric of all models of some configurations on the rows that these share.

    Args:
        parts: outputs of the configurations; their models are in this order.
        metric: a key of `gluetune.tasks.metrics.METRICS`, or a function of the user.

    Raises:
        ValueError: the configurations have other rows than each other.
    """
    labels = parts[0].labels
    if any(not np.array_equal(part.labels, labels) for part in parts):
        raise ValueError("outputs must be for the same rows in the same order, but their labels differ")
    if metric in RESAMPLED:
        return _RegressionRows(parts, RESAMPLED[metric])
    of_counts = METRICS[metric].of_counts if metric in METRICS else None
    return _IndexedRows(parts, metric) if of_counts is None else _CountedRows(parts, of_counts)


def resample_rows(scores: MetricOnRows, rows: int, resamples: int, generator: np.random.Generator) -> _Floats:
    """Return the metric of all models on rows that are drawn with replacement, [resamples, models].

    All models share the drawn rows. The draws are those of `scipy.stats.bootstrap` with the same generator.

    Args:
        scores: the models' metric.
        rows: number of rows.
        resamples: number of resamples.
        generator: draws the rows.
    """
    parts = [scores.on_draws(generator.integers(0, rows, (size, rows))) for size in _batches(rows, resamples)]
    return np.concatenate(parts)


def exchange_rows(scores: MetricOnRows, rows: int, resamples: int, generator: np.random.Generator) -> _Floats:
    """Return the metric of two models after their outputs were exchanged on half of the rows, [resamples, 2].

    Args:
        scores: the two models' metric.
        rows: number of rows.
        resamples: number of resamples.
        generator: draws whether the outputs of a row are exchanged.
    """
    parts = [scores.on_swaps(generator.random((size, rows)) < 0.5) for size in _batches(rows, resamples)]
    return np.concatenate(parts)


def _batches(rows: int, resamples: int) -> Iterator[int]:
    """Yield how many resamples are drawn at a time."""
    size = max(1, _BATCH // rows)
    for start in range(0, resamples, size):
        yield min(size, resamples - start)


class _IndexedRows:
    """A metric that is computed from the outputs of the drawn rows."""

    def __init__(self, parts: Sequence[SeedOutputs], metric: str) -> None:
        self._task, self._labels, self._metric = parts[0].task, parts[0].labels, metric
        self._models = [(outputs.logits, outputs.predictions) for outputs in model_outputs(parts)]

    def on_all(self) -> _Floats:
        return self._on(np.arange(len(self._labels)))

    def on_draws(self, draws: _Integers) -> _Floats:
        return np.array([self._on(rows) for rows in draws])

    def on_swaps(self, swaps: NDArray[np.bool_]) -> _Floats:
        found = np.empty((len(swaps), 2))
        for row, swap in enumerate(swaps):
            for side in (0, 1):
                (logits, decided), (other_logits, other_decided) = self._models[side], self._models[1 - side]
                exchanged = _exchanged(logits, other_logits, swap), _exchanged(decided, other_decided, swap)
                found[row, side] = self._value(*exchanged, self._labels)
        return found

    def without_rows(self) -> tuple[_Floats, _Floats]:
        rows, groups = np.arange(len(self._labels)), _groups(len(self._labels))
        return np.array([self._on(np.delete(rows, group)) for group in groups]), np.ones(len(groups))

    def _on(self, rows: _Integers) -> _Floats:
        labels = self._labels[rows]
        return np.array([self._value(logits[rows], decided[rows], labels) for logits, decided in self._models])

    def _value(self, logits: np.ndarray, predictions: np.ndarray, labels: np.ndarray) -> float:
        return metric_value(self._metric, Outputs(self._task, logits, labels, predictions=predictions))


class _RegressionRows:
    """A metric of a regression, computed on many resamples at once."""

    def __init__(self, parts: Sequence[SeedOutputs], metric: ResampledMetric) -> None:
        self._labels, self._metric = parts[0].labels, metric
        self._predictions = [outputs.predictions for outputs in model_outputs(parts)]

    def on_all(self) -> _Floats:
        return np.asarray(self._on(np.arange(len(self._labels))[None])[0])

    def on_draws(self, draws: _Integers) -> _Floats:
        return self._on(draws)

    def on_swaps(self, swaps: NDArray[np.bool_]) -> _Floats:
        first, second = self._predictions
        exchanged = [np.where(swaps, other, own) for own, other in ((first, second), (second, first))]
        return self._metric(exchanged, np.broadcast_to(self._labels, swaps.shape))

    def without_rows(self) -> tuple[_Floats, _Floats]:
        rows, groups = np.arange(len(self._labels)), _groups(len(self._labels))
        return np.concatenate([self._on(np.delete(rows, group)[None]) for group in groups]), np.ones(len(groups))

    def _on(self, rows: _Integers) -> _Floats:
        return self._metric([each[rows] for each in self._predictions], self._labels[rows])


class _CountedRows:
    """A metric of decisions, computed from counts of rows with the same label and the same decisions of all models."""

    def __init__(self, parts: Sequence[SeedOutputs], of_counts: DecisionMetric) -> None:
        self._of_counts, self._multi_label = of_counts, parts[0].task.multi_label
        models = list(model_outputs(parts))
        tables = [models[0].outputs.indicators, *(model.decisions for model in models)]  # each [rows, classes]
        _, first, group, sizes = np.unique(
            np.packbits(np.concatenate(tables, axis=1), axis=1),
            axis=0,
            return_index=True,
            return_inverse=True,
            return_counts=True,
        )
        self._group: _Integers = group.reshape(-1)
        self._sizes: _Floats = sizes.astype(np.float64)
        self._actual, *self._predicted = (table[first].astype(np.float64) for table in tables)

    def on_all(self) -> _Floats:
        return np.asarray(self._values(self._sizes[None])[0])

    def on_draws(self, draws: _Integers) -> _Floats:
        return self._values(self._weights(self._group[draws], len(self._sizes)))

    def on_swaps(self, swaps: NDArray[np.bool_]) -> _Floats:
        groups = len(self._sizes)
        weights = np.split(self._weights(self._group + groups * swaps, 2 * groups), 2, axis=1)
        sides = (self._predicted, self._predicted[::-1])
        return np.stack([self._metric(list(zip(weights, predicted, strict=True))) for predicted in sides], axis=1)

    def without_rows(self) -> tuple[_Floats, _Floats]:
        number = len(self._sizes)
        if number <= _MAX_EXACT:
            return self._values(self._sizes - np.eye(number)), self._sizes
        left_out = _groups(len(self._group))
        removed = [np.bincount(self._group[rows], minlength=number) for rows in left_out]
        return self._values(self._sizes - np.array(removed)), np.ones(len(left_out))

    def _weights(self, groups: _Integers, number: int) -> _Floats:
        """Return how many of the drawn rows are in each group, [resamples, number].

        Args:
            groups: [resamples, rows] the group of each drawn row.
            number: number of groups.
        """
        offsets = number * np.arange(len(groups))[:, None]
        counts = np.bincount((groups + offsets).ravel(), minlength=number * len(groups))
        return counts.reshape(len(groups), number).astype(np.float64)

    def _values(self, weights: _Floats) -> _Floats:
        """Return the metric of all models for weights of the groups, [resamples, groups]."""
        return np.stack([self._metric([(weights, predicted)]) for predicted in self._predicted], axis=1)

    def _metric(self, parts: Sequence[tuple[_Floats, _Floats]]) -> _Floats:
        """Return the metric of one model on resamples, [resamples].

        Args:
            parts: weights of the groups, [resamples, groups], with the model's decisions there, [groups, classes].
        """
        tables = [
            [decided * self._actual, decided, self._actual, (decided == self._actual).all(axis=1, keepdims=True)]
            for _, decided in parts
        ]
        hits, predicted, actual, correct = (
            np.rint(np.sum([weights @ each for (weights, _), each in zip(parts, column, strict=True)], axis=0))
            for column in zip(*tables, strict=True)
        )
        rows = np.rint(np.sum([weights.sum(axis=1) for weights, _ in parts], axis=0))
        classes = (array.astype(np.int64) for array in (hits, predicted, actual))
        return np.array(
            [
                self._of_counts(Counts(hit, decided, labelled, int(number), int(right), self._multi_label))
                for hit, decided, labelled, number, right in zip(*classes, rows, correct[:, 0], strict=True)
            ]
        )


def _groups(rows: int) -> list[_Integers]:
    """Return the row numbers in groups, each of one row where there are few."""
    return np.array_split(np.arange(rows), min(rows, _MAX_JACKKNIFE))


def _exchanged(own: np.ndarray, other: np.ndarray, swap: NDArray[np.bool_]) -> np.ndarray:
    """Return one model's outputs, with those of the other one where they are exchanged."""
    return np.where(swap.reshape(-1, *[1] * (own.ndim - 1)), other, own)
