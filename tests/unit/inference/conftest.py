"""Tiny classifiers, one per task."""

from __future__ import annotations

from pathlib import Path

import pytest

from gluetune.inference import load_classifier
from gluetune.tasks import get_task
from tiny_classifiers import Tiny, write_classifier


@pytest.fixture
def tiny(tmp_path: Path) -> Tiny:
    """Make, save and load a tiny classifier for a task."""
    return lambda name: load_classifier(str(write_classifier(tmp_path / name, get_task(name))), get_task(name))
