"""A Ray cluster on this machine, in a process of its own, for searches that find one running.

As a program it starts the cluster, prints its address as JSON, and ends it, and nothing else, when its input is closed.
"""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gluetune.errors import BenchmarkError

TOKEN = "RAY_AUTH_TOKEN"
_ENDING_S = 60.0


@contextmanager
def running_cluster(log: Path) -> Iterator[tuple[str, dict[str, str]]]:
    """A running cluster's address, and the environment variables that let one in.

    Args:
        log: file for what it prints.

    Raises:
        BenchmarkError: it does not start.
    """
    access = {"RAY_AUTH_MODE": "token", TOKEN: secrets.token_hex(32)}
    environment = {name: value for name, value in os.environ.items() if name != "RAY_ADDRESS"} | access
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", __name__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=file,
            env=environment,
            text=True,
        )
        try:
            assert process.stdout is not None  # it is a pipe
            line = next((line for line in process.stdout if line.startswith("{")), "")
            if not line:
                raise BenchmarkError(f"a Ray cluster must start on this machine, but none did; see {log}")
            yield json.loads(line)["address"], access
        finally:
            _end(process)


def _end(process: subprocess.Popen[str]) -> None:
    try:
        process.communicate(timeout=_ENDING_S)  # closes its input
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()


def _serve() -> None:
    import ray

    from gluetune.cluster import connect

    connect(None)
    print(json.dumps({"address": ray.get_runtime_context().gcs_address}), flush=True)
    sys.stdin.read()
    ray.shutdown()


if __name__ == "__main__":
    _serve()
