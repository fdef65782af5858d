"""Where the output of Ray and of other libraries goes while gluetune has the terminal."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gluetune.api.session import private_log
from gluetune.cli.terminal import Terminal


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
