"""The wheel in an environment without the checkout: its commands run from an empty folder, with what it ships."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
import sysconfig
import tarfile
import venv
from collections.abc import Callable
from importlib.metadata import distributions
from pathlib import Path

import pytest

from searches import ROOT

# By the installed distributions, because importing or finding the module pip keeps setuptools, and so torch's compiler,
# from being imported later in this process.
INSTALLED = {distribution.name for distribution in distributions()}
MISSING = sorted({"hatchling", "pip"} - INSTALLED)
pytestmark = [
    pytest.mark.ray,
    pytest.mark.slow,
    pytest.mark.skipif(bool(MISSING), reason=f"builds and installs a wheel, which needs {' and '.join(MISSING)}"),
]

SHORT = ("--num-samples", "1", "--max-train-samples", "64", "--max-eval-samples", "32", "--max-concurrent-trials", "1")
Run = Callable[..., str]


def run(command: list[str | Path], folder: Path) -> str:
    """Run a command in a folder, without this session's import path; return what it printed."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        command, cwd=folder, env=environment | {"COLUMNS": "120"}, capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel built from the source distribution, which is built from the checkout."""
    folder = tmp_path_factory.mktemp("dist")
    build = [sys.executable, "-m", "hatchling", "build", "-d", folder]
    run([*build, "-t", "sdist"], ROOT)  # type: ignore[list-item]
    (archive,) = folder.glob("*.tar.gz")
    with tarfile.open(archive) as sources:
        sources.extractall(folder, filter="data")
    run([*build, "-t", "wheel"], folder / archive.name.removesuffix(".tar.gz"))  # type: ignore[list-item]
    (wheel,) = folder.glob("*.whl")
    return wheel


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Run a program of an environment with the wheel, in a folder that starts empty.

    The environment imports this one's libraries by a .pth file, whose folder's own .pth files, such as that of an
    editable install, Python leaves unread.
    """
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=False)
    (site,) = folder.glob("lib/python*/site-packages")
    (site / "libraries.pth").write_text(f"{sysconfig.get_path('purelib')}\n{sysconfig.get_path('platlib')}\n")
    pip = [sys.executable, "-m", "pip", "--python", folder / "bin" / "python", "--disable-pip-version-check"]
    run([*pip, "install", "--quiet", "--no-deps", "--no-index", "--ignore-installed", wheel], folder)  # type: ignore[list-item]
    empty = tmp_path_factory.mktemp("empty")
    return lambda program, *arguments: run([folder / "bin" / program, *arguments], empty)


@pytest.fixture(scope="module")
def quickstart(installed: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a shortened quickstart."""
    runs = tmp_path_factory.mktemp("runs")
    installed("gluetune", "tune", *SHORT, "--name", "quick", "--storage-path", str(runs))
    return runs / "quick"


def test_gluetune_is_the_wheels(installed: Run) -> None:
    printed = installed("python", "-c", "import gluetune; print(gluetune.__file__)")
    assert str(ROOT) not in printed
    assert "site-packages/gluetune/__init__.py" in printed


def test_the_quickstart_searches_its_three_tasks(quickstart: Path) -> None:
    summary = json.loads((quickstart / "summary.json").read_text())
    assert {trial["task"] for trial in summary["trials"]} == {"cola", "mrpc", "stsb"}
    assert all((quickstart / "winners" / task / "model.safetensors").is_file() for task in ("cola", "mrpc", "stsb"))


def test_job_files_and_search_spaces_are_found_by_their_names(installed: Run) -> None:
    job = ("--config", "jobs/glue_all.yaml", "--tasks", "cola", "--data", "synthetic")
    model = ("--model-name-or-path", "synthetic", "--space", "bert_recommended")
    assert "bert_recommended" in installed("gluetune", "tune", *job, *model, *SHORT, "--dry-run")


def test_a_winner_predicts(installed: Run, quickstart: Path, tmp_path: Path) -> None:
    rows, answers = tmp_path / "rows.tsv", tmp_path / "answers.tsv"
    rows.write_text("index\tsentence\n0\tThe book was read by all.\n1\tThe book read was.\n")
    model = ("--checkpoint", str(quickstart / "winners" / "cola"), "--tasks", "cola")
    installed("gluetune", "predict", *model, "--input", str(rows), "--output", str(answers))
    assert len(answers.read_text().splitlines()) == 3


def test_the_python_example_of_the_readme_runs(installed: Run, tmp_path: Path) -> None:
    (example,) = re.findall(r"```python\n(import gluetune\n.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    rows = [f"Charged twice,Order {number} was charged twice.,billing" for number in range(40)]
    rows += [f"Cannot log in,The code {number} is refused.,login" for number in range(40)]
    (tmp_path / "tickets.csv").write_text("\n".join(["title,body,topic", *rows, ""]))
    short = example.replace('"num_samples": 4', '"num_samples": 1').replace(
        "sentence-transformers/all-MiniLM-L6-v2", "synthetic"
    )
    *_, labels = installed("python", "-c", short.replace("tickets.csv", str(tmp_path / "tickets.csv"))).splitlines()
    assert set(ast.literal_eval(labels)) <= {"billing", "login"}
