"""A search's folder: a new one made, or an earlier one opened again."""

from __future__ import annotations

import fcntl
import os
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from gluetune.config import JobConfig, SearchSpace, dump_job, dump_space, load_space, parse_job, parse_space
from gluetune.config.layers import Override
from gluetune.config.load import QUICKSTART
from gluetune.errors import StorageError
from gluetune.storage import Storage

JOB_FILE, SPACE_FILE = "job.yaml", "space.yaml"


@dataclass(frozen=True)
class Session:
    """One run of the driver over a search.

    Attributes:
        name: the search's name.
        job: its job.
        space: its search space.
        storage: its folder, ``<storage.path>/<name>``.
        log: the local file that everybody else's chatter goes to.
        lock: holds the folder while this driver runs; ``None`` in a bucket.
    """

    name: str
    job: JobConfig
    space: SearchSpace
    storage: Storage
    log: Path
    lock: int | None = None


def new_session(job: JobConfig, job_file: str | None) -> Session:
    """Prepares the folder of a new search; `begin` fills it.

    Raises:
        StorageError: the folder is not empty, or cannot be used.
    """
    kind = job.name or Path(job_file or QUICKSTART).stem
    name = job.name or f"{kind}-{time.strftime('%Y%m%d-%H%M%S')}"
    tracking = job.tracking.model_copy(update={"experiment": job.tracking.experiment or kind})
    job = job.model_copy(update={"name": name, "tracking": tracking})
    storage = Storage(job.storage.path).sub(name)
    if storage.list():
        raise StorageError(f"the folder of a new search must be empty, but {storage.uri()} is not; choose another "
                           f"--name, or go on with that search by --resume {name}")
    return Session(name, job, load_space(job.search.space, job_file), storage, _log(storage, name))


def begin(session: Session) -> Session:
    """Writes a new search's files, so that it can be resumed from here on."""
    session.storage.write(SPACE_FILE, dump_space(session.space).encode())
    session.storage.write(JOB_FILE, dump_job(session.job).encode())
    return _locked(session)


def resumed_session(name: str, path: str, overrides: list[Override]) -> Session:
    """Opens an earlier search.

    Args:
        name: its name.
        path: the storage path it lies in.
        overrides: what may be different this time, such as the time budget.

    Raises:
        StorageError: there is no such search, or another driver runs it.
    """
    root = Storage(path)
    storage = root.sub(name)
    job_text, space_text = storage.read(JOB_FILE), storage.read(SPACE_FILE)
    if job_text is None or space_text is None:
        known = [entry for entry in root.list() if root.exists(f"{entry}/{JOB_FILE}")]
        there = f"there are: {', '.join(known)}" if known else "there are none"
        raise StorageError(f"no search {name!r} to resume in {root.uri()}; {there}")
    job = parse_job(job_text, storage.uri(JOB_FILE), overrides)
    space = parse_space(space_text, storage.uri(SPACE_FILE))
    return _locked(Session(name, job, space, storage, _log(storage, name)))


def _log(storage: Storage, name: str) -> Path:
    folder = Path(storage.uri("logs")) if storage.local else Path(tempfile.gettempdir()) / "gluetune" / name
    return folder / "ray.log"


def _locked(session: Session) -> Session:
    """Takes the folder's lock, which the kernel frees when this process ends, however it ends."""
    if not session.storage.local:
        return session
    lock = os.open(session.storage.uri(".lock"), os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(lock)
        raise StorageError(f"a search is run by one driver at a time, but another one holds {session.name!r} "
                           f"in {session.storage.uri()}") from error
    return Session(session.name, session.job, session.space, session.storage, session.log, lock)
