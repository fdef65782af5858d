"""Each job file of examples/ is accepted as it is, and its command checks data and encoder by a dry run."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from examples.data.make_data import write_all
from gluetune.config import load_job
from markdown_pages import ROOT
from searches import run_here

EXAMPLES = ROOT / "examples"
JOBS = sorted(path for path in EXAMPLES.glob("*.yaml") if not path.name.endswith("-space.yaml"))
# Flags in place of what a machine without network does not reach.
OFFLINE = {
    "encoders.yaml": ["--model-name-or-path", "synthetic"],
    "glue.yaml": ["--data", "synthetic", "--model-name-or-path", "synthetic"],
    "cluster.yaml": ["--data", "synthetic", "--model-name-or-path", "synthetic"],
}
every_job = pytest.mark.parametrize("path", JOBS, ids=lambda path: path.name)


@every_job
def test_a_job_file_of_the_examples_is_accepted_and_names_its_command(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    load_job(str(path))
    assert re.search(rf"^# gluetune .*tune --config examples/{path.name}$", path.read_text(), re.MULTILINE)


@every_job
@pytest.mark.docs
def test_a_dry_run_of_an_example_checks_its_data_and_prints_the_plan(path: Path, tmp_path: Path) -> None:
    flags = [
        *OFFLINE.get(path.name, []),
        "--storage-path",
        str(tmp_path),
        "--tracking-uri",
        f"sqlite:///{tmp_path}/m.db",
    ]
    printed = run_here("--config", path, *flags, "--dry-run", script="tune")
    assert "trials" in printed
    assert not list(tmp_path.iterdir())


def test_the_examples_readme_has_a_line_for_each_file() -> None:
    text = (EXAMPLES / "README.md").read_text()
    files = [*EXAMPLES.glob("*.yaml"), *EXAMPLES.glob("notebooks/*.ipynb")]
    assert [path.name for path in files if f"({path.relative_to(EXAMPLES)})" not in text] == []


def test_the_data_files_of_the_examples_are_those_that_their_script_writes(tmp_path: Path) -> None:
    write_all(tmp_path)
    made = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert made == {path.name: path.read_bytes() for path in (EXAMPLES / "data").glob("*.csv")}
