"""``gluetune tune``, and what all commands share: how arguments are run, and how mistakes and stops are reported."""

from __future__ import annotations

import atexit
import gc
import getpass
import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path

from gluetune.api.frontend import messages_to
from gluetune.api.inputs import ACCEPT
from gluetune.api.session import Session, new_session, resumed_session, storage_path
from gluetune.cli import flag_table as table
from gluetune.cli.flags import ParsedArguments, parse
from gluetune.cli.process import ProcessFrontend, resume_command_line
from gluetune.cli.program import ACCEPT_OPTION, Program, accept_issues
from gluetune.cli.terminal import Terminal
from gluetune.config import JobConfig, default_job_file, load_job
from gluetune.errors import UserError
from gluetune.supervisor import INTERRUPTED, report, resume_command

OK, FAILED, USER_ERROR = 0, 1, 2

TUNE = Program(
    "gluetune tune",
    "Search hyperparameters for fine-tuning encoders on GLUE tasks. Without flags: the offline quickstart, which "
    "needs no network. It also stands behind flags that only say how much, where and under which name: --num-samples, "
    "--time-budget-s, --max-train-samples, --max-eval-samples, --seed, --name, lanes, storage and tracking. Any other "
    "flag without --config starts from the defaults of a job instead (all of the space, by grid), and --data must be "
    "named; --data-dir alone means --data dir.",
    "job file (default: see above)",
    {
        "what to search": table.SEARCH,
        "data and model": table.DATA_AND_MODEL,
        "lanes": table.LANES,
        "storage and tracking": table.STORAGE + table.TRACKING,
    },
    (ACCEPT_OPTION,),
    check=accept_issues,
)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs ``gluetune tune``; returns the exit code."""
    return run(TUNE, _tune, argv)


def run(program: Program, act: Callable[[ParsedArguments, Terminal], int], argv: Sequence[str] | None = None) -> int:
    """Runs a program.

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
            return USER_ERROR
        except KeyboardInterrupt:
            say_interrupted(terminal)
            return INTERRUPTED


def say_interrupted(terminal: Terminal) -> None:
    """Prints how to resume the run that was interrupted, or that there is none."""
    command = resume_command()
    terminal.note(
        "interrupted; nothing was begun that could be resumed"
        if command is None
        else f"interrupted; resume with:\n{command}"
    )


def open_session(arguments: ParsedArguments, terminal: Terminal) -> Session:
    """The session that the arguments ask for.

    Raises:
        UserError: the arguments, the job file or the folder cannot be used.
    """
    overrides = list(arguments.overrides)
    if arguments.resume is None:
        file = arguments.config or default_job_file(overrides)
        return new_session(tune_job(arguments, terminal), file, starts=not arguments.dry_run)
    path = storage_path(overrides)
    session = resumed_session(arguments.resume, path, overrides, starts=not arguments.dry_run)
    report(resume=resume_command_line(session.name, session.job.storage, arguments.address))
    return session


def tune_job(arguments: ParsedArguments, terminal: Terminal) -> JobConfig:
    """The job of a new run that the arguments ask for; what was mapped to gluetune's keys is printed.

    Raises:
        ConfigError: mistakes in the job file or the arguments.
    """
    overrides = list(arguments.overrides)
    return load_job(arguments.config or default_job_file(overrides), overrides, terminal.note)


def _tune(arguments: ParsedArguments, terminal: Terminal) -> int:
    session, accept = open_session(arguments, terminal), ACCEPT in arguments.switches
    if arguments.dry_run:  # the imports are slow, and a mistake in a flag need not wait for them
        from gluetune.api.search_run import show_plan

        show_plan(session, ProcessFrontend(terminal), accept_inputs=accept)
        return OK
    from gluetune.api.runs import search_session
    from gluetune.api.views import SearchViews

    finished = search_session(
        session, arguments.address, ProcessFrontend(terminal), SearchViews(), accept_inputs=accept
    )
    return INTERRUPTED if finished.interrupted else OK


def complete_account() -> None:
    """Sets ``USER`` and ``HOME`` where they are neither set nor known, for libraries that insist on them.

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
