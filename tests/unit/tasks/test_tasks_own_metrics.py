"""Metrics of the user: functions by their import paths."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import sklearn.metrics

from gluetune.errors import ConfigError
from gluetune.tasks import Task, metrics
from gluetune.tasks.task import Problem

SOURCE = '''
import numpy as np

LIMIT = 3

def expected_cost(y_true, y_pred):
    """A missed row of class 1 costs 5."""
    return float(np.mean(np.where(y_true > y_pred, 5.0, np.where(y_true < y_pred, 1.0, 0.0))))

def shape_of_probabilities(y_true, y_proba):
    return float(y_proba.ndim * 10 + y_proba.sum() / len(y_true))

def shape_of_sets(y_true, y_pred):
    assert y_true.dtype.kind == y_pred.dtype.kind == "i"
    return float((y_true == y_pred).mean())

def broken(y_true, y_pred):
    return {}["cost"]

def undefined(y_true, y_pred):
    return float("nan")
'''


@pytest.fixture(autouse=True)
def _module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "costs_of_a_test.py").write_text(SOURCE)
    (tmp_path / "broken_of_a_test.py").write_text("import no_such_distribution\n")
    monkeypatch.syspath_prepend(str(tmp_path))


def value(name: str, logits: np.ndarray, labels: np.ndarray, problem: Problem = "single_label") -> float:
    names = tuple(f"class {number}" for number in range(logits.shape[1]))
    task = Task("own", "Own", ("text",), names, (name, "accuracy"), name, layouts={}, problem=problem)
    return metrics.compute_metrics(task, logits, labels)[name]


def test_a_function_of_scikit_learn_is_a_metric() -> None:
    name, labels = "sklearn.metrics:cohen_kappa_score", np.array([0, 1, 2, 2])
    got = value(name, np.eye(3, dtype=np.float32)[[0, 1, 1, 2]], labels)
    assert got == pytest.approx(sklearn.metrics.cohen_kappa_score(labels, [0, 1, 1, 2]))
    assert metrics.check_metric(name, "single_label", 3) == ""
    assert metrics.score_sign(name) == 1


def test_less_is_better_where_the_name_says_so() -> None:
    name = "costs_of_a_test:expected_cost:min"
    assert value(name, np.eye(2, dtype=np.float32)[[0, 0, 1, 1]], np.array([0, 1, 1, 0])) == 1.5
    assert metrics.score_sign(name) == -1


def test_the_name_of_the_second_parameter_chooses_probabilities() -> None:
    name = "costs_of_a_test:shape_of_probabilities"
    labels = np.array([0, 1, 1, 0])
    assert value(name, np.zeros((4, 2), np.float32), labels) == pytest.approx(10.5)  # [rows]: those of class 1
    assert value(name, np.zeros((4, 3), np.float32), labels) == pytest.approx(21.0)  # [rows, classes]
    several = np.zeros((4, 2), np.float32)
    assert value(name, several, several, "multi_label") == pytest.approx(21.0)


def test_a_module_is_found_in_the_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    (folder / "beside_of_a_test.py").write_text("def always(y_true, y_pred):\n    return 0.25\n")
    monkeypatch.setattr("sys.path", [*sys.path])
    monkeypatch.chdir(folder)
    assert value("beside_of_a_test:always", np.zeros((2, 2), np.float32), np.array([0, 1])) == 0.25


def test_label_sets_are_whole_numbers() -> None:
    labels = np.array([[1, 0], [0, 1]], np.float32)
    assert value("costs_of_a_test:shape_of_sets", 2 * labels - 1, labels, "multi_label") == 1.0


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("costs_of_a_test:expected_costs", ("costs_of_a_test", "nearest: 'expected_cost'")),
        ("costs_of_a_test:LIMIT", ("must be a function", "int")),
        ("no_such_module_of_a_test:cost", ("cannot be imported", "ModuleNotFoundError")),
        ("broken_of_a_test:cost", ("broken_of_a_test cannot be imported", "no_such_distribution")),
        ("costs_of_a_test:", ("module:function", "costs_of_a_test:")),
        ("costs_of_a_test:expected_cost:max", ("module:function:min",)),
    ],
)
def test_a_function_that_cannot_be_imported_is_one_message(name: str, parts: tuple[str, ...]) -> None:
    message = metrics.check_metric(name, "single_label", 2)
    assert all(part in message for part in parts), message


@pytest.mark.parametrize(("function", "part"), [("broken", "KeyError: 'cost'"), ("undefined", "returned nan")])
def test_a_function_that_gives_no_number_is_one_message(function: str, part: str) -> None:
    with pytest.raises(ConfigError) as caught:
        value(f"costs_of_a_test:{function}", np.eye(2, dtype=np.float32), np.array([0, 1]))
    assert part in str(caught.value)
    assert [issue.path for issue in caught.value.issues] == ["tasks.own.metric"]
    assert f"costs_of_a_test:{function}" in str(caught.value)
