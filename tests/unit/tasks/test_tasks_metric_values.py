"""Values of all metrics against scikit-learn's and SciPy's, and the rules where those are not defined."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.stats
import sklearn.metrics as sk
from scipy.special import softmax

from gluetune.tasks import Task, metrics
from gluetune.tasks.task import Problem

Expected = dict[str, float]


def task_of(problem: Problem, num_labels: int = 1, primary: str = "") -> Task:
    labels = () if problem == "regression" else tuple(f"class {number}" for number in range(num_labels))
    names = metrics.metrics_for(problem, num_labels, primary)
    return Task("own", "Own", ("text",), labels, names, names[0], layouts={}, problem=problem)


def averaged(name: str, labels: Any, predictions: Any) -> Expected:
    function: Callable[..., float] = getattr(sk, f"{name}_score")
    kinds = ("macro", "micro", "weighted")
    return {f"{name}_{kind}": function(labels, predictions, average=kind, zero_division=0) for kind in kinds}


def decisions(labels: Any, predictions: Any) -> Expected:
    found = {"accuracy": sk.accuracy_score(labels, predictions)}
    for name in ("f1", "precision", "recall"):
        found |= averaged(name, labels, predictions)
    return found


def of_classes(labels: Any, logits: Any) -> Expected:
    probabilities, predictions = softmax(logits, axis=1), logits.argmax(1)
    found = decisions(labels, predictions) | {
        "balanced_accuracy": sk.balanced_accuracy_score(labels, predictions),
        "matthews_correlation": sk.matthews_corrcoef(labels, predictions),
        "log_loss": sk.log_loss(labels, probabilities),
    }
    if logits.shape[1] == 2:
        second = probabilities[:, 1]
        return found | {
            **{name: getattr(sk, f"{name}_score")(labels, predictions) for name in ("f1", "precision", "recall")},
            "roc_auc": sk.roc_auc_score(labels, second),
            "average_precision": sk.average_precision_score(labels, second),
            "brier": sk.brier_score_loss(labels, second),
        }
    return found | {
        "roc_auc": sk.roc_auc_score(labels, probabilities, multi_class="ovr", average="macro"),
        "average_precision": sk.average_precision_score(labels, probabilities),
        "brier": sk.brier_score_loss(labels, probabilities),
    }


def of_label_sets(labels: Any, logits: Any) -> Expected:
    probabilities = 1 / (1 + np.exp(-logits))
    columns = list(zip(labels.T, probabilities.T, strict=True))
    return decisions(labels, logits > 0) | {
        "roc_auc": sk.roc_auc_score(labels, probabilities, average="macro"),
        "average_precision": sk.average_precision_score(labels, probabilities, average="macro"),
        "log_loss": float(np.mean([sk.log_loss(label, p) for label, p in columns])),
        "brier": float(np.mean([sk.brier_score_loss(label, p) for label, p in columns])),
    }


def of_numbers(labels: Any, predictions: Any) -> Expected:
    return {
        "pearson": scipy.stats.pearsonr(predictions, labels).statistic,
        "spearman": scipy.stats.spearmanr(predictions, labels).statistic,
        "r2": sk.r2_score(labels, predictions),
        "mse": sk.mean_squared_error(labels, predictions),
        "mae": sk.mean_absolute_error(labels, predictions),
    }


@pytest.mark.parametrize("classes", [2, 3, 7])
@pytest.mark.parametrize("rows", [20, 700])
def test_metrics_of_classes_are_scikit_learns(classes: int, rows: int) -> None:
    generator = np.random.default_rng(rows)
    labels = np.concatenate([np.arange(classes), generator.integers(classes, size=rows - classes)])
    logits = generator.normal(size=(rows, classes)).round(1)  # with equal scores
    logits[np.arange(rows), labels] += 0.5
    got = metrics.compute_metrics(task_of("single_label", classes), logits.astype(np.float32), labels)
    expected = of_classes(labels, logits.astype(np.float32).astype(np.float64))
    assert got == {name: pytest.approx(expected[name], rel=1e-9) for name in got}
    assert len(got) == (16 if classes == 2 else 13)


def test_classes_that_neither_labels_nor_predictions_contain_do_not_count() -> None:
    labels, logits = np.array([0, 0, 2, 2]), np.eye(5)[[0, 2, 2, 2]]
    got = metrics.compute_metrics(task_of("single_label", 5), logits.astype(np.float32), labels)
    assert got["f1_macro"] == pytest.approx(sk.f1_score(labels, [0, 2, 2, 2], average="macro"))
    assert got["roc_auc"] == pytest.approx(0.75)  # the mean over classes 0 and 2
    assert got["average_precision"] == pytest.approx((0.75 + 2 / 3) / 2)


@pytest.mark.parametrize("classes", [1, 2, 6])
def test_metrics_of_label_sets_are_scikit_learns(classes: int) -> None:
    generator = np.random.default_rng(classes)
    labels = (generator.random((300, classes)) < 0.3).astype(np.float32)
    logits = (generator.normal(size=(300, classes)) + labels).astype(np.float32)
    got = metrics.compute_metrics(task_of("multi_label", classes), logits, labels)
    expected = of_label_sets(labels, logits.astype(np.float64))
    if classes == 1:  # scikit-learn reads one column as two classes
        names: list[str] = ["accuracy", "roc_auc", "average_precision", "log_loss", "brier"]
        got = {name: got[name] for name in names}
    assert got == {name: pytest.approx(expected[name], rel=1e-9) for name in got}


def test_metrics_of_numbers_are_scikit_learns_and_scipys() -> None:
    generator = np.random.default_rng(5)
    labels = generator.normal(50, 20, size=400).astype(np.float32)
    predictions = (labels + generator.normal(0, 9, size=400)).astype(np.float32)
    got = metrics.compute_metrics(task_of("regression"), predictions[:, None], labels)
    expected = of_numbers(labels.astype(np.float64), predictions.astype(np.float64))
    assert got == {name: pytest.approx(value, rel=1e-6) for name, value in expected.items()}


UNDEFINED = {
    "one of two classes": ("single_label", 2, np.zeros(6, np.int64)),
    "one of four classes": ("single_label", 4, np.full(6, 2)),
    "no labels": ("multi_label", 3, np.zeros((6, 3), np.float32)),
    "all labels": ("multi_label", 3, np.ones((6, 3), np.float32)),
    "equal numbers": ("regression", 1, np.full(6, 2.5, np.float32)),
    "one number": ("regression", 1, np.full(1, 2.5, np.float32)),
    "one row": ("single_label", 3, np.array([1])),
}


@pytest.mark.parametrize("spread", [0.0, 1.0, 200.0])
@pytest.mark.parametrize("case", UNDEFINED)
def test_every_value_is_finite_and_raises_no_warning(case: str, spread: float) -> None:
    problem, classes, labels = UNDEFINED[case]
    task: Task = task_of(problem, classes)  # type: ignore[arg-type]
    logits = (np.random.default_rng(0).normal(size=(len(labels), classes)) * spread).astype(np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", ResourceWarning)  # of objects of other tests that are collected in this one
        values = metrics.compute_metrics(task, logits, labels)
        baselines = [metrics.baseline_score(task_of(problem, classes, name), labels) for name in values]  # type: ignore[arg-type]
    assert np.isfinite([*values.values(), *baselines]).all()
    assert {type(value) for value in values.values()} == {float}  # checkpoints hold no NumPy scalars


def test_baselines_are_those_of_a_constant_prediction() -> None:
    labels = np.array([0, 1, 1, 1])
    shares = np.tile([0.25, 0.75], (4, 1))
    got = {
        name: metrics.baseline_score(task_of("single_label", 2, name), labels)
        for name in ("accuracy", "f1_macro", "roc_auc", "log_loss", "brier", "average_precision")
    }
    assert got == {
        "accuracy": 0.75,
        "f1_macro": pytest.approx(sk.f1_score(labels, np.ones(4), average="macro")),
        "roc_auc": 0.5,
        "log_loss": pytest.approx(sk.log_loss(labels, shares)),
        "brier": pytest.approx(sk.brier_score_loss(labels, shares[:, 1])),
        "average_precision": 0.75,
    }
    several = np.array([[1, 0], [1, 0], [1, 1], [0, 0]], np.float32)
    assert metrics.baseline_score(task_of("multi_label", 2, "accuracy"), several) == 0.5
    assert metrics.baseline_score(task_of("regression", 1, "mse"), np.array([1, 3], np.float32)) == 1.0


@pytest.mark.parametrize(
    ("name", "sign"), [("accuracy", 1), ("log_loss", -1), ("brier", -1), ("mse", -1), ("mae", -1), ("r2", 1)]
)
def test_a_score_is_better_if_it_is_higher(name: str, sign: int) -> None:
    assert metrics.score_sign(name) == sign
    assert metrics.value_of_score(name, sign * 0.25) == 0.25
    assert metrics.greater_is_better(name) is (sign == 1)


@pytest.mark.parametrize(
    ("name", "problem", "classes", "parts"),
    [
        ("f1", "single_label", 3, ("3 classes", "'f1'", "f1_macro", "matthews_correlation")),
        ("mse", "multi_label", 3, ("several labels per row", "'mse'", "f1_micro")),
        ("accuracy", "regression", 1, ("numbers", "'accuracy'", "pearson")),
        ("acuracy", "single_label", 2, ("must be one of", "'acuracy'", "nearest: 'accuracy'", "module:function")),
        ("auc", None, 0, ("must be one of", "roc_auc")),
    ],
)
def test_a_metric_that_does_not_fit_is_refused(name: str, problem: Any, classes: int, parts: tuple[str, ...]) -> None:
    message = metrics.check_metric(name, problem, classes)
    assert all(part in message for part in parts), message


def test_all_fitting_metrics_are_recorded_with_the_ranking_one_first() -> None:
    assert metrics.metrics_for("regression", 1)[0] == "pearson"
    assert metrics.metrics_for("regression", 1, "mae") == ("mae", "pearson", "spearman", "r2", "mse")
    two, three = (metrics.metrics_for("single_label", classes) for classes in (2, 3))
    assert two[0] == three[0] == "f1_macro"
    assert set(two) - set(three) == {"f1", "precision", "recall"} - set(three)
    assert "f1_micro" not in two  # it is the accuracy
    assert metrics.metrics_for("single_label", 2, "f1_micro")[0] == "f1_micro"
    assert "f1_micro" in metrics.metrics_for("multi_label", 3)
