"""``gluetune report`` and `gluetune.report`: which file they write, of which runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import gluetune
from gluetune.api import report as module
from gluetune.api.report import REPORT_NAME, log_report
from gluetune.cli.commands import COMMANDS
from gluetune.reporting import summarise
from gluetune.reporting.page import REPORT_FILE
from recorded_folders import write_pretraining, write_search
from sample_search import BEGIN, events, folded, plan


@pytest.fixture(autouse=True)
def _runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_search("runs", "first", summary="complete")
    write_search("runs", "second", events()[:9], algorithm="random")
    write_pretraining(tmp_path / "runs", "bert")


def run(line: str, capfd: pytest.CaptureFixture[str], code: int = 0) -> str:
    """Run the command in this process and return what it prints."""
    assert COMMANDS["report"].load()[1](line.split()) == code
    out, err = capfd.readouterr()
    assert "Traceback" not in err
    return " ".join((err if code else out).split())


def test_the_report_of_a_run_is_in_its_folder(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "runs" / "first" / REPORT_FILE
    assert run("first", capfd) == str(path)
    assert path.read_bytes().startswith(b"<!DOCTYPE html>")
    path.unlink()
    assert gluetune.report("first") == str(path)
    assert path.exists()


@pytest.mark.parametrize("name", ["runs/first", "first --storage-path {}/runs", "{}/runs/first"])
def test_a_run_is_named_as_in_the_other_commands(name: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(name.format(tmp_path), capfd).endswith(f"runs/first/{REPORT_FILE}")


def test_two_runs_are_one_file_here(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run("first second", capfd) == str(tmp_path / "report_first_second.html")
    assert run("first second --output both/both.html", capfd) == str(tmp_path / "both" / "both.html")
    assert gluetune.report("first", "second", output="b.html") == str(tmp_path / "b.html")
    assert not Path("runs/first", REPORT_FILE).exists()


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("", ["NAME"]),
        ("frist", ["frist", "'first'"]),
        ("first frist", ["frist", "'first'"]),
        ("first runs/first", ["twice", "first"]),
        ("bert", ["bert", "pre-training"]),
        ("first --output runs", ["runs"]),
    ],
)
def test_mistakes_are_one_message(line: str, words: list[str], capfd: pytest.CaptureFixture[str]) -> None:
    message = run(line, capfd, code=2)
    assert [word for word in words if word not in message] == []


class Tracker:
    """Keeps what would be sent to MLflow."""

    def __init__(self) -> None:
        self.files: dict[str, tuple[str, bytes]] = {}
        self.result: list[str] = []

    def describe_result(self, sentences: list[str]) -> None:
        self.result += sentences

    def log_search_artifact(self, file: str, content: bytes) -> None:
        self.files["search"] = (file, content)

    def log_task_artifact(self, task: str, file: str, content: bytes) -> None:
        self.files[task] = (file, content)


def summary(folder: Any) -> Any:
    made = plan(name="first", folder=folder.uri())
    return summarise(made, folded(events()).values(), status="complete", session_started=BEGIN, now=BEGIN + 600)


def test_a_search_that_ends_writes_its_report_and_logs_it_by_task(tmp_path: Path) -> None:
    folder, tracker = write_search("runs", "ended"), Tracker()
    log_report(folder, summary(folder), tracker)  # type: ignore[arg-type]
    page = folder.read(REPORT_FILE)
    assert tracker.files["search"] == (REPORT_NAME, page)
    assert b"CoLA" in (page or b"")
    assert b"complete" in (page or b""), "the state is that of the summary, though this process has the folder's lock"
    assert list(tracker.files) == ["search", "cola", "mnli"]
    assert all(line.endswith(".") for line in tracker.result)
    assert b'id="task-cola"' in tracker.files["cola"][1]
    assert b'id="task-mnli"' not in tracker.files["cola"][1]


def test_a_page_without_optunas_plots_has_all_others(monkeypatch: pytest.MonkeyPatch, logged: Any) -> None:
    def broken(*arguments: Any, **settings: Any) -> None:
        raise ValueError("no such plot")

    monkeypatch.setattr("gluetune.search.study.study_figures", broken)
    page = Path(gluetune.report("first")).read_text()
    assert "Learning curves" in page
    assert "Score by hyperparameter" not in page
    assert all("no such plot" in message for message in logged())
    assert len(logged()) == 2, "one for each task"


def test_a_report_that_cannot_be_made_is_one_warning(monkeypatch: pytest.MonkeyPatch, logged: Any) -> None:
    def broken(*arguments: Any) -> bytes:
        raise RuntimeError("first line\nsecond line")

    monkeypatch.setattr(module, "render_page", broken)
    folder, tracker = write_search("runs", "ended"), Tracker()
    log_report(folder, summary(folder), tracker)  # type: ignore[arg-type]
    (message,) = logged()
    assert "first line" in message
    assert "gluetune report first" in message
    assert "second" not in message
    assert tracker.files == {}
