"""One command from flags to winners."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from gluetune.cli.flags import ParsedArguments, parse
from gluetune.cli.session import Session, new_session, resumed_session
from gluetune.cli.terminal import Terminal
from gluetune.config import StorageConfig, load_job
from gluetune.errors import UserError

OK, USER_ERROR, INTERRUPTED = 0, 2, 130


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line.

    Args:
        argv: arguments without the program's name; those of the process by default.

    Returns:
        The exit code: 0 done, 2 a mistake of the user's, 130 interrupted; anything else is a bug, with a traceback.
    """
    terminal = Terminal()
    try:
        arguments = parse(sys.argv[1:] if argv is None else argv)
        session = open_session(arguments)
        return _run(session, arguments, terminal)
    except UserError as error:
        terminal.error(str(error))
        return USER_ERROR
    except KeyboardInterrupt:
        terminal.note("interrupted")
        return INTERRUPTED


def open_session(arguments: ParsedArguments) -> Session:
    """The session that the arguments ask for.

    Raises:
        UserError: the arguments, the job file or the folder cannot be used.
    """
    overrides = list(arguments.overrides)
    if arguments.resume is None:
        return new_session(load_job(arguments.config, overrides), arguments.config)
    paths = [override.value for override in overrides if override.path == "storage.path"]
    return resumed_session(arguments.resume, paths[-1] if paths else StorageConfig().path, overrides)


def _run(session: Session, arguments: ParsedArguments, terminal: Terminal) -> int:
    from gluetune.cli.tune import show_plan, tune  # imports torch and Ray, which a mistake in a flag need not wait for

    if arguments.dry_run:
        show_plan(session, terminal)
        return OK
    with terminal.logging_to(session.log):
        return OK if tune(session, arguments.address, terminal) else INTERRUPTED
