"""How a run that was stopped is resumed from the command line."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from gluetune.api.submitted import in_submitted_job, submission
from gluetune.config import StorageConfig
from gluetune.storage import Storage
from gluetune.storage.durable import absolute


def resume_command(name: str, storage: StorageConfig, address: str | None, more: Sequence[str] = ()) -> str:
    """What to type, in any folder, to go on with a run that was stopped; of a submitted job, how to submit it again."""
    where = ["--storage-path", Storage(storage.path).uri()] + (["--address", address] if address else [])
    arguments = ["--resume", name, *where, *more]
    if in_submitted_job():
        return submission([sys.argv[0], *arguments])
    return shlex.join([sys.executable, _script(sys.argv[0]), *arguments])


def _script(program: str) -> str:
    """The absolute path of the running program, where it is a file."""
    return str(absolute(Path(program))) if Path(program).is_file() else program
