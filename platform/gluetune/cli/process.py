"""The process of a command: its streams, stop signals and log, its exit code, and how its run is resumed."""

from __future__ import annotations

import atexit
import gc
import getpass
import os
import shlex
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path

from gluetune.api.frontend import Frontend, messages_to
from gluetune.api.new_runs import private_log
from gluetune.api.places import in_submitted_job, submission
from gluetune.cli.flags import ParsedArguments, parse
from gluetune.cli.options import Program
from gluetune.cli.terminal import Terminal, announce_resume
from gluetune.config import StorageConfig
from gluetune.errors import UserError
from gluetune.storage import Storage
from gluetune.storage.durable import absolute
from gluetune.supervisor import INTERRUPTED, own_process_group, report, resume_command, stop_on_signals
from gluetune.supervisor.driver import gc_paused

OK, FAILED, USER_ERROR = 0, 1, 2
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
        """Return the shell command that resumes a run that was stopped."""
        return resume_command_line(name, storage, address, () if score else ("--mode", "train"))

    def announce(self, command: str) -> None:
        """Print how to resume the run, and report it to the parent process."""
        announce_resume(command, self._terminal)

    def begin(self) -> None:
        """Report to the parent process that a stop must be an orderly one from now on."""
        report(starting=False)

    def logging_to(self, log: Path) -> AbstractContextManager[None]:
        """Send the process's standard streams to the log, except for what the terminal's consoles print."""
        return self._terminal.logging_to(log)

    def log_place(self, log: Path) -> str:
        """Say in brackets where the output of libraries goes."""
        return f" (its output, and that of the libraries, goes to {log})"

    def connect(self, address: str | None) -> str:
        """Connect to Ray such that stop signals end this process as they do before and after."""
        stop_on_signals()
        with own_process_group():
            where = super().connect(address)
        stop_on_signals()  # Ray has set a handler of its own for SIGTERM
        return where

    def importing(self) -> AbstractContextManager[None]:
        """Surround slow imports: the garbage collector is paused, and what is there afterwards is never collected."""
        return gc_paused()

    @contextmanager
    def connected(self) -> Iterator[None]:
        """Surround a session on Ray; the environment ends with the process."""
        yield


def resume_command_line(name: str, storage: StorageConfig, address: str | None, more: Sequence[str] = ()) -> str:
    """Return the shell command that resumes a run from any folder; of a submitted job, the one that submits it again.

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
def temporary_log() -> Iterator[Path]:
    """Provide the log of a command that leaves no run behind: removed after it, or named where the command fails.

    An error that leaves the block gets the log's name as a note, which `run` prints below the error's message. An empty
    log is removed in any case.
    """
    log = private_log("log")
    try:
        yield log
    except BaseException as error:
        if log.exists() and log.stat().st_size:
            error.add_note(f"the output of Ray and other libraries is in {log}")
            raise
        shutil.rmtree(log.parent, ignore_errors=True)
        raise
    shutil.rmtree(log.parent, ignore_errors=True)


def run(program: Program, act: Callable[[ParsedArguments, Terminal], int], argv: Sequence[str] | None = None) -> int:
    """Run a program.

    Args:
        program: its flags.
        act: what it does; returns the exit code.
        argv: arguments without the program's name; those of the process by default.

    Returns:
        The exit code: 0 done; 1 a single run that diverged, ran out of memory or failed (or a bug, with a traceback);
        2 a mistake of the user's; 130 interrupted.
    """
    atexit.register(gc.freeze)  # or the interpreter looks for garbage in all that was imported before it ends
    complete_account()
    report(resume=None)  # a notebook may have run another command before
    with closing(Terminal()) as terminal, messages_to(terminal.note, terminal.error):
        try:
            return act(parse(sys.argv[1:] if argv is None else argv, program), terminal)
        except UserError as error:
            terminal.error(str(error))
            _print_notes(error, terminal)
            return USER_ERROR
        except KeyboardInterrupt as error:
            say_interrupted(terminal)
            _print_notes(error, terminal)
            return INTERRUPTED


def _print_notes(error: BaseException, terminal: Terminal) -> None:
    """Print what was added to an error with ``add_note``, such as the place of a log."""
    for note in getattr(error, "__notes__", ()):
        terminal.note(note)


def say_interrupted(terminal: Terminal) -> None:
    """Print how to resume the run that was interrupted, or that there is none."""
    command = resume_command()
    terminal.note(
        "interrupted; nothing was begun that could be resumed"
        if command is None
        else f"interrupted; resume with:\n{command}"
    )


def complete_account() -> None:
    """Set ``USER`` and ``HOME`` where they are neither set nor known, for libraries that insist on them.

    The home folder is then ``gluetune-home-UID`` in the temporary folder, or a new one where another user has that.
    """
    try:
        getpass.getuser()
    except (KeyError, OSError):
        os.environ["USER"] = f"uid-{os.getuid()}"
    try:
        Path.home()
    except RuntimeError:
        os.environ["HOME"] = _new_home()


def _new_home() -> str:
    folder = Path(tempfile.gettempdir()) / f"gluetune-home-{os.getuid()}"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        if folder.lstat().st_uid == os.getuid() and not folder.is_symlink():
            return str(folder)
    except OSError:
        pass
    return tempfile.mkdtemp(prefix="gluetune-home-")
