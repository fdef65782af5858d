"""Fixtures of the cluster tests: the grid, one folder for all searches, and the search that all others must equal."""

from __future__ import annotations

from pathlib import Path

import pytest

from grids import write_grid
from hosts import missing
from jobs_api import copy_project
from searches import run


@pytest.fixture(scope="session")
def needs_hosts() -> None:
    """Skips where no namespaces can be made."""
    if (why := missing()) is not None:
        pytest.skip(why)


@pytest.fixture(scope="session")
def grid(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_grid(tmp_path_factory.mktemp("grid"))


@pytest.fixture(scope="session")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(scope="session")
def laptop(grid: Path, runs: Path) -> Path:
    """The undisturbed search on this machine."""
    run("--config", grid, "--name", "laptop", "--storage-path", runs)
    return runs / "laptop"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project, whose jobs are submitted."""
    return copy_project(tmp_path_factory.mktemp("projects") / "a folder with spaces")
