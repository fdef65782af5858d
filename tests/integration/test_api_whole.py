"""The Python API as a program uses it, in a process that is connected to Ray: its page's example and what follows."""

from __future__ import annotations

import doctest
import importlib
import logging
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import ray

import gluetune
from gluetune.errors import ConfigError, StorageError
from searches import ROOT

PAGE = "docs/reference/api.md"
pytestmark = [pytest.mark.ray, pytest.mark.slow]


def python_example() -> str:
    """The first Python block of the API's page; the README's is run from the installed wheel."""
    found = re.search(r"```python\n(.*?)```", (ROOT / PAGE).read_text(), re.DOTALL)
    assert found is not None
    return found[1]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The current folder of the program."""
    before, folder = Path.cwd(), tmp_path_factory.mktemp("program")
    os.chdir(folder)
    yield folder
    os.chdir(before)


@pytest.fixture(scope="module")
def program(ray_cluster: None, folder: Path) -> dict[str, Any]:
    """The variables of the page's program after it has run: the one search of these tests."""
    variables: dict[str, Any] = {}
    tuning = {name: value for name, value in os.environ.items() if name.startswith("TUNE_")}
    exec(compile(python_example(), PAGE, "exec"), variables)
    assert {name: value for name, value in os.environ.items() if name.startswith("TUNE_")} == tuning
    return variables


def test_the_result_holds_trials_and_winners(program: dict[str, Any], folder: Path) -> None:
    result, best = program["result"], program["best"]
    assert ray.is_initialized()
    assert (result.status, result.name, result.tasks) == ("complete", "first", ["cola"])
    assert result.folder == str(folder / "runs" / "first")
    assert result.tracking_uri.startswith("sqlite:///")
    frame = result.to_pandas()
    assert list(frame["status"]) == ["finished", "finished"]
    assert {f"params_{name}" for name in best.params} <= set(frame.columns)
    assert frame["best_score"].max() == best.score
    assert best.name in repr(result)
    assert not logging.getLogger("gluetune").handlers


def test_wrong_tasks_are_named(program: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="nearest: 'cola'"):
        program["result"].best("colla")


def test_the_model_is_loaded_from_its_folder_its_run_and_mlflow(program: dict[str, Any]) -> None:
    result, best = program["result"], program["best"]
    texts = ["the cat sat on the mat .", "mat the on sat cat ."]
    expected = best.load(device="cpu").predict_proba(texts)
    for loaded in (
        gluetune.load(result.folder),
        gluetune.load(best.folder),
        gluetune.load(best.model_uri, tracking_uri=result.tracking_uri),
    ):
        assert loaded.task.name == "cola"
        assert abs(loaded.predict_proba(texts) - expected).max() < 1e-5


def test_a_name_is_taken_once_and_the_folder_is_free_afterwards(program: dict[str, Any]) -> None:
    for _ in range(2):  # a refusal keeps no lock
        with pytest.raises(StorageError, match="must be empty"):
            gluetune.tune(name="first", tasks=["cola"], data={"source": "synthetic"}, progress=False)


def test_the_examples_of_the_docstrings(program: dict[str, Any]) -> None:
    """In order: a later one reads what an earlier one has left."""
    finder, runner = doctest.DocTestFinder(), doctest.DocTestRunner()
    names = (
        "gluetune.api.calls",
        "gluetune.api.results",
        "gluetune.inference.classifier",
        "gluetune.reporting.recorded_runs",
        "gluetune",
        "gluetune.api.verification",
        "gluetune.api.acting",
    )
    for module in map(importlib.import_module, names):
        for example in sorted(finder.find(module, globs={"gluetune": gluetune}), key=lambda test: test.lineno or 0):
            runner.run(example)
    assert runner.summarize(verbose=False).failed == 0
    assert runner.tries > 10
