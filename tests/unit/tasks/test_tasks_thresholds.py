"""Decision thresholds: the best ones by brute force, where none are tuned, and the report on classes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import sklearn.metrics as sk

from gluetune.tasks import Task, metrics
from gluetune.tasks.class_report import report_classes
from gluetune.tasks.outputs import Outputs, class_probabilities, predicted_classes
from gluetune.tasks.thresholds import tune_thresholds, tunes_thresholds
from training_setup import own_task


def tuned(task: Task) -> Task:
    return replace(task, tuned_thresholds=True)


def binary(rows: int = 120) -> tuple[np.ndarray, np.ndarray]:
    """Logits that are too low for the second class, of which a fifth of the rows are."""
    generator = np.random.default_rng(3)
    labels = (generator.random(rows) < 0.2).astype(np.int64)
    logits = generator.normal(size=(rows, 2)).astype(np.float32)
    logits[:, 1] += 1.5 * labels - 1.5
    return logits, labels


@pytest.mark.parametrize("metric", ["f1", "matthews_correlation", "balanced_accuracy", "accuracy", "f1_macro"])
def test_the_threshold_of_two_classes_is_the_best_of_all(metric: str) -> None:
    task, (logits, labels) = tuned(own_task("single_label", 2, metric)), binary()
    thresholds = tune_thresholds(task, logits, labels)
    shares = class_probabilities(task, logits)[:, 1]
    possible = [*np.unique(shares), 0.0]
    expected = max(
        metrics.metric_value(metric, Outputs(task, logits, labels, predictions=(shares > cut).astype(np.int64)))
        for cut in possible
    )
    got = metrics.compute_metrics(task, logits, labels, thresholds)[metric]
    assert got == pytest.approx(expected)
    if metric == "f1":
        assert thresholds is not None
        assert thresholds.sum() == pytest.approx(1.0)
        assert got > metrics.compute_metrics(task, logits, labels)[metric]


def test_thresholds_change_decisions_and_not_probabilities() -> None:
    task, (logits, labels) = tuned(own_task("single_label", 2, "f1")), binary()
    thresholds = tune_thresholds(task, logits, labels)
    plain, with_them = (metrics.compute_metrics(task, logits, labels, each) for each in (None, thresholds))
    same = ("roc_auc", "log_loss", "brier", "average_precision")
    assert {name: plain[name] for name in same} == {name: with_them[name] for name in same}
    assert (predicted_classes(task, logits) != predicted_classes(task, logits, thresholds)).any()


@pytest.mark.parametrize("metric", ["f1_macro", "f1_micro", "accuracy", "f1_weighted"])
def test_thresholds_of_label_sets_make_the_metric_better(metric: str) -> None:
    generator = np.random.default_rng(4)
    labels = (generator.random((200, 4)) < [0.5, 0.2, 0.05, 0.3]).astype(np.float32)
    logits = (generator.normal(size=(200, 4)) + 2 * labels - [0, 1, 3, -1]).astype(np.float32)
    task = tuned(own_task("multi_label", 4, metric))
    thresholds = tune_thresholds(task, logits, labels)
    assert thresholds is not None
    assert thresholds.shape == (4,)
    before, after = (metrics.compute_metrics(task, logits, labels, each)[metric] for each in (None, thresholds))
    assert after > before
    if metric == "f1_macro":  # the mean over classes is best where each class's F1 is
        best = [
            max(sk.f1_score(labels[:, k], logits[:, k] >= cut, zero_division=0) for cut in np.unique(logits[:, k]))
            for k in range(4)
        ]
        assert after == pytest.approx(np.mean(best))


def test_a_model_that_is_right_keeps_one_half() -> None:
    labels = np.array([0, 1, 1, 0])
    logits = (np.eye(2, dtype=np.float32)[labels] - 0.5) * 4
    assert tune_thresholds(tuned(own_task("single_label", 2, "f1")), logits, labels) is None


def test_thresholds_are_for_decisions_of_two_classes_or_label_sets() -> None:
    names = {"f1": True, "roc_auc": False, "log_loss": False, "sklearn.metrics:cohen_kappa_score": True}
    assert {name: tunes_thresholds(tuned(own_task("single_label", 2, name))) for name in names} == names
    assert not tunes_thresholds(tuned(own_task("single_label", 3)))
    assert not tunes_thresholds(tuned(own_task("regression")))
    assert not tunes_thresholds(own_task("multi_label"))


def test_many_classes_take_seconds() -> None:
    """Fewer candidates are tried where there are more classes."""
    generator = np.random.default_rng(5)
    labels = (generator.random((500, 120)) < 0.05).astype(np.float32)
    logits = (generator.normal(size=(500, 120)) + 2 * labels - 2).astype(np.float32)
    task = tuned(own_task("multi_label", 120, "f1_micro"))
    thresholds = tune_thresholds(task, logits, labels)
    before, after = (metrics.compute_metrics(task, logits, labels, each)["f1_micro"] for each in (None, thresholds))
    assert after > before


def test_the_report_on_classes_is_scikit_learns() -> None:
    generator = np.random.default_rng(6)
    labels, logits = generator.integers(3, size=60), generator.normal(size=(60, 4)).astype(np.float32)
    report = report_classes(Outputs(own_task("single_label", 4), logits, labels))
    assert report is not None
    expected = sk.precision_recall_fscore_support(labels, logits.argmax(1), labels=range(4), zero_division=0)
    found: list[dict[str, Any]] = [report.precision, report.recall, report.f1, report.support]
    for got, values in zip(found, expected, strict=True):
        assert list(got) == [f"class{k}" for k in range(4)]
        np.testing.assert_allclose(list(got.values()), values)
    assert report.confusion == sk.confusion_matrix(labels, logits.argmax(1), labels=range(4)).tolist()


def test_the_report_on_label_sets_has_a_table_for_each_class() -> None:
    generator = np.random.default_rng(7)
    labels = (generator.random((50, 3)) < 0.4).astype(np.float32)
    logits = generator.normal(size=(50, 3)).astype(np.float32)
    report = report_classes(Outputs(own_task("multi_label"), logits, labels))
    assert report is not None
    assert report.outcomes == sk.multilabel_confusion_matrix(labels, logits > 0).reshape(3, 4).tolist()
    assert report.confusion == []
    np.testing.assert_allclose(list(report.f1.values()), sk.f1_score(labels, logits > 0, average=None))


def test_a_regression_has_no_classes_and_many_classes_no_table() -> None:
    assert report_classes(Outputs(own_task("regression"), np.zeros((2, 1), np.float32), np.zeros(2))) is None
    logits = np.eye(101, dtype=np.float32)
    report = report_classes(Outputs(own_task("single_label", 101), logits, np.arange(101)))
    assert report is not None
    assert report.confusion == []
    assert set(report.f1.values()) == {1.0}
