"""Writes to the local file system that survive a power cut once the call has returned.

A rename alone is not enough: a file system may keep the new name and lose the content, or lose the name. Each file is
therefore synced (``fsync``) before it is renamed, and each folder after its entries have changed.
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
"""Ending of files and folders that are being written; a killed process leaves them behind."""

OLD = ".old"
"""Ending of a folder that is being replaced."""

_CANNOT_SYNC_FOLDERS = {errno.EACCES, errno.EBADF, errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EPERM, errno.EROFS}
_synced: set[Path] = set()  # folders whose entries in their parents this process has synced


def absolute(path: Path) -> Path:
    """Return an absolute path without ``..``; symbolic links are resolved only in paths that contain ``..``."""
    return path.resolve() if ".." in path.parts else path.absolute()


def write_file(file: Path, data: bytes | memoryview, mode: int = 0o666) -> None:
    """Write a file atomically and sync it; missing parent folders are created.

    Args:
        file: an absolute path.
        data: its content.
        mode: the file's permissions, before the process's umask.

    Raises:
        OSError: the file cannot be written; an existing file is unchanged.
    """
    with replaced(file, mode) as stream:
        stream.write(data)


@contextmanager
def replaced(file: Path, mode: int = 0o666) -> Iterator[BinaryIO]:
    """Open a draft that replaces a file, synced, when the block ends without an error.

    Args:
        file: an absolute path; missing parent folders are created.
        mode: the file's permissions, before the process's umask.

    Raises:
        OSError: the file cannot be written; an existing file is unchanged.
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
        draft.unlink(missing_ok=True)  # on a full disk, the draft would take the space that is left
        raise
    sync_folder(file.parent)


def make_folder(folder: Path) -> None:
    """Create a folder and its missing parents, and sync their entries.

    Args:
        folder: an absolute path.

    Raises:
        OSError: it cannot be created.
    """
    path = [folder, *folder.parents][:-1]
    unsynced = [part for part in path if part not in _synced or not part.is_dir()]
    folder.mkdir(parents=True, exist_ok=True)
    for part in reversed(unsynced):
        sync_folder(part.parent)
        _synced.add(part)


def move(path: Path, target: Path) -> None:
    """Rename a file or folder; missing parents of the target are created.

    Args:
        path: absolute path of the file or folder.
        target: the new absolute path, on the same file system.

    Raises:
        OSError: it cannot be moved.
    """
    make_folder(target.parent)
    os.rename(path, target)
    sync_folder(target.parent)  # first, so that a power cut leaves two entries rather than none
    sync_folder(path.parent)


def replace_folder(source: Path, folder: Path) -> None:
    """Replace a folder by a synced copy of another one.

    The old folder is kept until the copy is complete, and is restored if the copy cannot replace it. A process that is
    killed between the two renames leaves the old folder under a name that ends in ``.old``, until `recover_folder`.

    Args:
        source: the folder to copy; symbolic links in it are followed, permissions are not copied.
        folder: absolute path of the copy; a folder that exists there is deleted in the end.

    Raises:
        OSError: the copy cannot be written.
    """
    make_folder(folder.parent)
    for left in folder.parent.iterdir():  # left behind by a killed process
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


def recover_folder(folder: Path) -> None:
    """Clean up after a killed process: restore folders that it was about to replace, and remove drafts.

    Only the process that holds the lock of the folder may call this.

    Args:
        folder: absolute path of the folder, which need not exist.
    """
    for root, folders, names in os.walk(folder):
        for name in [name for name in folders if name.endswith((DRAFT, OLD))]:
            current = Path(root, name.removesuffix(OLD)).with_suffix("")
            if name.endswith(OLD) and not current.exists():  # killed between the two renames of `replace_folder`
                move(Path(root, name), current)
            else:
                shutil.rmtree(Path(root, name), ignore_errors=True)
            folders.remove(name)
        for name in names:
            if name.endswith(DRAFT):
                Path(root, name).unlink(missing_ok=True)


def sync_tree(folder: Path) -> None:
    """Sync all files and folders below a folder, which other code has written without syncing."""
    for root, _, names in os.walk(folder):
        for name in names:
            with open(Path(root, name), "rb") as stream:
                os.fsync(stream.fileno())
        sync_folder(Path(root))


def sync_folder(folder: Path) -> None:
    """Sync a folder's entries; do nothing on file systems that cannot sync folders."""
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
