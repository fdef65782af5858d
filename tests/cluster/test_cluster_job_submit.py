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
from searches import ROOT, run, trials, winners, write_job

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
    log = Path(folder, "head.log").open("w")
    process = subprocess.Popen(
        [RAY, "start", "--head", "--block", f"--port={port}", f"--dashboard-port={dashboard}", f"--temp-dir={folder}",
         "--num-cpus=2", "--object-store-memory=500000000", "--disable-usage-stats", "--include-dashboard=true"],
        env=environment, stdout=log, stderr=subprocess.STDOUT, start_new_session=True, cwd=folder)
    try:
        wait_for(dashboard, process)
        yield environment | {"RAY_ADDRESS": f"http://127.0.0.1:{dashboard}"}
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(timeout=60)
        shutil.rmtree(folder, ignore_errors=True)


def wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        assert process.poll() is None, "the head ended"
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                time.sleep(5)  # the Jobs API answers a little later than its port
                return
        time.sleep(0.5)
    raise AssertionError("the head's dashboard did not come up")


def test_a_submitted_grid_gives_the_same_trials_and_winners(head: dict[str, str], tmp_path: Path) -> None:
    job = write_job(tmp_path)
    run("--config", job, "--name", "here", "--storage-path", tmp_path / "runs")
    done = subprocess.run(
        [RAY, "job", "submit", "--working-dir", ".", "--runtime-env-json", '{"env_vars": {"PYTHONPATH": "platform"}}',
         "--", "python", "jobs/tune_glue.py", "--config", str(job), "--name", "there", "--storage-path",
         str(tmp_path / "runs")],
        cwd=ROOT, env=head, capture_output=True, text=True, timeout=400)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "the winner" in done.stdout
    assert trials(tmp_path / "runs" / "there") == trials(tmp_path / "runs" / "here")
    assert winners(tmp_path / "runs" / "there") == winners(tmp_path / "runs" / "here")
