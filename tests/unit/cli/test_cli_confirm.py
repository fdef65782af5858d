"""``gluetune confirm``: what it refuses, how it is continued; and what ``gluetune show`` says of a confirmation."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path

import pytest

from confirmed_search import make_confirmation, start
from gluetune.cli.commands import COMMANDS
from gluetune.cli.confirm import ConfirmFrontend
from gluetune.cli.terminal import Terminal
from gluetune.config import StorageConfig
from gluetune.events import Journal
from gluetune.reporting import summarise_confirmation
from gluetune.storage import Storage
from recorded_folders import write_pretraining, write_search
from sample_search import started


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a complete search, of one without an evaluation, and of a pre-training run; ``runs`` here."""
    root = tmp_path / "runs"
    write_search(root, "small", summary="complete")
    write_search(root, "begun", [started(0, "cola")])
    write_pretraining(root, "bert")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "160")
    return root


def run(line: str, capfd: pytest.CaptureFixture[str], code: int = 0) -> str:
    """Run a command in this process and return what it prints."""
    name, *arguments = line.split()
    assert COMMANDS[name].load()[1](arguments) == code
    out, err = capfd.readouterr()
    assert "Traceback" not in out + err
    return err if code else out


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("confirm", ["NAME"]),
        ("confirm small --top 0", ["--top", ">= 1", "'0'"]),
        ("confirm small --seeds many", ["--seeds", "'many'"]),
        ("confirm smal", ["'smal'", "small"]),
        ("confirm begun", ["'begun'", "evaluated"]),
        ("confirm bert", ["'bert'", "pre-training"]),
        ("confirm small --max-concurrent-trials 0", ["--max-concurrent-trials", "0"]),
        ("confirm small --epochs 3", ["--epochs"]),
    ],
)
@pytest.mark.usefixtures("root")
def test_what_cannot_be_confirmed_is_refused(line: str, words: list[str], capfd: pytest.CaptureFixture[str]) -> None:
    said = run(line, capfd, code=2)
    assert [word for word in words if word not in said] == []
    assert "error: " in said


def test_the_same_command_continues_a_confirmation(tmp_path: Path) -> None:
    with closing(Terminal()) as terminal:
        command = ConfirmFrontend(terminal).resume_command("small", StorageConfig(path=str(tmp_path)), "auto")
    assert command.endswith(f"-m gluetune confirm small --storage-path {tmp_path} --address auto")


def test_show_prints_a_confirmation_and_how_far_one_is(root: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert "fresh" not in run("show small", capfd)
    folder = root / "small" / "confirmation"
    confirmation = summarise_confirmation(make_confirmation(folder))
    assert confirmation is not None
    assert "18 seeds done" in run("show small", capfd)
    file = root / "small" / "summary.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"confirmation": confirmation.model_dump()}))
    shown = run("show small", capfd)
    assert all(sentence in shown for sentence in confirmation.sentences)
    assert "seeds done" not in shown
    Journal(Storage(str(folder))).append(start(18, "cola", 1e-4, seed=5))
    assert "18 seeds done, 1 begun" in run("show small", capfd)
    printed = json.loads(run("show small --json", capfd))
    assert printed["confirmation"]["sentences"] == confirmation.sentences
