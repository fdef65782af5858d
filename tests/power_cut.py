"""Kills and power cuts, which cannot be had in a test: what is left of a folder at any moment.

`Disk` follows this process's changes of files. A killed process leaves what it has written. A power cut leaves what was
synced (``os.fsync``): a synced file keeps the content it had at its last sync, a synced folder the names it had, each
of the same file as then. Everything else is lost: a renamed file whose folder was not synced keeps its old name and
content, and a file that was not synced is empty.
"""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import pytest

Failure = Literal["kill", "power cut", "torn write"]


class Disk:
    """Follows what is written and synced below a folder.

    Args:
        root: the folder; what is in it now is on disk.
        monkeypatch: restores the functions of ``os`` after the test.

    Attributes:
        before_write: called before each change of a file or folder, and before each sync.
    """

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._root = root.resolve()
        self._files: dict[int, bytes] = {}  # content by inode
        self._folders: dict[int, dict[str, int]] = {}  # inodes by name, by inode
        self._held: dict[int, int] = {}  # descriptors by inode, so that no inode is used for another file
        self.before_write: Callable[[], None] = lambda: None
        for folder, _, names in os.walk(self._root):
            for path in (Path(folder), *(Path(folder, name) for name in names)):
                self._keep(os.open(path, os.O_RDONLY))
        for name in ("mkdir", "rename", "replace", "rmdir", "unlink"):
            monkeypatch.setattr(os, name, self._observed(getattr(os, name)))
        monkeypatch.setattr(os, "fsync", self._sync)

    def left_after(self, failure: Failure, target: Path) -> Path:
        """Write what is left of the folder to a new one.

        Args:
            failure: a ``torn write`` is a power cut during a sync: half of what was appended to a file is on disk.
            target: the new folder.

        Returns:
            The new folder.
        """
        if failure == "kill":
            shutil.copytree(self._root, target)
        else:
            self._restore(self._root.stat().st_ino, target, torn=failure == "torn write")
        return target

    def close(self) -> None:
        """Close the files that were held."""
        for descriptor in self._held.values():
            os.close(descriptor)

    def _observed(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(path: Any, *arguments: Any, **options: Any) -> Any:
            if options.get("dir_fd") is not None or str(path).startswith(str(self._root)):
                self.before_write()
            return function(path, *arguments, **options)

        return call

    def _sync(self, descriptor: int) -> None:
        if os.readlink(f"/proc/self/fd/{descriptor}").startswith(str(self._root)):
            self.before_write()
            self._keep(os.open(f"/proc/self/fd/{descriptor}", os.O_RDONLY))

    def _keep(self, descriptor: int) -> None:
        inode = os.fstat(descriptor).st_ino
        if inode in self._held:
            os.close(descriptor)
        held = self._held.setdefault(inode, descriptor)
        if stat.S_ISDIR(os.fstat(held).st_mode):
            entries = {name: os.stat(name, dir_fd=held, follow_symlinks=False) for name in os.listdir(held)}
            self._folders[inode] = {name: entry.st_ino for name, entry in entries.items()}
            for entry in entries.values():
                if stat.S_ISDIR(entry.st_mode):
                    self._folders.setdefault(entry.st_ino, {})  # empty until it is synced itself
        else:
            self._files[inode] = self._content(inode)

    def _content(self, inode: int) -> bytes:
        return Path(f"/proc/self/fd/{self._held[inode]}").read_bytes()

    def _restore(self, inode: int, target: Path, *, torn: bool) -> None:
        target.mkdir(parents=True)
        for name, entry in self._folders[inode].items():
            if entry in self._folders:
                self._restore(entry, target / name, torn=torn)
                continue
            content = self._files.get(entry, b"")
            if torn and entry in self._held:
                added = self._content(entry)[len(content) :]
                content += added[: len(added) // 2]
            (target / name).write_bytes(content)
