"""Settings of losses: their values, which of them fit a task, and which train the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pydantic
import pytest

from gluetune.config import (
    SearchSpace,
    TaskFacts,
    TrainingConfig,
    equivalence_key,
    idle_fields,
    load_job,
    loss_issues,
    parse_job,
)
from gluetune.errors import ConfigError
from gluetune.tasks import TASKS
from training_setup import own_task

EMPTY = SearchSpace(space={})


def space_of(**fields: Any) -> SearchSpace:
    return SearchSpace(name="mine", space=fields)


@pytest.mark.parametrize(
    "value", [{"b": 2, "a": 0.5}, {"a": 0.5, "b": 2.0}, '{"b": 2, "a": 0.5}'], ids=["mapping", "sorted", "json"]
)
def test_equal_weights_are_one_value(value: Any) -> None:
    training = TrainingConfig(class_weights=value)
    assert training.label_weights == {"a": 0.5, "b": 2.0}
    assert training == TrainingConfig.model_validate({"class_weights": {"a": 0.5, "b": 2}})
    assert TrainingConfig(**training.model_dump()) == training  # as journals hold it


@pytest.mark.parametrize(
    ("value", "part"),
    [
        ("balance", "nearest: 'balanced'"),
        ({"a": 0}, "but got 0 for 'a'"),
        ({"a": True}, "but got True for 'a'"),
        ({"a": "2"}, "but got '2' for 'a'"),
        ({}, "empty mapping"),
        ('{"a": 2', "no JSON"),
        (3, "none, balanced"),
    ],
    ids=str,
)
def test_wrong_weights_are_one_message(value: Any, part: str) -> None:
    with pytest.raises(pydantic.ValidationError):
        TrainingConfig(class_weights=value)
    text = f"tasks: [cola]\ntraining:\n  class_weights: {value!r}\n".encode()
    with pytest.raises(ConfigError) as caught:
        parse_job(text, "job.yaml")
    (issue,) = caught.value.issues
    assert (issue.path, issue.line) == ("training.class_weights", 3)
    assert part in issue.message


@pytest.mark.parametrize(
    ("task", "fields", "parts"),
    [
        ("cola", {"loss": "mse"}, ("auto, cross_entropy, focal", "cola", "one label per row", "'mse'")),
        ("cola", {"loss": "bce"}, ("focal", "'bce'")),
        ("stsb", {"loss": "focal"}, ("auto, mse", "numbers as labels", "'focal'")),
        ("stsb", {"class_weights": "balanced"}, ("must be none", "stsb")),
        ("stsb", {"label_smoothing": 0.1}, ("must be 0.0", "stsb", "0.1")),
        ("stsb", {"sampler": "balanced"}, ("must be shuffle", "stsb")),
        ("mnli", {"class_weights": {"neutrl": 2}}, ("entailment, neutral, contradiction", "nearest: 'neutral'")),
    ],
    ids=str,
)
def test_a_setting_that_does_not_fit_a_task_is_one_message(
    task: str, fields: dict[str, Any], parts: tuple[str, ...]
) -> None:
    (issue,) = loss_issues(TASKS[task], EMPTY, TrainingConfig(**fields))
    assert issue.path == f"training.{next(iter(fields))}"
    assert all(part in issue.message for part in parts), issue.message


def test_a_job_file_names_the_line(tmp_path: Path) -> None:
    file = tmp_path / "job.yaml"
    file.write_text("tasks: [cola, stsb]\nsearch: {space: compact_bert}\ntraining:\n  loss: cross_entropy\n")
    with pytest.raises(ConfigError) as caught:
        load_job(str(file))
    (issue,) = caught.value.issues
    assert (issue.path, issue.line) == ("training.loss", 4)


def test_searched_values_are_checked_too() -> None:
    space = space_of(loss=["cross_entropy", "mse"], class_weights=["none", "balanced"])
    (issue,) = loss_issues(TASKS["cola"], space, TrainingConfig())
    assert issue.path == "search.space"
    assert "loss in search space 'mine'" in issue.message
    assert list(loss_issues(own_task("multi_label"), EMPTY, TrainingConfig(loss="focal", sampler="balanced"))) == []


def key(rows: int | None = None, **fields: Any) -> Any:
    return equivalence_key(TrainingConfig(**fields).model_dump(), TaskFacts(rows=rows))


@pytest.mark.parametrize(
    "fields",
    [
        {"loss": "cross_entropy"},
        {"focal_gamma": 1.0},
        {"loss": "focal", "focal_gamma": 0.0},
        {"min_delta": 0.1},
        {"weight_average": 1},
        {"patience": 2},  # 3 evaluations: the second and third without improvement end what is at its end
    ],
    ids=str,
)
def test_settings_without_effect_train_the_same(fields: dict[str, Any]) -> None:
    assert key(rows=100, **fields) == key(rows=100)


@pytest.mark.parametrize(
    "fields",
    [
        {"loss": "focal"},
        {"loss": "focal", "focal_gamma": 1.0},
        {"patience": 1},
        {"patience": 1, "min_delta": 0.1},
        {"weight_average": 2},
        {"weight_average": 3},
        {"ema_decay": 0.9},
        {"ema_decay": 0.99},
    ],
    ids=str,
)
def test_settings_with_an_effect_train_differently(fields: dict[str, Any]) -> None:
    assert key(rows=100, **fields) != key(rows=100)


def test_more_weights_than_evaluations_are_all_of_them() -> None:
    assert key(rows=100, weight_average=3) == key(rows=100, weight_average=9)
    assert key(weight_average=3) != key(weight_average=9)  # the number of evaluations is not known
    assert key(rows=100, ema_decay=0.9, weight_average=2) == key(rows=100, ema_decay=0.9)


def test_idle_fields_of_a_space_are_found() -> None:
    space = space_of(focal_gamma=[1.0, 2.0], min_delta=[0.0, 0.1], weight_average=[1, 2])
    assert set(idle_fields(space, TrainingConfig(ema_decay=0.9))) == {"focal_gamma", "min_delta", "weight_average"}
    assert set(idle_fields(space, TrainingConfig(loss="focal", patience=1))) == set()
