"""GLUE's metrics against values worked out by hand."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
import sklearn.metrics

from gluetune.tasks import TASKS, metrics
from gluetune.tasks.decision_metrics import Counts


@pytest.fixture(autouse=True)
def _no_warnings() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", ResourceWarning)  # of objects of other tests that are collected in this one
        yield


def logits_of(classes: list[int], num_labels: int = 2) -> np.ndarray:
    return np.eye(num_labels, dtype=np.float32)[classes] * 3 - 1


def test_every_metric_of_every_task_is_in_the_table() -> None:
    assert {name for task in TASKS.values() for name in task.metrics} <= set(metrics.METRICS)
    for task in TASKS.values():
        assert task.primary in task.metrics
        assert [metrics.check_metric(name, task.problem, task.num_labels) for name in task.metrics if task.train] == [
            "" for _ in task.metrics if task.train
        ]


def test_matthews_correlation_by_hand() -> None:
    # true positives 3, true negatives 1, false positives 1, false negatives 1: (3*1 - 1*1) / sqrt(4*4*2*2) = 0.25
    values = metrics.compute_metrics(TASKS["cola"], logits_of([1, 1, 1, 0, 1, 0]), np.array([1, 1, 1, 0, 0, 1]))
    assert values == {"matthews_correlation": pytest.approx(0.25), "accuracy": pytest.approx(4 / 6)}


def test_f1_is_of_class_one_and_the_mean_is_primary() -> None:
    # precision 2/3, recall 1: F1 0.8; accuracy 3/4
    values = metrics.compute_metrics(TASKS["mrpc"], logits_of([1, 1, 1, 0]), np.array([1, 1, 0, 0]))
    assert values == {"accuracy": 0.75, "f1": pytest.approx(0.8), "accuracy_and_f1": pytest.approx(0.775)}


def test_correlations_of_scores() -> None:
    labels = np.array([0, 1, 2, 5], np.float32)
    values = metrics.compute_metrics(TASKS["stsb"], np.array([[1], [2], [3], [4]], np.float32), labels)
    assert values["spearman"] == pytest.approx(1.0)
    assert values["pearson"] == pytest.approx(np.corrcoef([1, 2, 3, 4], labels)[0, 1])
    assert values["pearson_and_spearman"] == pytest.approx((values["pearson"] + 1) / 2)


@pytest.mark.parametrize("name", list(TASKS))
def test_constant_predictions_score_without_warnings(name: str) -> None:
    task = TASKS[name]
    labels = np.arange(12, dtype=np.float32) % 5 if task.regression else np.arange(12) % task.num_labels
    values = metrics.compute_metrics(task, np.ones((12, task.num_labels), np.float32), labels)
    zero = {"matthews_correlation", "pearson", "spearman", "pearson_and_spearman", "f1"}
    assert {name: values[name] for name in values.keys() & zero} == dict.fromkeys(values.keys() & zero, 0.0)
    assert all(isinstance(value, float) for value in values.values())


@pytest.mark.parametrize("name", ["cola", "mrpc", "mnli"])
def test_rows_of_one_class_only_score_without_warnings(name: str) -> None:
    task = TASKS[name]
    values = metrics.compute_metrics(task, logits_of([0, 0, 0], task.num_labels), np.zeros(3, np.int64))
    assert values["accuracy"] == 1.0


@pytest.mark.parametrize(
    ("name", "labels", "expected"),
    [
        ("rte", [0, 1, 1], 2 / 3),
        ("mrpc", [1, 1, 1, 0], (0.75 + 6 / 7) / 2),
        ("cola", [1, 1, 0], 0.0),
        ("stsb", [0.0, 2.5, 5.0], 0.0),
    ],
)
def test_baseline_is_the_primary_metric_of_a_constant_prediction(name: str, labels: Any, expected: Any) -> None:
    assert metrics.baseline_score(TASKS[name], np.array(labels)) == pytest.approx(expected)


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("skill", [0.0, 0.6, 1.0])
def test_metrics_from_counts_equal_scikit_learns_to_the_bit(classes: Any, skill: Any) -> None:
    generator = np.random.default_rng(classes)
    for rows in (1, 2, 7, 408, 9815):
        labels = generator.integers(classes, size=rows)
        predictions = np.where(generator.random(rows) < skill, labels, generator.integers(classes, size=rows))
        counts = Counts.of_classes(predictions, labels, classes)
        names = ("accuracy", "matthews_correlation", "f1")
        got = {name: metrics.METRICS[name].of_counts(counts) for name in names}  # type: ignore[misc]
        assert got["accuracy"] == sklearn.metrics.accuracy_score(labels, predictions)
        if rows > 2:  # of a single class it warns
            assert got["matthews_correlation"] == sklearn.metrics.matthews_corrcoef(labels, predictions)
        if classes == 2:
            assert got["f1"] == sklearn.metrics.f1_score(labels, predictions, zero_division=0.0)
        assert {type(value) for value in got.values()} == {float}  # checkpoints hold no NumPy scalars
