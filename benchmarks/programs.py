"""Programs that a benchmark runs from command to exit, a Ray cluster for them, and times and memory of a process."""

from __future__ import annotations

import json
import os
import resource
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gluetune.errors import BenchmarkError

TUNE = ("-m", "gluetune", "tune")
_OF_A_JOB = ("RAY_ADDRESS", "RAY_JOB_CONFIG_JSON_ENV_VAR")  # by which a submitted job's processes find its cluster
_LAST_LINES = 15


@dataclass(frozen=True)
class Finished:
    """A program that has exited.

    Attributes:
        started: seconds since the epoch, when the command was given.
        wall_s: from then to its exit.
        log: file of its output.
    """

    started: float
    wall_s: float
    log: Path

    def answer(self) -> dict[str, Any]:
        """Return the last line of JSON that it printed; messages of Ray may follow it."""
        lines = self.log.read_text(errors="replace").splitlines()
        answer: dict[str, Any] = json.loads(next(line for line in reversed(lines) if line.startswith("{")))
        return answer


def run_python(arguments: Sequence[str], log: Path, variables: Mapping[str, str] | None = None) -> Finished:
    """Run this Python interpreter with arguments until it exits.

    Args:
        arguments: such as ``-m`` and a module's name.
        log: file for its output.
        variables: of the environment, beside those of this process. A program that
            starts its own cluster gets no variable that names another one.

    Raises:
        BenchmarkError: it fails.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    environment = {**os.environ, **(variables or {})}
    if "--address" not in arguments:
        for name in _OF_A_JOB:
            environment.pop(name, None)
    started, begun = time.time(), time.perf_counter()
    with log.open("w") as file:
        done = subprocess.run(
            [sys.executable, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            env=environment,
        )
    wall = time.perf_counter() - begun
    if done.returncode:
        end = "\n".join(log.read_text(errors="replace").splitlines()[-_LAST_LINES:])
        raise BenchmarkError(
            f"{' '.join(arguments[:2])} must exit with 0, but it did with {done.returncode}; the end "
            f"of what it printed:\n{end}"
        )
    return Finished(started, wall, log)


TOKEN = "RAY_AUTH_TOKEN"
_ENDING_S = 60.0


@contextmanager
def running_cluster(log: Path) -> Iterator[tuple[str, dict[str, str]]]:
    """Start a Ray cluster; yield its address and the environment variables with the token to join it.

    Args:
        log: file for its output.

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

    from gluetune.cluster import connect_to_ray

    connect_to_ray(None)
    print(json.dumps({"address": ray.get_runtime_context().gcs_address}), flush=True)
    sys.stdin.read()
    ray.shutdown()


class TrialEndRecorder:
    """Records when trials end, and the CPU time of this process by then.

    Attributes:
        ended: seconds since the epoch, by trial.
    """

    def __init__(self) -> None:
        self.ended: list[float] = []
        self._cpu: list[float] = []

    @property
    def cpu_s(self) -> float:
        """Seconds of CPU between the first end and the last."""
        return self._cpu[-1] - self._cpu[0]

    def record(self) -> None:
        """Record the end of a trial."""
        self.ended.append(time.time())
        self._cpu.append(time.process_time())


def peak_memory_mb() -> float:
    """Return the peak memory of this process, libraries included, in MB.

    On Linux ``ru_maxrss`` will not do: a program inherits it from the process that started it (``exec_mmap`` in the
    kernel's fs/exec.c), so that all contenders would report the benchmark's own memory where that is larger.
    """
    if sys.platform == "linux":
        status = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) * 1024 / 1e6
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024) / 1e6


if __name__ == "__main__":
    _serve()
