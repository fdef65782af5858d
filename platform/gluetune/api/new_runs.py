"""The folder of a run: a new one with a name that no other run has, or an existing one; locked where it is local."""

from __future__ import annotations

import atexit
import os
import re
import secrets
import shlex
import tempfile
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import NamedTuple

from gluetune.errors import FolderInUseError, StorageError
from gluetune.events import INPUTS_FILE, LANE_FILES, ROWS_FOLDER, SPACE_FILE
from gluetune.storage import Storage
from gluetune.storage.durable import recover_folder
from gluetune.storage.lock import LEASE, LOCK, check_folder, lock_folder
from gluetune.tasks.definition import TASKS_FILE
from gluetune.tracking import TRACKING_FILE

LOG = "ray.log"
LEFT_BY_FAILED_STARTS = {
    LOCK,
    LEASE,
    "logs",
    LANE_FILES,
    TRACKING_FILE,
    INPUTS_FILE,
    TASKS_FILE,
    SPACE_FILE,
    ROWS_FOLDER,
}  # before the job file


class RunFolder(NamedTuple):
    """A run's folder.

    Attributes:
        storage: the folder.
        log: the local file that the output of Ray and other libraries may go to.
        unlock: lets another driver take the folder; without a call the end of the process does.
    """

    storage: Storage
    log: Path
    unlock: Callable[[], None]


class NewRun(NamedTuple):
    """The name of a new run, and its folder."""

    name: str
    folder: RunFolder


def new_folder(root: Storage, name: str | None, kind: str, *, starts: bool = True) -> NewRun:
    """Open the folder of a new run, which holds no run yet.

    A run without a name is called by its kind and the time, such as ``tune-20260131-093000``. Of runs that start in the
    same second, the second one gets ``-2``, and so on; in a bucket, which has no locks, all end in random letters.

    Args:
        root: the storage path.
        name: the run's name; ``None`` for one by kind and time.
        kind: what runs of the job are called.
        starts: whether the run starts; else the folder is checked, but neither made nor locked.

    Raises:
        StorageError: the folder of that name is not empty or cannot be used, or another driver runs it.
    """
    if name:
        return NewRun(name, _open_empty(root, name, starts))
    stem = f"{kind}-{time.strftime('%Y%m%d-%H%M%S')}"
    if not root.local:
        unnamed = f"{stem}-{secrets.token_hex(2)}"
        return NewRun(unnamed, _open_empty(root, unnamed, starts))
    for number in count(1):
        unnamed = stem if number == 1 else f"{stem}-{number}"
        if not root.exists(unnamed):
            with suppress(FolderInUseError):  # a run that has started since
                return NewRun(unnamed, _open_empty(root, unnamed, starts))
    raise AssertionError  # numbers do not end


def unnamed_runs(kind: str, names: Iterable[str]) -> list[str]:
    """Return the runs without a name of their own, in the order in which they started.

    Args:
        kind: what runs of the job are called.
        names: all runs.
    """
    form = re.compile(re.escape(kind) + r"-(\d{8}-\d{6})(?:-(\w+))?")
    found = [(match[1], len(match[2] or ""), match[0]) for match in map(form.fullmatch, names) if match]
    return [name for *_, name in sorted(found)]


def _open_empty(root: Storage, name: str, starts: bool) -> RunFolder:
    """Open a run's folder, and refuse one that is not empty.

    Raises:
        StorageError: it is not empty or cannot be used, or another driver runs it.
    """
    folder = open_folder(root, name, starts=starts)
    try:
        check_empty(folder.storage, name)
    except StorageError:
        folder.unlock()
        raise
    return folder


def check_empty(storage: Storage, name: str) -> None:
    """Refuse the folder of an earlier run for a new one.

    Raises:
        StorageError: it holds more than a start that failed leaves.
    """
    if set(storage.list()) - LEFT_BY_FAILED_STARTS:
        raise StorageError(
            f"the folder of a new run must be empty, but {storage.uri()} is not; choose another name "
            f"(--name), or resume that run (--resume {shlex.quote(name)}; in Python gluetune.resume({name!r}), or "
            f"resume={name!r} of fine_tune() and pretrain())"
        )


def open_folder(root: Storage, name: str, *, starts: bool = True) -> RunFolder:
    """Open a run's folder, and lock it where it is on this machine.

    Args:
        root: the storage path.
        name: the run's name.
        starts: whether the run starts; else the folder is checked, but neither made nor locked.

    Raises:
        StorageError: it cannot be used, or another driver runs it.
    """
    storage = root.sub(name)
    if not storage.local:
        return RunFolder(storage, private_log(name), _nothing)
    folder, log = Path(storage.uri()), Path(storage.uri("logs")) / LOG
    if not starts:
        check_folder(folder)
        return RunFolder(storage, log, _nothing)
    unlock = lock_folder(folder)
    with suppress(OSError):  # leftovers only take space
        recover_folder(folder)
    return RunFolder(storage, log, unlock)


def private_log(name: str) -> Path:
    """Return the log of a run whose folder is in a bucket: in a new temporary folder that only this user can enter.

    The folder is removed at the end of the process where nothing was written to it.
    """
    folder = Path(tempfile.mkdtemp(prefix=f"gluetune-{name}-"))
    atexit.register(_remove_empty, folder)
    return folder / LOG


def _remove_empty(folder: Path) -> None:
    with suppress(OSError):
        os.rmdir(folder)


def _nothing() -> None:
    pass
