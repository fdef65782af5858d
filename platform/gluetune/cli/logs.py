"""Where the output of Ray and of other libraries goes while gluetune has the terminal."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from gluetune.cli.terminal import Terminal

LOG = "ray.log"


def private_log(name: str) -> Path:
    """The log of a run whose folder is in a bucket: in a new temporary folder that only this user can enter.

    The folder is removed at the end of the process where nothing was written to it.
    """
    folder = Path(tempfile.mkdtemp(prefix=f"gluetune-{name}-"))
    atexit.register(_remove_empty, folder)
    return folder / LOG


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


def _remove_empty(folder: Path) -> None:
    with suppress(OSError):
        os.rmdir(folder)
