"""Tasks that other distributions register by entry points."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from gluetune.config import JobConfig
from gluetune.errors import ConfigError
from gluetune.tasks import get_task, plugin_names, plugins

MODULE = """
from gluetune import Task

value = Task("tickets", "Tickets", ("body",), ("a", "b"), ("accuracy",), "accuracy", layouts={})

def made():
    return value

def broken():
    raise RuntimeError("no such disk")

number = 3
"""
ENTRY_POINTS = """[gluetune.tasks]
tickets = support_tasks:value
renamed = support_tasks:made
broken = support_tasks:broken
number = support_tasks:number
missing = support_tasks:nothing
"""


@pytest.fixture(autouse=True)
def distribution(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An installed distribution with five entry points."""
    info = tmp_path / "support_tasks-1.2.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: support-tasks\nVersion: 1.2\n")
    (info / "entry_points.txt").write_text(ENTRY_POINTS)
    (tmp_path / "support_tasks.py").write_text(MODULE)
    monkeypatch.syspath_prepend(str(tmp_path))
    plugins.forget_plugins()
    yield
    plugins.forget_plugins()
    sys.modules.pop("support_tasks", None)


def test_a_registered_task_is_one_that_a_job_can_name() -> None:
    assert "tickets" in plugin_names()
    assert get_task("tickets").labels == ("a", "b")
    assert JobConfig(tasks=["cola", "tickets"]).tasks == {"cola": 1.0, "tickets": 1.0}  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("broken", "RuntimeError: no such disk"),
        ("number", "int"),
        ("missing", "AttributeError"),
        ("renamed", "'tickets'"),
    ],
)
def test_a_plugin_that_fails_is_named_with_its_distribution(name: str, reason: str) -> None:
    with pytest.raises(ConfigError) as caught:
        get_task(name)
    (issue,) = caught.value.issues
    assert "support-tasks 1.2" in issue.message
    assert reason in issue.message


def test_an_unknown_task_is_compared_with_registered_ones_too() -> None:
    with pytest.raises(ConfigError, match="nearest: 'tickets'"):
        get_task("tikets")
