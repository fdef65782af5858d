"""The README's way to a running cluster: ``ray start --head``, then ``ray job submit``."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from searches import ROOT, readme_command, run, trials, winners, write_job

pytestmark = [pytest.mark.cluster, pytest.mark.ray, pytest.mark.slow]

RAY = str(Path(sys.executable).parent / "ray")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def head() -> Iterator[dict[str, str]]:
    """A head of its own, started as the README says; the environment of its users."""
    folder = tempfile.mkdtemp(prefix="gt", dir="/tmp")  # Unix sockets want short paths
    port, dashboard = free_port(), free_port()
    environment = {key: value for key, value in os.environ.items() if not key.startswith("RAY_AUTH")}
    environment |= {"RAY_AUTH_MODE": "disabled", "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    environment |= {"RAY_ADDRESS": f"http://127.0.0.1:{dashboard}"}
    own = ["--block", f"--port={port}", f"--dashboard-port={dashboard}", f"--temp-dir={folder}", "--num-cpus=2",
           "--object-store-memory=500000000"]
    process = subprocess.Popen([RAY, *readme_command("ray start --head")[1:], *own], env=environment, cwd=folder,
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    try:
        wait_until_jobs_run(environment, process)
        yield environment
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(timeout=60)
        shutil.rmtree(folder, ignore_errors=True)


def wait_until_jobs_run(environment: dict[str, str], head: subprocess.Popen[bytes]) -> None:
    """The Jobs API answers before the head can run a job; the first job that runs says it is ready."""
    deadline = time.monotonic() + 180
    while time.monotonic() < deadline:
        assert head.poll() is None, "the head ended"
        if subprocess.run([RAY, "job", "submit", "--", "true"], env=environment, capture_output=True).returncode == 0:
            return
        time.sleep(1)
    raise AssertionError("the head runs no jobs")


def test_a_submitted_grid_gives_the_same_trials_and_winners(head: dict[str, str], tmp_path: Path) -> None:
    job = write_job(tmp_path)
    run("--config", job, "--name", "here", "--storage-path", tmp_path / "runs")
    submit = readme_command("ray job submit")
    submit[submit.index("--address") + 1] = head["RAY_ADDRESS"]
    submit[submit.index("--storage-path") + 1] = str(tmp_path / "runs")
    done = subprocess.run([RAY, *submit[1:], "--config", str(job), "--name", "there"], cwd=ROOT, env=head,
                          capture_output=True, text=True, timeout=400)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "the winner" in done.stdout
    assert trials(tmp_path / "runs" / "there") == trials(tmp_path / "runs" / "here")
    assert winners(tmp_path / "runs" / "there") == winners(tmp_path / "runs" / "here")
