"""Files and folders of the local file system that survive a power cut once the call that wrote them has returned.

A rename alone is not enough: a file system may keep the new name and lose the content, or lose the name. Each file is
therefore synced before it is renamed, and each folder after its entries have changed.
"""

from __future__ import annotations

import errno
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

DRAFT = ".part"
"""Ending of files and folders that are being written; one that stays is left over from a process that was killed."""

OLD = ".old"
"""Ending of a folder that another one is about to replace."""

_CANNOT_SYNC_FOLDERS = {errno.EACCES, errno.EBADF, errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EPERM, errno.EROFS}
_synced: set[Path] = set()  # folders whose names this process has synced in the folders above them


def absolute(path: Path) -> Path:
    """A path from the root and without ``..``, for which links are followed; links in other paths stay."""
    return path.resolve() if ".." in path.parts else path.absolute()


def write_file(file: Path, data: bytes | memoryview, mode: int = 0o666) -> None:
    """Writes a file whole or not at all, and syncs it; folders above it are made where they are missing.

    Args:
        file: an absolute path.
        data: its content.
        mode: the file's permissions, of which the process's umask takes some away.

    Raises:
        OSError: the file cannot be written; what was there before is there still.
    """
    with replaced(file, mode) as stream:
        stream.write(data)


@contextmanager
def replaced(file: Path, mode: int = 0o666) -> Iterator[BinaryIO]:
    """Opens the draft of a file, which takes the file's place, synced, when the block ends without an error.

    Args:
        file: an absolute path; folders above it are made where they are missing.
        mode: the file's permissions, of which the process's umask takes some away.

    Raises:
        OSError: the file cannot be written; what was there before is there still.
    """
    make_folder(file.parent)
    draft = _draft(file)
    try:
        with open(draft, "wb", opener=lambda path, flags: os.open(path, flags, mode)) as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(draft, file)
    except BaseException:
        draft.unlink(missing_ok=True)  # on a full disk it would take what is left
        raise
    sync_folder(file.parent)


def make_folder(folder: Path) -> None:
    """Makes a folder and those above it where they are missing, and syncs the entries that lead to it.

    Args:
        folder: an absolute path.

    Raises:
        OSError: it cannot be made.
    """
    path = [folder, *folder.parents][:-1]
    unsynced = [part for part in path if part not in _synced or not part.is_dir()]
    folder.mkdir(parents=True, exist_ok=True)
    for part in reversed(unsynced):
        sync_folder(part.parent)
        _synced.add(part)


def move(path: Path, target: Path) -> None:
    """Renames a file or folder; folders above the target are made where they are missing.

    Args:
        path: what is moved, an absolute path.
        target: its new absolute path, on the same file system.

    Raises:
        OSError: it cannot be moved.
    """
    make_folder(target.parent)
    os.rename(path, target)
    sync_folder(target.parent)  # first: in both places rather than in none
    sync_folder(path.parent)


def replace_folder(source: Path, folder: Path) -> None:
    """Copies a folder, synced, to the place of another one.

    What was there is kept until the copy is complete, and is put back where the copy cannot take its place. A process
    that is killed between the two renames leaves it under another name, which ends in ``.old``, until the next call.

    Args:
        source: what is copied; links in it are followed, permissions are not copied.
        folder: an absolute path; what is there is deleted in the end.

    Raises:
        OSError: the copy cannot be written.
    """
    make_folder(folder.parent)
    for left in folder.parent.iterdir():  # by a process that was killed
        if left.name.startswith(f"{folder.name}.") and left.suffix in (DRAFT, OLD):
            shutil.rmtree(left, ignore_errors=True)
    draft = _draft(folder)
    old = draft.with_suffix(OLD)
    try:
        _copy(source, draft)
        if folder.exists():
            os.rename(folder, old)
        os.rename(draft, folder)
    except OSError:
        if old.exists() and not folder.exists():
            os.rename(old, folder)
        shutil.rmtree(draft, ignore_errors=True)
        raise
    sync_folder(folder.parent)
    shutil.rmtree(old, ignore_errors=True)


def remove_drafts(folder: Path) -> None:
    """Removes what a process that was killed was in the middle of writing; no other process may write there now."""
    for root, folders, names in os.walk(folder):
        for name in [name for name in folders if name.endswith(DRAFT)]:
            shutil.rmtree(Path(root, name), ignore_errors=True)
            folders.remove(name)
        for name in names:
            if name.endswith(DRAFT):
                Path(root, name).unlink(missing_ok=True)


def sync_tree(folder: Path) -> None:
    """Syncs all that is in a folder, which was written by others."""
    for root, _, names in os.walk(folder):
        for name in names:
            with open(Path(root, name), "rb") as stream:
                os.fsync(stream.fileno())
        sync_folder(Path(root))


def sync_folder(folder: Path) -> None:
    """Syncs a folder's entries; does nothing on file systems that cannot."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        if error.errno not in _CANNOT_SYNC_FOLDERS:
            raise


def _copy(source: Path, target: Path) -> None:
    target.mkdir()
    for entry in sorted(source.iterdir()):
        if entry.is_dir():
            _copy(entry, target / entry.name)
            continue
        with open(entry, "rb") as original, open(target / entry.name, "wb") as copy:
            shutil.copyfileobj(original, copy, 1 << 20)
            copy.flush()
            os.fsync(copy.fileno())
    sync_folder(target)


def _draft(path: Path) -> Path:
    return path.with_name(f"{path.name}.{uuid.uuid4().hex[:8]}{DRAFT}")
