"""What runs print around a Python program or a command: messages, and how to resume a run."""

from __future__ import annotations

import io
import logging
import shlex
import sys
from contextlib import closing
from pathlib import Path

import pytest
from rich.console import Console

from gluetune.api.frontend import Frontend, messages_to
from gluetune.api.new_runs import check_empty
from gluetune.api.session import read_files
from gluetune.cli.process import ProcessFrontend
from gluetune.cli.terminal import Terminal
from gluetune.config import StorageConfig
from gluetune.errors import StorageError
from gluetune.events import PRETRAINING_FILE, SPACE_FILE
from gluetune.storage import Storage

STORAGE = StorageConfig(path="/runs")


def test_a_run_that_is_not_scored_is_resumed_without_scoring() -> None:
    python = Frontend(Console(quiet=True), "gluetune.fine_tune(resume=")
    call = python.resume_command("one", STORAGE, "auto", score=False)
    assert call == "gluetune.fine_tune(resume='one', storage={'path': '/runs'}, address='auto', score=False)"
    assert "score" not in python.resume_command("one", STORAGE, None)
    with closing(Terminal()) as terminal:
        command = ProcessFrontend(terminal)
        assert shlex.split(command.resume_command("one", STORAGE, None, score=False))[-2:] == ["--mode", "train"]
        assert "--mode" not in command.resume_command("one", STORAGE, None)


def test_messages_reach_the_users_own_handlers_and_the_terminal_once() -> None:
    class Doubled(logging.StreamHandler):  # type: ignore[type-arg]  # no generic at run time
        def emit(self, record: logging.LogRecord) -> None:
            doubled.append(record.getMessage())

    root, kept = logging.getLogger(), io.StringIO()
    shown: list[str] = []
    doubled: list[str] = []
    handlers: list[logging.Handler] = [logging.StreamHandler(kept), Doubled(sys.stderr)]
    for handler in handlers:
        root.addHandler(handler)
    try:
        with messages_to(shown.append, shown.append, propagate=True):
            logging.getLogger("gluetune.api").info("one")
            logging.getLogger("elsewhere").warning("two")
        logging.getLogger("gluetune.api").warning("three")
    finally:
        for handler in handlers:
            root.removeHandler(handler)
    assert shown == ["one"]
    assert kept.getvalue().split() == ["one", "two", "three"]
    assert doubled == ["two", "three"]


def test_a_folder_that_is_taken_is_refused_with_what_to_do_in_either_form(tmp_path: Path) -> None:
    folder = Storage(str(tmp_path / "mine"))
    folder.write("report/summary.txt", b"")
    with pytest.raises(StorageError) as error:
        check_empty(folder, "mine")
    for form in ("--name", "--resume mine", "gluetune.resume('mine')"):
        assert form in str(error.value)


@pytest.mark.parametrize(
    ("file", "wanted", "call"),
    [
        (PRETRAINING_FILE, SPACE_FILE, "gluetune.pretrain(resume='mine')"),
        (SPACE_FILE, PRETRAINING_FILE, "gluetune.fine_tune(resume='mine')"),
    ],
)
def test_a_run_of_another_kind_is_named_with_what_resumes_it(file: str, wanted: str, call: str, tmp_path: Path) -> None:
    Storage(str(tmp_path)).write(f"mine/{file}", b"")
    with pytest.raises(StorageError) as error:
        read_files(Storage(str(tmp_path)), "mine", wanted)
    for form in ("--resume mine", call):
        assert form in str(error.value)
