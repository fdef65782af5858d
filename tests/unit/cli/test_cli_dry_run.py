"""``--dry-run`` checks what a start checks, and leaves nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from gluetune.api.new_runs import open_folder
from gluetune.cli.pretrain import main as pretrain
from gluetune.cli.process import OK, USER_ERROR
from gluetune.cli.tune import finetune_main, tune_main
from gluetune.storage import Storage
from tiny_classifiers import write_encoder


@pytest.fixture
def job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A job on generated data with a tiny encoder, run from an empty folder."""
    encoder, here = write_encoder(tmp_path / "encoder"), tmp_path / "here"
    here.mkdir()
    (tmp_path / "job.yaml").write_text(
        f"tasks: cola\ndata: {{max_train_samples: 20}}\nmodel: {{name_or_path: {encoder}}}\n"
    )
    monkeypatch.chdir(here)
    return str(tmp_path / "job.yaml")


def left(tmp_path: Path) -> list[Path]:
    return sorted((tmp_path / "here").rglob("*"))


@pytest.mark.parametrize("command", [tune_main, finetune_main])
@pytest.mark.parametrize("places", [[], ["--storage-path", "new/runs", "--tracking-uri", "sqlite:///other/mlflow.db"]])
def test_nothing_is_left(command: object, places: list[str], job: str, tmp_path: Path) -> None:
    assert callable(command)
    assert command(["--config", job, "--name", "one", "--dry-run", *places]) == OK
    assert left(tmp_path) == []


def test_nothing_is_left_of_a_pretraining_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "here").mkdir()
    (tmp_path / "text.txt").write_text("\n\n".join(f"the bear sleeps {n} .\nit wakes ." for n in range(20)))
    (tmp_path / "job.yaml").write_text(
        f"text: {{source: files, format: sentences, path: {tmp_path / 'text.txt'}}}\ntokenizer: {{vocab_size: 100}}\n"
    )
    monkeypatch.chdir(tmp_path / "here")
    assert pretrain(["--config", str(tmp_path / "job.yaml"), "--dry-run"]) == OK
    assert left(tmp_path) == []


def test_a_folder_that_another_driver_holds_is_refused(
    job: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    open_folder(Storage("runs"), "one")
    before = left(tmp_path)
    assert tune_main(["--config", job, "--name", "one", "--dry-run"]) == USER_ERROR
    assert "another one holds" in capsys.readouterr().err
    assert left(tmp_path) == before


def test_a_folder_that_cannot_be_made_is_refused(job: str, tmp_path: Path) -> None:
    (tmp_path / "here" / "runs").write_text("a file")
    assert tune_main(["--config", job, "--name", "one", "--dry-run"]) == USER_ERROR


def test_a_folder_that_is_not_empty_is_refused(job: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "here" / "runs" / "one").mkdir(parents=True)
    (tmp_path / "here" / "runs" / "one" / "job.yaml").write_text("{}")
    before = left(tmp_path)
    assert tune_main(["--config", job, "--name", "one", "--dry-run"]) == USER_ERROR
    assert "--resume one" in capsys.readouterr().err
    assert left(tmp_path) == before


@pytest.mark.parametrize(("mode", "confirms"), [("train_and_eval", True), ("train", False)])
def test_the_plan_of_a_run_that_is_not_scored_confirms_nothing(
    mode: str, confirms: bool, job: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path(job).write_text(Path(job).read_text() + "confirm: {top: 1, seeds: 2}\n")
    assert finetune_main(["--config", job, "--name", "one", "--dry-run", "--mode", mode]) == OK
    assert (
        any(line.startswith("confirmation") for line in map(str.strip, capsys.readouterr().out.splitlines()))
        is confirms
    )
