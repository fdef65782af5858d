"""The terminal: output that no process reads, unprintable text, and logs that are private and temporary."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from rich.table import Table
from rich.text import Text

from gluetune.api.new_runs import open_folder
from gluetune.cli.flags import ParsedArguments
from gluetune.cli.options import Program
from gluetune.cli.process import USER_ERROR, run, temporary_log
from gluetune.cli.terminal import Terminal, printable
from gluetune.cli.tune import tune_main
from gluetune.errors import StorageError
from gluetune.storage import Storage
from searches import ROOT, command

SCRIPTS = ("tune_glue.py", "finetune.py", "pretrain_bert.py", "export_submission.py", "benchmark.py")


def test_a_terminal_that_goes_away_ends_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    reading, writing = os.pipe()
    with os.fdopen(writing, "w") as stream:
        monkeypatch.setattr(sys, "stdout", stream)
        monkeypatch.setattr(sys, "stderr", stream)
        terminal = Terminal()
    monkeypatch.undo()
    os.close(reading)
    with terminal.logging_to(tmp_path / "ray.log"):
        for number in range(3):
            terminal.note(f"line {number}")
        terminal.out.print("a table " * 10_000)
    terminal.error("the disk is full")
    terminal.close()
    assert "the disk is full" in (tmp_path / "ray.log").read_text()


def test_a_slow_reader_gets_every_line_of_a_pipe_that_does_not_block(monkeypatch: pytest.MonkeyPatch) -> None:
    code = (
        "import os, sys; os.set_blocking(1, False)\n"
        "from gluetune.cli.terminal import Terminal\n"
        "terminal = Terminal()\n"
        "for _ in range(3000): terminal.note('x' * 100)"
    )
    said = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, cwd=ROOT, timeout=60, check=True)
    assert said.stdout.count(b"\n") == 3000


def closed(*arguments: str, script: str = "tune_glue.py") -> subprocess.CompletedProcess[bytes]:
    """Run a script with standard input, output and error closed."""
    return subprocess.run(
        ["sh", "-c", '"$@" <&- >&- 2>&-', "sh", *command(*arguments, script=script)], cwd=ROOT, timeout=60
    )


def test_closed_streams_are_no_mistake() -> None:
    assert closed("--help").returncode == 0
    assert closed("--tasks", "colla").returncode == 2


def test_files_that_are_opened_later_get_no_standard_stream(tmp_path: Path) -> None:
    code = (
        "import os\n"
        "from gluetune.cli.terminal import Terminal\n"
        "terminal = Terminal()\n"
        "lock = os.open('lock', os.O_CREAT | os.O_RDWR)\n"
        "from pathlib import Path\n"
        "with terminal.logging_to(Path('ray.log')):\n"
        "    os.write(2, b'a library says this')\n"
        "    terminal.note('a line')\n"
        "terminal.error('the end')\n"
        "assert lock > 2"
    )
    ran = subprocess.run(
        ["sh", "-c", '"$@" <&- >&- 2>&-', "sh", sys.executable, "-c", code],
        cwd=tmp_path,
        timeout=60,
        env=os.environ | {"PYTHONPATH": str(ROOT / "platform")},
    )
    assert ran.returncode == 0
    assert (tmp_path / "ray.log").read_text().splitlines() == ["a library says thiserror: the end"]


@pytest.mark.parametrize("script", set(SCRIPTS) - {"pretrain_bert.py"})  # its imports take seconds
def test_help_into_a_closed_pipe_is_no_mistake(script: str) -> None:
    process = subprocess.Popen(
        command("--help", script=script), cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    assert process.stderr.read() == b""
    assert process.wait(timeout=60) == 0


BAD = (
    "red \x1b[31m bell \x07 erase \x1b[2J C1 \x9b2J back \b return \r right-to-left \u202e half \ud800 line \u2028 \x00"
)


def unprintable(text: str) -> set[str]:
    return {character for character in text if character not in "\n\t\u00a0" and not character.isprintable()}


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain text, naïve 中文 🙂\n\tand \u00a0spaces", "plain text, naïve 中文 🙂\n\tand \u00a0spaces"),
        ("\x1b[31m\x07\x9b", "\\x1b[31m\\x07\\x9b"),
        ("\u202e\ud800\U000e0001", "\\u202e\\ud800\\U000e0001"),
    ],
)
def test_unprintable_characters_are_written_out(text: str, shown: str) -> None:
    assert printable(text) == shown


def test_no_way_to_print_lets_them_through(capfd: pytest.CaptureFixture[str]) -> None:
    terminal = Terminal()
    terminal.error(BAD)
    terminal.note(BAD)
    terminal.out.print(Text(BAD), soft_wrap=True)
    terminal.out.print(BAD, markup=False)
    terminal.out.print(BAD, style="bold", markup=False, emoji=False, highlight=False)
    table = Table()
    table.add_column(BAD)
    table.add_row(Text(BAD))
    terminal.out.print(table)
    terminal.close()
    captured = capfd.readouterr()
    assert not unprintable(captured.out + captured.err)
    assert "\\x1b[31m" in captured.err
    assert "\\u202e" in captured.out


def test_a_file_that_is_no_text_does_not_reach_the_terminal(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "gl\x1b[2Jue"
    (folder / "CoLA").mkdir(parents=True)
    (folder / "CoLA" / "train.tsv").write_bytes(b"gj04\t\x1b]0;title\x07\t\tText.\n")
    (folder / "CoLA" / "dev.tsv").write_bytes(b"gj04\t1\t\tText.\n")
    assert (
        tune_main(
            [
                "--tasks",
                "cola",
                "--data-dir",
                str(folder),
                "--data",
                "dir",
                "--dry-run",
                "--storage-path",
                str(tmp_path / "runs"),
                "--model-name-or-path",
                str(tmp_path / "no\x07where"),
            ]
        )
        == 2
    )
    captured = capfd.readouterr()
    assert not unprintable(captured.out + captured.err)
    assert "no\\x07where" in captured.err


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
    with temporary_log() as log, terminal.logging_to(log):
        assert log.exists()
    assert not list(temporary.iterdir())


def test_the_log_of_a_command_that_fails_is_kept_and_named_below_the_error(
    temporary: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    def act(_arguments: ParsedArguments, terminal: Terminal) -> int:
        with temporary_log() as log, terminal.logging_to(log):
            os.write(1, b"Ray says something")
            raise StorageError("the store is closed")

    assert run(Program("failing", "Fails.", None), act, []) == USER_ERROR
    (log,) = temporary.glob("*/*")
    output, errors = capfd.readouterr()
    assert "the store is closed" in errors
    assert str(log) in output.replace("\n", "")
    assert "Ray says something" in log.read_text()


def test_an_empty_log_of_a_command_that_fails_is_removed(temporary: Path) -> None:
    terminal = Terminal()
    with pytest.raises(StorageError) as failed, temporary_log() as log, terminal.logging_to(log):
        raise StorageError("no")
    assert not list(temporary.iterdir())
    assert not getattr(failed.value, "__notes__", [])
