"""The Ray cluster a run is on: reached, or started on this machine."""

from __future__ import annotations

import os
import secrets
import socket
from collections.abc import Callable
from typing import Any

import ray

from gluetune.cluster.local import raise_open_file_limit, session_folder, start_with_retries
from gluetune.errors import ClusterError

CONNECT_TIMEOUT_S = 10.0  # for a machine to take up a connection
LOCAL_OBJECT_STORE = 2 * 1024**3  # bytes; holds tokenised data and initial weights once


def connect(address: str | None, note: Callable[[str], None] = lambda text: None) -> str:
    """Joins the cluster at an address, that of ``RAY_ADDRESS`` (set in submitted jobs), or starts one on this machine.

    A cluster of our own gets a token of its own, so that no web page opened on this machine can reach its dashboard
    (CVE-2023-48022), and leaves no token file behind that would change later ``ray start`` commands.

    Args:
        address: the cluster's; ``None`` for that of ``RAY_ADDRESS``, else for one of our own.
        note: called with a line where starting Ray takes another attempt or another folder.

    Returns:
        Where the search runs, in words.

    Raises:
        ClusterError: there is no cluster at the address, or it does not let us in.
    """
    address = address or os.environ.get("RAY_ADDRESS")
    os.environ["TUNE_DISABLE_AUTO_CALLBACK_LOGGERS"] = "1"
    os.environ["TUNE_DISABLE_SIGINT_HANDLER"] = "1"  # the search's own handler records the stop first
    os.environ["TUNE_GLOBAL_CHECKPOINT_S"] = "inf"  # snapshots of all trials so far, which nobody reads
    os.environ["TUNE_RESULT_BUFFER_LENGTH"] = "1"  # a trial's next step tells its lane that the search lets it go on
    raise_open_file_limit()
    if address is None:
        _start(note)
        return "this machine"
    if address.startswith("http"):
        raise ClusterError(
            f"the address must be a Ray cluster's (HOST:6379 or auto), but got {address!r}, that of its "
            f"Jobs API; submit to it by `ray job submit`, or unset RAY_ADDRESS"
        )
    _join(address)
    return f"the Ray cluster at {ray.get_runtime_context().gcs_address}"


def _start(note: Callable[[str], None]) -> None:
    folder = session_folder(note)
    # Ray turns token authentication on; without this it would write ~/.ray/auth_token
    os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
    start_with_retries(lambda: _init(folder), note)


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
            f"no Ray cluster lets us in at {address!r}: {error}; if one is there, its token must be "
            "ours (RAY_AUTH_MODE=token, and RAY_AUTH_TOKEN or ~/.ray/auth_token)"
        ) from error
    except (ValueError, RuntimeError) as error:
        raise ClusterError(f"the Ray cluster at {address!r} cannot be joined: {error}") from error
