"""Output that no process reads: the command goes on without it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from gluetune.cli.terminal import Terminal
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
    """Runs a script with standard input, output and error closed."""
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
