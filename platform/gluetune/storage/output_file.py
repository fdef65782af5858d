"""Output files that the user names: regular files are replaced atomically, devices and pipes are written to."""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path

from gluetune.errors import StorageError
from gluetune.storage import folder_and_name
from gluetune.storage.durable import write_file

# Names of open files, which may be regular files: they must not be replaced, and their content is the caller's.
_OPEN_FILE = re.compile(r"/dev/(?:stdin|stdout|stderr|fd/\d+)|/proc/[^/]+/(?:task/\d+/)?fd/\d+")


def write_output(path: str | Path, data: bytes) -> None:
    """Write an output.

    A regular file is replaced atomically and keeps its permissions; a symbolic link is followed, and stays; a device or
    pipe is written to. Missing parent folders are created.

    Args:
        path: a file, local or by URI.
        data: its content.

    Raises:
        StorageError: it cannot be written.
    """
    local = _local(path)
    if local is None:
        folder, name = folder_and_name(path)
        folder.write(name, data)
        return
    try:
        status = _status(local)
        if status is not None and _in_place(local, status):
            with open(local, "ab" if stat.S_ISREG(status.st_mode) else "wb") as stream:
                stream.write(data)
            return
        target = Path(os.path.realpath(local))
        write_file(target, data)
        if status is not None:
            target.chmod(stat.S_IMODE(status.st_mode))
    except OSError as error:
        raise StorageError(f"cannot write {path}: {error.strerror or error}") from error


def check_output(path: str | Path) -> None:
    """Check that an output can be written, before hours of work; create its missing parent folders.

    Raises:
        StorageError: it cannot be written, or is a folder.
    """
    local = _local(path)
    try:
        status = None if local is None else _status(local)
    except OSError as error:
        raise StorageError(f"cannot write {path}: {error.strerror or error}") from error
    if local is not None and status is not None:
        if stat.S_ISDIR(status.st_mode):
            raise StorageError(f"an output must be a file, but {path} is a folder")
        if _in_place(local, status):
            if not os.access(local, os.W_OK):
                raise StorageError(f"cannot write {path}: no permission")
            return
    folder, name = folder_and_name(path if local is None else os.path.realpath(local))
    probe = f".{name}.probe"
    folder.write(probe, b"")
    folder.delete(probe)


def replaces(path: str | Path) -> bool:
    """Whether an output is a file that can be read back, rather than a device or a pipe."""
    local = _local(path)
    status = None if local is None else _status(local)
    return local is None or status is None or not _in_place(local, status)


def _local(path: str | Path) -> str | None:
    """Return the path on this machine; ``None`` for one in a bucket."""
    folder, name = folder_and_name(path)
    return folder.uri(name) if folder.local else None


def _status(path: str) -> os.stat_result | None:
    """Return the status of a path's target, symbolic links followed; ``None`` where it does not exist."""
    try:
        return os.stat(path)
    except FileNotFoundError:
        return None


def _in_place(path: str, status: os.stat_result) -> bool:
    return not stat.S_ISREG(status.st_mode) or _OPEN_FILE.fullmatch(path) is not None
