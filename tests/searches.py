"""Small real searches through the command line, for the tests that look at whole searches."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

import psutil
import pytest

from gluetune.cli.commands import COMMANDS

ROOT = Path(__file__).resolve().parents[1]
TUNE = "tune_glue.py"
WORKER = "ray::RayTrainWorker"  # the title that Ray gives the processes of lanes' workers
SPACE = """
space:
  learning_rate: [3.0e-4, 1.0e-4]
  batch_size: [16, 32]
training:
  num_train_epochs: 2
"""
JOB = """
tasks: [cola, mrpc]
seed: 7
data: {max_train_samples: 400}
search: {space: SPACE, algorithm: grid}
"""


def write_job(folder: Path) -> Path:
    """A grid of four points on two tasks: eight trials of about a second."""
    (folder / "tiny.yaml").write_text(SPACE)
    job = folder / "job.yaml"
    job.write_text(JOB.replace("SPACE", str(folder / "tiny.yaml")))
    return job


def command(*arguments: str | Path, script: str = TUNE) -> list[str]:
    return [sys.executable, str(ROOT / "jobs" / script), *map(str, arguments)]


def run(*arguments: str | Path, code: int = 0, timeout: float = 600, script: str = TUNE) -> str:
    """Run a script of ``jobs/`` and return what it printed; its exit code must be ``code``."""
    done = subprocess.run(
        command(*arguments, script=script),
        capture_output=True,
        text=True,
        timeout=timeout,
        cwd=ROOT,
        env=os.environ | {"COLUMNS": "120"},
    )
    assert done.returncode == code, f"exit code {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout + done.stderr


def wait_for_journal(
    driver: subprocess.Popen[Any] | None, journal: Path, trials: int = 0, *, after: int = 0, line: str = 'evaluated"'
) -> None:
    """Wait until so many trials of a running command have ended and one more has been evaluated.

    Args:
        driver: the command; ``None`` where another thread of this process runs it.
        journal: the file with its events.
        trials: how many trials.
        after: number of lines that earlier sessions have written.
        line: what the line of the last event contains.
    """
    deadline = time.monotonic() + 600
    while time.monotonic() < deadline:
        lines = journal.read_text().splitlines()[after:] if journal.exists() else []
        ended = [0] + [number for number, each in enumerate(lines) if '"ended"' in each]
        if len(ended) > trials and any(line in each for each in lines[ended[trials] :]):
            return
        if driver is not None and driver.poll() is not None:
            printed = driver.stdout.read() if driver.stdout is not None else ""
            raise AssertionError(f"the command ended with exit code {driver.returncode} before that\n{printed}")
        time.sleep(0.02)
    raise AssertionError("the run did not get that far")


def environment_of_cluster() -> dict[str, str]:
    """An environment in which a command joins the cluster of this process."""
    import ray

    return os.environ | {"RAY_ADDRESS": ray.get_runtime_context().gcs_address}


def run_killed(*arguments: str | Path, journal: Path, script: str = TUNE) -> None:
    """Run a script of ``jobs/`` on the cluster of this process, and kill it after its first evaluation.

    Args:
        arguments: those of the script.
        journal: the file with the run's events.
        script: its name.
    """
    driver = subprocess.Popen(
        command(*arguments, script=script),
        cwd=ROOT,
        env=environment_of_cluster(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    wait_for_journal(driver, journal)
    kill(driver)


def kill(command: subprocess.Popen[Any]) -> None:
    """Kill a running command, and wait until its driver, the child that holds the run's lock, has ended too."""
    drivers = psutil.Process(command.pid).children()
    command.kill()
    command.wait()
    _, alive = psutil.wait_procs(drivers, timeout=120)
    assert not alive


@contextmanager
def paused(title: str) -> Iterator[None]:
    """Stop the processes of the shared cluster that Ray has given the title, for a while."""
    stopped = processes(title)
    for process in stopped:
        process.suspend()
    try:
        yield
    finally:
        for process in stopped:
            with suppress(psutil.NoSuchProcess):  # it was killed meanwhile
                process.resume()


def processes(title: str) -> list[psutil.Process]:
    found = []
    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):  # it has ended meanwhile
            if " ".join(process.cmdline()).startswith(title):
                found.append(process)
    return found


CONFIRM = "confirm"  # a command without a script of jobs/
COMMANDS_OF_SCRIPTS = {CONFIRM: CONFIRM, TUNE: "tune", "finetune.py": "finetune", "pretrain_bert.py": "pretrain"}


def run_here(*arguments: str | Path, code: int = 0, script: str = TUNE) -> str:
    """Do the same in this process, which has loaded the libraries already; ``script`` may be a command's name.

    Its standard streams, working directory and signal handlers are as before afterwards.
    """
    stops = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    with pytest.MonkeyPatch.context() as patch, TemporaryFile("w+") as file, streams_to(file.fileno()):
        patch.chdir(ROOT)
        patch.setenv("COLUMNS", "120")
        try:
            _, command_main = COMMANDS[COMMANDS_OF_SCRIPTS.get(script, script)].load()
            returned = command_main([str(argument) for argument in arguments])
        finally:
            for number, handler in stops.items():
                signal.signal(number, handler)
        sys.stdout.flush()
        file.seek(0)
        printed = file.read()
    assert returned == code, f"exit code {returned}\n{printed}"
    return printed


@contextmanager
def streams_to(descriptor: int) -> Iterator[None]:
    """Send this process's standard streams to a file, down to the descriptors, as a shell does for a new process."""
    saved = [os.dup(1), os.dup(2)]
    for stream in (1, 2):
        os.dup2(descriptor, stream)
    try:
        with (
            open(1, "w", closefd=False, buffering=1) as out,
            open(2, "w", closefd=False, buffering=1) as errors,
            redirect_stdout(out),
            redirect_stderr(errors),
        ):
            yield
    finally:
        for stream, copy in zip((1, 2), saved, strict=True):
            os.dup2(copy, stream)
            os.close(copy)


def summary(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "summary.json").read_text())


def readme_command(start: str) -> list[str]:
    """The README's only command that begins so, split as a shell would."""
    lines = (ROOT / "README.md").read_text().splitlines()
    (line,) = [line for line in lines if line.startswith(start)]
    return shlex.split(line)


def trials(folder: Path) -> list[tuple[Any, ...]]:
    """What must be the same whenever the same grid is searched, wherever and however often interrupted."""
    return sorted(
        (
            t["task"],
            sorted(t["params"].items()),
            t["seed"],
            t["status"],
            t["best_score"],
            [(e["index"], e["step"], e["score"], e["eval_loss"], e["train_loss"]) for e in t["evaluations"]],
        )
        for t in summary(folder)["trials"]
    )


def winners(folder: Path) -> dict[str, Any]:
    return {
        task["task"]: {key: task["winner"][key] for key in ("score", "params", "dev_scores")}
        for task in summary(folder)["tasks"]
    }
