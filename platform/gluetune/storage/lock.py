"""Locks a run's folder for one driver: with ``flock``, or with a lease file where the file system has no locks.

Some network file systems do not support ``flock`` (Lustre without the mount option ``flock``). There the driver writes
a lease file that names it, and renews the file's modification time while it runs. A lease that has not been renewed for
`STALE_S` seconds, by the file system's clock, is free; so is the lease of a process of this machine that has ended.
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
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from threading import Event, Thread
from typing import Any

from gluetune.errors import FolderInUseError, StorageError
from gluetune.storage.durable import make_folder

LOCK, LEASE = ".lock", ".lease"
RENEW_S = 10.0
STALE_S = 120.0
_ATTEMPTS, _ATTEMPT_S = 3, 0.05  # to get the kernel's lock
_HELD = (errno.EWOULDBLOCK, errno.EACCES)  # another process has the kernel's lock


def lock_folder(folder: Path) -> Callable[[], None]:
    """Create a run's folder and lock it for this process, until the process ends.

    Returns:
        A function that releases the lock earlier.

    Raises:
        StorageError: the folder cannot be written, or another driver has locked it.
    """
    try:
        make_folder(folder)
        lock = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise StorageError(f"the search's folder must be writable, but {folder} is not: {error.strerror}") from error
    if _flock(lock, folder):
        os.utime(lock)
        return partial(os.close, lock)
    os.utime(lock)
    os.close(lock)
    lease = Lease(folder)
    lease.acquire()
    lease.renew_in_background()
    return lease.release


def _flock(descriptor: int, folder: Path) -> bool:
    """Lock a file by the kernel's lock, until its descriptor is closed; return whether the file system has such locks.

    Raises:
        StorageError: another process has locked it; the descriptor is closed.
    """
    for attempt in range(_ATTEMPTS):  # `is_locked` of another process may have it for an instant
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except OSError as error:
            if error.errno not in _HELD:
                return False
            if attempt == _ATTEMPTS - 1:
                os.close(descriptor)
                message = f"a search is run by one driver at a time, but another one holds {folder}"
                raise FolderInUseError(message) from error
            time.sleep(_ATTEMPT_S)
    raise AssertionError("the last attempt returns or raises")


def is_locked(folder: Path) -> bool:
    """Whether a driver has locked a run's folder, as far as this process may see; nothing is written.

    Args:
        folder: the run's folder, which need not exist.
    """
    try:
        lock = os.open(folder / LOCK, os.O_RDONLY)
    except OSError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError as error:
        return error.errno in _HELD or Lease(folder).is_held()
    finally:
        os.close(lock)
    return False


def locked_since(folder: Path) -> float | None:
    """Return when a driver last locked a run's folder, in seconds since the epoch; ``None`` where none has."""
    try:
        return (folder / LOCK).stat().st_mtime
    except OSError:
        return None


def check_folder(folder: Path) -> None:
    """Check that `lock_folder` would work, as far as permissions show; write nothing and leave nothing locked.

    Raises:
        StorageError: the folder cannot be written or created, or another driver has locked it.
    """
    existing = next(path for path in (folder, *folder.parents) if os.path.exists(path))
    longest = os.pathconf(existing, "PC_NAME_MAX")
    if any(len(os.fsencode(part)) > longest for part in folder.parts):
        raise StorageError(f"a folder's name must not be longer than {longest} bytes, but got {folder}")
    reason = errno.EACCES if existing.is_dir() else errno.ENOTDIR
    if not existing.is_dir() or not os.access(existing, os.W_OK | os.X_OK):
        raise StorageError(f"the search's folder must be writable, but {folder} is not: {os.strerror(reason)}")
    if os.path.exists(folder / LOCK):
        lock = os.open(folder / LOCK, os.O_RDONLY)
        has_flock = _flock(lock, folder)
        os.close(lock)
        if not has_flock:
            Lease(folder).check()


class Lease:
    """A file whose owner alone may run the search of a folder.

    Args:
        folder: the run's folder.
    """

    def __init__(self, folder: Path) -> None:
        self._folder, self._file = folder, folder / LEASE
        self._token = secrets.token_hex(8)
        self._ended = Event()

    def acquire(self) -> None:
        """Create the lease file.

        Raises:
            StorageError: another driver has the lease; names it, and what to do if it has ended for good.
        """
        try:
            if not self._create():
                self._remove_if_free()
                if not self._create():
                    raise self._conflict(self._now())
        except OSError as error:
            raise StorageError(
                f"the search's folder must be writable, but {self._folder} is not: {error.strerror}"
            ) from error

    def check(self) -> None:
        """Check that the lease is free, by this machine's clock; write nothing.

        Raises:
            StorageError: another driver has the lease.
        """
        if self.is_held():
            raise self._conflict(time.time())

    def is_held(self) -> bool:
        """Whether a driver has the lease, by this machine's clock; nothing is written."""
        owner = self._owner()
        return owner is not None and not self._is_free(owner, time.time())

    def renew_in_background(self) -> None:
        """Renew the lease in a thread, and remove it when this process ends."""
        atexit.register(self.release)
        Thread(target=self._renew_until_released, name="lease", daemon=True).start()

    def renew(self) -> bool:
        """Renew the lease; return whether it is still this process's."""
        owner = self._owner()
        if owner is None or owner.get("token") != self._token:
            return False
        os.utime(self._file)
        return True

    def release(self) -> None:
        """Remove the lease, if it is still this process's."""
        self._ended.set()
        with suppress(OSError):
            if self.renew():
                self._file.unlink()

    def _renew_until_released(self) -> None:
        while not self._ended.wait(RENEW_S):
            with suppress(OSError):  # the storage cannot be reached; the next renewal may succeed
                if not self.renew():
                    print(
                        f"another driver has taken the lease {self._file}: this one stops", file=sys.stderr, flush=True
                    )
                    os.kill(os.getpid(), signal.SIGINT)
                    return

    def _create(self) -> bool:
        """Create the lease, complete before it gets its name; return whether there was none."""
        draft = self._folder / f"{LEASE}.{self._token}"
        draft.write_text(json.dumps({"token": self._token, "pid": os.getpid(), **_machine()}))
        try:
            os.link(draft, self._file)
        except FileExistsError:
            return False
        except OSError:  # a file system without hard links
            return self._create_exclusively()
        finally:
            draft.unlink()
        return True

    def _create_exclusively(self) -> bool:
        try:
            with open(self._file, "x") as file:
                json.dump({"token": self._token, "pid": os.getpid(), **_machine()}, file)
        except FileExistsError:
            return False
        return True

    def _remove_if_free(self) -> None:
        """Remove the lease of a driver that has ended, by a rename, which only one process can do."""
        owner = self._owner()
        if owner is None or not self._is_free(owner, self._now()):
            return
        old = self._folder / f"{LEASE}.{self._token}.old"
        with suppress(FileNotFoundError):
            os.rename(self._file, old)
            if _read(old) != owner:  # another driver has acquired it in between
                os.rename(old, self._file)
                return
            old.unlink()

    def _owner(self) -> dict[str, Any] | None:
        """Return the content of the lease file; ``None`` where there is none."""
        try:
            return _read(self._file)
        except FileNotFoundError:
            return None

    def _is_free(self, owner: dict[str, Any], now: float) -> bool:
        """Whether the driver that has the lease has ended, or has not renewed it for long."""
        return _ended(owner) or self._age(now) > STALE_S

    def _now(self) -> float:
        """Return the time by the file system's clock."""
        probe = self._folder / f"{LEASE}.{self._token}.now"
        probe.write_text("")
        try:
            return probe.stat().st_mtime
        finally:
            probe.unlink()

    def _age(self, now: float) -> float:
        """Return the seconds since the lease was renewed."""
        try:
            return now - self._file.stat().st_mtime
        except FileNotFoundError:
            return 0.0

    def _conflict(self, now: float) -> FolderInUseError:
        owner = self._owner() or {}
        place = f"process {owner.get('pid', '?')} on {owner.get('host', '?')}"
        return FolderInUseError(
            f"a search is run by one driver at a time, but {place} holds {self._folder}: it renewed its lease "
            f"{max(0.0, self._age(now)):.0f} s ago (this file system has no flock). The lease is free once it has not "
            f"been renewed for {STALE_S:g} s; if that process is gone for good, delete {self._file}"
        )


def _read(file: Path) -> dict[str, Any]:
    """Read a lease; return an empty mapping where it is damaged."""
    try:
        found = json.loads(file.read_text())
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _machine() -> dict[str, Any]:
    """Identify the processes of this machine: a container may have the host's name, but not its process ids."""
    boot, processes = Path("/proc/sys/kernel/random/boot_id"), Path("/proc/self/ns/pid")
    known: dict[str, Any] = {"host": socket.gethostname(), "boot": "", "processes": 0}
    with suppress(OSError):
        known |= {"boot": boot.read_text().strip(), "processes": processes.stat().st_ino}
    return known


def _ended(owner: dict[str, Any]) -> bool:
    """Whether the owner was a process of this machine that has ended."""
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
