"""The process of a command: its standard streams, its stop signals, its log, and how its run is resumed."""

from __future__ import annotations

import shlex
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from gluetune.api.frontend import Frontend
from gluetune.api.session import private_log
from gluetune.api.submitted import in_submitted_job, submission
from gluetune.cli.terminal import Terminal, announce_resume
from gluetune.config import StorageConfig
from gluetune.storage import Storage
from gluetune.storage.durable import absolute
from gluetune.supervisor import own_process_group, report, stop_on_signals
from gluetune.supervisor.process import gc_paused

_PROGRAM = ("gluetune", "__main__.py")  # what runs the command `gluetune`, without its folder


class ProcessFrontend(Frontend):
    """A command: stop signals end its run in an orderly way, and only its own lines reach the terminal.

    Args:
        terminal: the user's.
    """

    def __init__(self, terminal: Terminal) -> None:
        super().__init__(terminal.out)
        self._terminal = terminal

    def resume_command(self, name: str, storage: StorageConfig, address: str | None, *, score: bool = True) -> str:
        """The shell command that resumes a run that was stopped."""
        return resume_command_line(name, storage, address, () if score else ("--mode", "train"))

    def announce(self, command: str) -> None:
        """Prints how to resume the run, and reports it to the parent process."""
        announce_resume(command, self._terminal)

    def begin(self) -> None:
        """Reports to the parent process that a stop must be an orderly one from now on."""
        report(starting=False)

    def logging_to(self, log: Path) -> AbstractContextManager[None]:
        """Sends the process's standard streams to the log, except for what the terminal's consoles print."""
        return self._terminal.logging_to(log)

    def log_place(self, log: Path) -> str:
        """Says in brackets where the output of libraries goes."""
        return f" (its output, and that of the libraries, goes to {log})"

    def connect(self, address: str | None) -> str:
        """Connects to Ray such that stop signals end this process as they do before and after."""
        stop_on_signals()
        with own_process_group():
            where = super().connect(address)
        stop_on_signals()  # Ray has set a handler of its own for SIGTERM
        return where

    def importing(self) -> AbstractContextManager[None]:
        """Surrounds slow imports: the garbage collector is paused, and what is there afterwards is never collected."""
        return gc_paused()

    @contextmanager
    def connected(self) -> Iterator[None]:
        """Surrounds a session on Ray; the environment ends with the process."""
        yield


def resume_command_line(name: str, storage: StorageConfig, address: str | None, more: Sequence[str] = ()) -> str:
    """The shell command that resumes a run from any folder; of a submitted job, the one that submits it again.

    Args:
        name: the run's name.
        storage: where the run lies.
        address: the Ray cluster's address, where one was given.
        more: further arguments.
    """
    where = ["--storage-path", Storage(storage.path).uri()] + (["--address", address] if address else [])
    arguments = ["--resume", name, *where, *more]
    program = Path(sys.argv[0])
    if program.name in _PROGRAM:
        command = [sys.argv[1], *arguments]
        if in_submitted_job():
            return shlex.join(["gluetune", "submit", "--", *command])
        return shlex.join([sys.executable, "-m", "gluetune", *command])
    if in_submitted_job():
        return submission([sys.argv[0], *arguments])
    return shlex.join([sys.executable, str(absolute(program)) if program.is_file() else sys.argv[0], *arguments])


@contextmanager
def temporary_log(terminal: Terminal) -> Iterator[Path]:
    """The log of a command that leaves no run behind: removed after it, or named where the command fails.

    Args:
        terminal: where to name it.
    """
    log = private_log("log")
    try:
        yield log
    except BaseException:
        if log.exists():
            terminal.note(f"the output of Ray and other libraries is in {log}")
        raise
    shutil.rmtree(log.parent, ignore_errors=True)
