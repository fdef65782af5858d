"""Sides that run as programs of their own: from command to exit, as their users wait for them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gluetune.errors import BenchmarkError

TUNE = ("-m", "gluetune", "tune")
_OF_A_JOB = ("RAY_ADDRESS", "RAY_JOB_CONFIG_JSON_ENV_VAR")  # what a submitted job's processes have of its cluster
_LAST_LINES = 15


@dataclass(frozen=True)
class Finished:
    """A program that came to its end.

    Attributes:
        started: seconds since the epoch, when the command was given.
        wall_s: from then to its exit.
        log: all that it printed.
    """

    started: float
    wall_s: float
    log: Path

    def answer(self) -> dict[str, Any]:
        """The last line of JSON that it printed; Ray's farewells may follow it."""
        lines = self.log.read_text(errors="replace").splitlines()
        answer: dict[str, Any] = json.loads(next(line for line in reversed(lines) if line.startswith("{")))
        return answer


def run_python(arguments: Sequence[str], log: Path, variables: Mapping[str, str] | None = None) -> Finished:
    """Runs this Python with arguments to its end.

    Args:
        arguments: such as ``-m`` and a module's name.
        log: file for what it prints.
        variables: of the environment, beside those of this process. One that starts a cluster of its own does not
            hear of another one.

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
