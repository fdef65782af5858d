"""One driver at a time in a run's folder: the kernel's lock, or a lease file where the file system has no locks.

Some network file systems refuse ``flock`` (Lustre without the mount option ``flock``). There the driver makes a lease
file that names it, and renews the file's time while it lives. A lease that has not been renewed for `STALE_S` seconds,
by the file system's own clock, is free; so is one of a process of this machine that has ended.
"""

from __future__ import annotations

import atexit
import errno
import fcntl
import json
import os
import secrets
import signal
import socket
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from threading import Event, Thread
from typing import Any

from gluetune.errors import StorageError
from gluetune.storage.durable import make_folder

LOCK, LEASE = ".lock", ".lease"
RENEW_S = 10.0
STALE_S = 120.0
_HELD = (errno.EWOULDBLOCK, errno.EACCES)  # another process has the kernel's lock


def lock_folder(folder: Path) -> Callable[[], None]:
    """Makes a run's folder and takes it for this process, until it ends.

    Returns:
        Gives the folder back before that.

    Raises:
        StorageError: the folder cannot be written, or another driver has it.
    """
    try:
        make_folder(folder)
        lock = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise StorageError(f"the search's folder must be writable, but {folder} is not: {error.strerror}") from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(lock)
        if error.errno in _HELD:
            raise StorageError(f"a search is run by one driver at a time, but another one holds {folder}") from error
        lease = Lease(folder)
        lease.take()
        lease.keep()
        return lease.release
    return partial(os.close, lock)


def check_folder(folder: Path) -> None:
    """Raises what `lock_folder` would raise, as far as permissions tell, but makes nothing and keeps no lock.

    Raises:
        StorageError: the folder cannot be written or made, or another driver has it.
    """
    if os.path.exists(folder / LOCK):
        lock_folder(folder)()
        return
    there = next(path for path in (folder, *folder.parents) if os.path.exists(path))
    longest = os.pathconf(there, "PC_NAME_MAX")
    if any(len(os.fsencode(part)) > longest for part in folder.parts):
        raise StorageError(f"a folder's name must not be longer than {longest} bytes, but got {folder}")
    reason = errno.EACCES if there.is_dir() else errno.ENOTDIR
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        raise StorageError(f"the search's folder must be writable, but {folder} is not: {os.strerror(reason)}")


class Lease:
    """The right to run a search, kept in a file.

    Args:
        folder: the run's folder.
    """

    def __init__(self, folder: Path) -> None:
        self._folder, self._file = folder, folder / LEASE
        self._token = secrets.token_hex(8)
        self._ended = Event()

    def take(self) -> None:
        """Makes the lease file.

        Raises:
            StorageError: another driver has the lease; says which, and what to do where it is gone for good.
        """
        try:
            if not self._make():
                self._remove_if_free()
                if not self._make():
                    raise self._refusal()
        except OSError as error:
            raise StorageError(
                f"the search's folder must be writable, but {self._folder} is not: {error.strerror}"
            ) from error

    def keep(self) -> None:
        """Renews the lease in a thread, and removes it when this process ends."""
        atexit.register(self.release)
        Thread(target=self._keep, name="lease", daemon=True).start()

    def renew(self) -> bool:
        """Renews the lease's time; whether the lease is still this process's."""
        owner = self._owner()
        if owner is None or owner.get("token") != self._token:
            return False
        os.utime(self._file)
        return True

    def release(self) -> None:
        """Removes the lease, if it is still this process's."""
        self._ended.set()
        with suppress(OSError):
            if self.renew():
                self._file.unlink()

    def _keep(self) -> None:
        while not self._ended.wait(RENEW_S):
            with suppress(OSError):  # the storage is away; the next renewal may reach it
                if not self.renew():
                    print(
                        f"another driver has taken the lease {self._file}: this one stops", file=sys.stderr, flush=True
                    )
                    os.kill(os.getpid(), signal.SIGINT)
                    return

    def _make(self) -> bool:
        """Whether the lease could be made. The content is complete before the file has its name."""
        draft = self._folder / f"{LEASE}.{self._token}"
        draft.write_text(json.dumps({"token": self._token, "pid": os.getpid(), **_machine()}))
        try:
            os.link(draft, self._file)
        except FileExistsError:
            return False
        except OSError:  # no hard links here
            return self._make_exclusively()
        finally:
            draft.unlink()
        return True

    def _make_exclusively(self) -> bool:
        try:
            with open(self._file, "x") as file:
                json.dump({"token": self._token, "pid": os.getpid(), **_machine()}, file)
        except FileExistsError:
            return False
        return True

    def _remove_if_free(self) -> None:
        """Moves the lease of a driver that is gone out of the way, so that one process alone can do it."""
        owner = self._owner()
        if owner is None or not (_ended(owner) or self._age() > STALE_S):
            return
        old = self._folder / f"{LEASE}.{self._token}.old"
        with suppress(FileNotFoundError):
            os.rename(self._file, old)
            if _read(old) != owner:  # another driver has taken it in between
                os.rename(old, self._file)
                return
            old.unlink()

    def _owner(self) -> dict[str, Any] | None:
        """What the lease file says; ``None`` where there is none."""
        try:
            return _read(self._file)
        except FileNotFoundError:
            return None

    def _age(self) -> float:
        """Seconds since the lease was renewed, both times by the file system's clock."""
        probe = self._folder / f"{LEASE}.{self._token}.now"
        probe.write_text("")
        try:
            return probe.stat().st_mtime - self._file.stat().st_mtime
        except FileNotFoundError:
            return 0.0
        finally:
            probe.unlink()

    def _refusal(self) -> StorageError:
        owner = self._owner() or {}
        place = f"process {owner.get('pid', '?')} on {owner.get('host', '?')}"
        return StorageError(
            f"a search is run by one driver at a time, but {place} holds {self._folder}: it renewed its lease "
            f"{max(0.0, self._age()):.0f} s ago (this file system has no flock). The lease is free once it has not "
            f"been renewed for {STALE_S:g} s; if that process is gone for good, delete {self._file}"
        )


def _read(file: Path) -> dict[str, Any]:
    """A lease's content; empty where it is damaged."""
    try:
        found = json.loads(file.read_text())
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _machine() -> dict[str, Any]:
    """Identifies this machine's set of processes: a container may share the host's name but not its processes."""
    boot, processes = Path("/proc/sys/kernel/random/boot_id"), Path("/proc/self/ns/pid")
    known: dict[str, Any] = {"host": socket.gethostname(), "boot": "", "processes": 0}
    with suppress(OSError):
        known |= {"boot": boot.read_text().strip(), "processes": processes.stat().st_ino}
    return known


def _ended(owner: dict[str, Any]) -> bool:
    """Whether the owner was a process of this machine that is not there any more."""
    machine = _machine()
    if not machine["boot"] or any(owner.get(name) != value for name, value in machine.items()):
        return False
    try:
        os.kill(int(owner.get("pid", 0)), 0)
    except ProcessLookupError:
        return True
    except (OSError, ValueError):
        return False
    return False
