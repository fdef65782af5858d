"""Logs outside of a run's folder are private, and do not stay where nothing went wrong."""

from __future__ import annotations

import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from gluetune.api.session import open_folder
from gluetune.cli.process import temporary_log
from gluetune.cli.terminal import Terminal
from gluetune.errors import StorageError
from gluetune.storage import Storage


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder for temporary files."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_the_logs_of_a_bucket_runs_drivers_are_apart_and_private(temporary: Path) -> None:
    logs = [open_folder(Storage("gs://bucket/runs"), "mine")[1] for _ in range(2)]
    assert logs[0].parent != logs[1].parent
    for log in logs:
        assert log.parent.parent == temporary
        assert "mine" in log.parent.name
        assert stat.S_IMODE(log.parent.stat().st_mode) == 0o700


def test_a_log_that_nothing_was_written_to_leaves_no_folder(tmp_path: Path) -> None:
    code = "from gluetune.cli.process import private_log; print(private_log('mine'))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"TMPDIR": str(tmp_path), "PYTHONPATH": ":".join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.startswith(str(tmp_path))
    assert not list(tmp_path.iterdir())


def test_a_command_that_leaves_no_run_leaves_no_log(temporary: Path) -> None:
    terminal = Terminal()
    with temporary_log(terminal) as log, terminal.logging_to(log):
        assert log.exists()
    assert not list(temporary.iterdir())


def test_the_log_of_a_command_that_fails_is_kept_and_named(temporary: Path, capfd: pytest.CaptureFixture[str]) -> None:
    terminal = Terminal()
    with pytest.raises(StorageError), temporary_log(terminal) as log, terminal.logging_to(log):
        raise StorageError("no")
    assert log.exists()
    assert str(log) in "".join(capfd.readouterr()).replace("\n", "")
