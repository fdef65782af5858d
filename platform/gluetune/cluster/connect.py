"""Connection to a Ray cluster: an existing one is joined, or one is started on this machine.

A cluster on this machine needs a folder for its Unix sockets, open files, and time to start.
"""

from __future__ import annotations

import logging
import os
import re
import resource
import secrets
import signal
import socket
import stat
import tempfile
import traceback
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

import ray

from gluetune.errors import ClusterError

T = TypeVar("T")
logger = logging.getLogger(__name__)

CONNECT_TIMEOUT_S = 10.0  # for a machine to accept a connection
LOCAL_OBJECT_STORE = 2 * 1024**3  # bytes; holds tokenised data and initial weights once
ATTEMPTS = 3  # Ray itself waits 30 seconds for a node, which is too short on a busy machine
MIN_OPEN_FILES = 256  # file descriptors that a process may have open; with fewer Ray's start hangs
MAX_OPEN_FILES = 65536
_MAX_SOCKET_PATH = 107  # bytes of a Unix socket's path
_BELOW = len("/ray/session_2026-01-01_00-00-00_000000_4194304/sockets/dash_UsageStatsHead")  # Ray's longest
_SHORT_FOLDERS = ("/tmp", "/var/tmp", "/dev/shm")
_SLOW = re.compile(r"tim(?:ed|e) ?out|overloaded|failed to (?:get node|connect|register)", re.IGNORECASE)


def connect_to_ray(address: str | None) -> str:
    """Join the cluster at an address, that of ``RAY_ADDRESS`` (set in submitted jobs), or start one on this machine.

    Where this process is connected to Ray already, as in a notebook, that connection is used.

    A cluster that this function starts gets a token of its own, so that no web page opened on this machine can reach
    its dashboard (CVE-2023-48022), and leaves no token file behind that would change later ``ray start`` commands.
    Where starting Ray takes another attempt or another folder, that is logged.

    Args:
        address: the cluster's; ``None`` for that of ``RAY_ADDRESS``, else for a new one on this machine.

    Returns:
        Where the search runs, in words.

    Raises:
        ClusterError: there is no cluster at the address, or it refuses the connection.
    """
    given, address = address, address or os.environ.get("RAY_ADDRESS")
    os.environ["TUNE_DISABLE_AUTO_CALLBACK_LOGGERS"] = "1"
    os.environ["TUNE_DISABLE_SIGINT_HANDLER"] = "1"  # the search's own handler records the stop first
    os.environ["TUNE_GLOBAL_CHECKPOINT_S"] = "inf"  # no snapshots of all trials so far: nothing reads them
    os.environ["TUNE_RESULT_BUFFER_LENGTH"] = "1"  # a lane trains on once Tune has taken its trial's last result
    if ray.is_initialized():
        if given is not None:
            raise ClusterError(
                f"this process must not be connected to Ray already where an address is given, but got {given!r}; "
                "leave the address out to use the connection there is, or call ray.shutdown() first"
            )
        return f"the Ray session of this process ({ray.get_runtime_context().gcs_address})"
    raise_open_file_limit()
    if address is None:
        _start()
        return "this machine"
    if address.startswith("http"):
        raise ClusterError(
            f"the address must be a Ray cluster's (HOST:6379 or auto), but got {address!r}, that of its "
            f"Jobs API; submit to it by `gluetune submit`, or unset RAY_ADDRESS"
        )
    _join(address)
    return f"the Ray cluster at {ray.get_runtime_context().gcs_address}"


def raise_open_file_limit() -> None:
    """Raise the limit of open files of this process, which Ray's inherit, as far as the system allows.

    Raises:
        ClusterError: the limit is too low for Ray.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    target = MAX_OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, MAX_OPEN_FILES)
    if soft != resource.RLIM_INFINITY and soft < target:
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (target, hard))
            soft = target
    if soft != resource.RLIM_INFINITY and soft < MIN_OPEN_FILES:
        raise ClusterError(
            f"a process must be allowed at least {MIN_OPEN_FILES} open files to start Ray, but the limit "
            f"is {soft} (`ulimit -n`); raise it, such as by `ulimit -n 4096`"
        )


def session_folder() -> str | None:
    """Return the folder for Ray's session files where Ray's own choice cannot be used; ``None`` where it can.

    Ray takes ``RAY_TMPDIR``, else ``TMPDIR``, else ``/tmp``. Where another folder is taken, that is logged.

    Raises:
        ClusterError: there is no other folder either.
    """
    name = next((name for name in ("RAY_TMPDIR", "TMPDIR") if name in os.environ), None)
    chosen = os.environ[name] if name else "/tmp"
    problem = _folder_problem(chosen)
    if problem is None:
        return None
    for folder in _SHORT_FOLDERS:
        if folder != chosen and _folder_problem(folder) is None:
            own = _private_folder(folder)
            logger.info(f"Ray's sockets and logs go to {own}, as {name or 'the temporary folder'} {chosen} {problem}")
            return own
    raise ClusterError(
        f"Ray needs a folder for its sockets, but {chosen} {problem}, and none of {', '.join(_SHORT_FOLDERS)} "
        "can be used; set RAY_TMPDIR to a folder with a short name that you can write"
    )


def start_with_retries(start: Callable[[], T]) -> T:
    """Start Ray, again where its node only took too long; each further attempt is logged.

    Args:
        start: starts it; raises what Ray raises.

    Raises:
        ClusterError: Ray does not start.
    """
    for attempt in range(1, ATTEMPTS + 1):
        before = _ray_children()
        try:
            return start()
        except Exception as error:  # Ray raises plain ones too
            traceback.print_exc()  # into the log
            _kill(_ray_children() - before)
            if attempt == ATTEMPTS or not _SLOW.search(str(error)):
                why = str(error) or type(error).__name__
                raise ClusterError(f"Ray does not start on this machine: {why}") from error
            logger.info(
                f"Ray's node did not start in time, as on a busy machine; attempt {attempt + 1} of {ATTEMPTS} …"
            )
    raise AssertionError("unreachable")


def _start() -> None:
    folder = session_folder()
    # Ray turns token authentication on; without this it would write ~/.ray/auth_token
    os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
    start_with_retries(lambda: _init(folder))


def _init(folder: str | None) -> None:
    options: dict[str, Any] = {} if folder is None else {"_temp_dir": f"{folder}/ray"}
    try:
        ray.init(
            "local", log_to_driver=False, object_store_memory=LOCAL_OBJECT_STORE, configure_logging=False, **options
        )
    except BaseException:
        ray.shutdown()
        raise


def _join(address: str) -> None:
    host, _, port = address.rpartition(":")
    try:
        if host and port.isdigit():  # Ray itself would try for minutes
            socket.create_connection((host.strip("[]"), int(port)), CONNECT_TIMEOUT_S).close()
    except OSError as error:
        raise ClusterError(f"no Ray cluster answers at {address!r}: {error}") from error
    try:
        ray.init(address, log_to_driver=False, configure_logging=False)
    except (ConnectionError, TimeoutError, ray.exceptions.AuthenticationError) as error:
        raise ClusterError(
            f"no Ray cluster at {address!r} accepts this process: {error}; if one runs there, this process must "
            "have its token (RAY_AUTH_MODE=token, and RAY_AUTH_TOKEN or ~/.ray/auth_token)"
        ) from error
    except (ValueError, RuntimeError) as error:
        raise ClusterError(f"the Ray cluster at {address!r} cannot be joined: {error}") from error


def _folder_problem(folder: str) -> str | None:
    """Why Ray cannot put its session's folder there; ``None`` where it can."""
    if len(os.fsencode(folder.rstrip("/"))) + _BELOW > _MAX_SOCKET_PATH:
        return "is too long for the path of a socket"
    try:
        path = Path(folder) / "ray"
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path):
            return None
    except OSError as error:
        return f"cannot be written ({error.strerror})"


def _private_folder(parent: str) -> str:
    """Return a folder that only this user can enter: the same one each time, unless another user has taken its name."""
    folder = f"{parent}/gluetune-{os.getuid()}"
    with suppress(FileExistsError):
        os.mkdir(folder, 0o700)
    found = os.lstat(folder)
    if stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and not found.st_mode & 0o077:
        return folder
    return tempfile.mkdtemp(prefix="g-", dir=parent)


def _ray_children() -> set[int]:
    """Process ids of those children of this process that belong to Ray."""
    found = set()
    for file in Path("/proc/self/task").glob("*/children"):
        with suppress(OSError):
            found |= {int(pid) for pid in file.read_text().split()}
    return {pid for pid in found if b"/ray/" in _command_line(pid)}


def _command_line(pid: int) -> bytes:
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    return b""


def _kill(processes: set[int]) -> None:
    for pid in processes:
        with suppress(OSError):
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
