"""The command line around a run: it has the process, its standard streams and its signals for itself."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from gluetune.api.frontend import Frontend
from gluetune.cli import places
from gluetune.cli.terminal import Terminal, announce_resume
from gluetune.config import StorageConfig
from gluetune.supervisor import own_process_group, report, stop_on_signals
from gluetune.supervisor.process import gc_paused


class ProcessFrontend(Frontend):
    """A command: stop signals end its run in an orderly way, and only its own lines reach the terminal.

    Args:
        terminal: the user's.
    """

    def __init__(self, terminal: Terminal) -> None:
        super().__init__(terminal.out)
        self._terminal = terminal

    def resume_command(self, name: str, storage: StorageConfig, address: str | None, more: Sequence[str] = ()) -> str:
        """The shell command that goes on with a run that was stopped."""
        return places.resume_command(name, storage, address, more)

    def announce(self, command: str) -> None:
        """Prints how to go on with the run, and reports it to the parent process."""
        announce_resume(command, self._terminal)

    def begin(self) -> None:
        """Tells the parent process that a stop must be an orderly one from now on."""
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
