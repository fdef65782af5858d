"""Definitions of the user's own tasks as JSON: what a folder keeps is the task again."""

from __future__ import annotations

import json
import math

import pytest

from gluetune.errors import DataError
from gluetune.tasks import Task, get_task, scored_task
from gluetune.tasks.definition import TaskDefinition, dump_definitions, parse_definitions


def own(name: str = "tickets", **changes: object) -> Task:
    values = {
        "title": name,
        "columns": ("title", "body"),
        "labels": ("billing", "lögin"),
        "metrics": ("accuracy",),
        "primary": "accuracy",
        "dev": (),
        "test": ("test",),
        "files": {"train": "/home/ann/tickets.csv", "text": ["title", "body"], "label": ["topic"]},
    }
    return Task(name, **(values | changes), layouts={})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "task",
    [
        own(),
        own(labels=(), problem="regression", minimum=-math.inf, maximum=math.inf),
        own(labels=(), problem="regression", minimum=0.0, maximum=5.0),
        own(problem="multi_label", dev=("validation",), test=()),
    ],
)
def test_a_definition_is_strict_json_and_gives_the_task_again(task: Task) -> None:
    written = dump_definitions([task, get_task("cola")])
    json.loads(written, parse_constant=pytest.fail)
    assert parse_definitions(written, "tasks.json") == {"tickets": task}


def test_a_definition_for_others_does_not_say_where_the_files_are() -> None:
    definition = TaskDefinition.of(own()).without_places()
    assert definition.files == {"text": ["title", "body"], "label": ["topic"]}
    assert definition.task().own


@pytest.mark.parametrize("broken", [b"{", b"[]", b'{"version": 1}', b'{"version": 2, "tasks": {}}'])
def test_a_broken_file_is_named(broken: bytes) -> None:
    with pytest.raises(DataError, match=r"runs/x/tasks\.json"):
        parse_definitions(broken, "runs/x/tasks.json")


def test_rows_are_scored_as_those_of_the_models_task_or_of_one_that_it_answers() -> None:
    assert scored_task(get_task("mnli"), "ax") is get_task("ax")
    assert scored_task(get_task("mnli"), "validation_matched") is get_task("mnli")
    task = own("mine")
    assert scored_task(task, "test") is task
