"""A power cut, which cannot be had in a test: what a disk keeps that loses everything which was not synced.

`Disk` follows this process's calls of ``os.fsync``. A synced file keeps the content it had at its last sync, a synced
folder the names it had, each of the same file as then. Everything else is lost: a renamed file whose folder was not
synced keeps its old name and content, and a file that was not synced is empty.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest


class Disk:
    """Follows what is synced below a folder.

    Args:
        root: the folder; what is in it now is on disk.
        monkeypatch: puts ``os.fsync`` back after the test.
    """

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._root = root.resolve()
        self._files: dict[int, bytes] = {}  # content by inode
        self._folders: dict[int, dict[str, int]] = {}  # inodes by name, by inode
        self._held: list[int] = []  # descriptors, so that no inode is used for another file
        self._fsync = os.fsync
        self.syncs = 0
        for folder, _, names in os.walk(self._root):
            for path in (Path(folder), *(Path(folder, name) for name in names)):
                self._keep(os.open(path, os.O_RDONLY))
        monkeypatch.setattr(os, "fsync", self._sync)

    def _sync(self, descriptor: int) -> None:
        self._fsync(descriptor)
        self.syncs += 1
        self._keep(os.open(f"/proc/self/fd/{descriptor}", os.O_RDONLY))

    def _keep(self, descriptor: int) -> None:
        self._held.append(descriptor)
        status = os.fstat(descriptor)
        if stat.S_ISDIR(status.st_mode):
            self._folders[status.st_ino] = {
                name: os.stat(name, dir_fd=descriptor, follow_symlinks=False).st_ino for name in os.listdir(descriptor)
            }
        else:
            self._files[status.st_ino] = Path(f"/proc/self/fd/{descriptor}").read_bytes()

    def after_power_cut(self, target: Path) -> Path:
        """Writes what is left to a new folder, and returns it."""
        self._restore(self._root.stat().st_ino, target)
        return target

    def _restore(self, inode: int, target: Path) -> None:
        target.mkdir(parents=True)
        for name, entry in self._folders[inode].items():
            if entry in self._folders:
                self._restore(entry, target / name)
            else:
                (target / name).write_bytes(self._files.get(entry, b""))

    def close(self) -> None:
        """Closes the files that were held."""
        for descriptor in self._held:
            os.close(descriptor)
