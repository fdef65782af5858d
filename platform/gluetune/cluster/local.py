"""What a Ray cluster on this machine needs of it: a folder for sockets, open files, and time to come up."""

from __future__ import annotations

import os
import re
import resource
import signal
import stat
import tempfile
import traceback
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from gluetune.errors import ClusterError

T = TypeVar("T")

ATTEMPTS = 3  # Ray itself waits 30 seconds for a node, which is too short on a busy machine
MIN_OPEN_FILES = 256  # descriptors that a process may have open; with fewer Ray's start hangs
MAX_OPEN_FILES = 65536
_LONGEST_SOCKET = 107  # bytes of a Unix socket's path
_BELOW = len("/ray/session_2026-01-01_00-00-00_000000_4194304/sockets/dash_UsageStatsHead")  # Ray's longest
_SHORT = ("/tmp", "/var/tmp", "/dev/shm")
_SLOW = re.compile(r"tim(?:ed|e) ?out|overloaded|failed to (?:get node|connect|register)", re.IGNORECASE)


def raise_open_file_limit() -> None:
    """Lets this process and Ray's open as many files as they may.

    Raises:
        ClusterError: they may open too few.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MAX_OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, MAX_OPEN_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
            soft = wanted
    if soft != resource.RLIM_INFINITY and soft < MIN_OPEN_FILES:
        raise ClusterError(
            f"a process must be allowed at least {MIN_OPEN_FILES} open files to start Ray, but the limit "
            f"is {soft} (`ulimit -n`); raise it, such as by `ulimit -n 4096`"
        )


def session_folder(note: Callable[[str], None]) -> str | None:
    """The folder for Ray's session files where Ray's own choice cannot be used; ``None`` where it can.

    Ray takes ``RAY_TMPDIR``, else ``TMPDIR``, else ``/tmp``.

    Args:
        note: called with one line where another folder is taken.

    Raises:
        ClusterError: there is no other folder either.
    """
    name = next((name for name in ("RAY_TMPDIR", "TMPDIR") if name in os.environ), None)
    chosen = os.environ[name] if name else "/tmp"
    problem = _problem(chosen)
    if problem is None:
        return None
    for folder in _SHORT:
        if folder != chosen and _problem(folder) is None:
            own = _private_folder(folder)
            note(f"Ray's sockets and logs go to {own}, as {name or 'the temporary folder'} {chosen} {problem}")
            return own
    raise ClusterError(
        f"Ray needs a folder for its sockets, but {chosen} {problem}, and none of {', '.join(_SHORT)} "
        "can be used; set RAY_TMPDIR to a folder with a short name that you can write"
    )


def start_with_retries(start: Callable[[], T], note: Callable[[str], None]) -> T:
    """Starts Ray, again where its node only took too long.

    Args:
        start: starts it; raises whatever Ray does.
        note: called with one line before each further attempt.

    Raises:
        ClusterError: Ray does not start.
    """
    for attempt in range(1, ATTEMPTS + 1):
        before = _children()
        try:
            return start()
        except Exception as error:  # Ray raises plain ones too
            traceback.print_exc()  # into the log
            _end(_children() - before)
            if attempt == ATTEMPTS or not _SLOW.search(str(error)):
                why = str(error) or type(error).__name__
                raise ClusterError(f"Ray does not start on this machine: {why}") from error
            note(f"Ray's node did not come up in time, as on a busy machine; attempt {attempt + 1} of {ATTEMPTS} …")
    raise AssertionError("unreachable")


def _problem(folder: str) -> str | None:
    """Why Ray cannot put its session's folder there."""
    if len(os.fsencode(folder.rstrip("/"))) + _BELOW > _LONGEST_SOCKET:
        return "is too long for the path of a socket"
    try:
        path = Path(folder) / "ray"
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path):
            return None
    except OSError as error:
        return f"cannot be written ({error.strerror})"


def _private_folder(parent: str) -> str:
    """A folder that only this user can enter: the same one each time, unless another user has taken its name."""
    folder = f"{parent}/gluetune-{os.getuid()}"
    with suppress(FileExistsError):
        os.mkdir(folder, 0o700)
    found = os.lstat(folder)
    if stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and not found.st_mode & 0o077:
        return folder
    return tempfile.mkdtemp(prefix="g-", dir=parent)


def _children() -> set[int]:
    """Process ids of this process's children of Ray."""
    found = set()
    for file in Path("/proc/self/task").glob("*/children"):
        with suppress(OSError):
            found |= {int(pid) for pid in file.read_text().split()}
    return {pid for pid in found if b"/ray/" in _command(pid)}


def _command(pid: int) -> bytes:
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    return b""


def _end(processes: set[int]) -> None:
    for pid in processes:
        with suppress(OSError):
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
