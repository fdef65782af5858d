"""deploy/slurm.sbatch, with commands in place of those of Slurm, Ray and gluetune that write down their arguments."""

from __future__ import annotations

import os
import signal
import socket
import stat
import subprocess
import time
from pathlib import Path

import pytest

from launcher_files import ROOT

SCRIPT = ROOT / "deploy" / "slurm.sbatch"
NODES = ("node1", "node2", "node3")
SRUN = """#!/usr/bin/env bash
echo "srun $*" >> "$CALLS"
while [[ $1 != ray ]]; do shift; done
exec "$@"
"""
# The head listens until it is stopped; a worker only waits.
RAY = """#!/usr/bin/env bash
stat -c %a "$RAY_AUTH_TOKEN_PATH" >> "$CALLS.modes"
[[ " $* " == *" --head "* ]] && exec python3 -c "
import socket, time
server = socket.create_server(('0.0.0.0', 6379))
time.sleep(60)"
exec sleep 60
"""
GLUETUNE = """#!/usr/bin/env bash
echo "gluetune $*" >> "$CALLS"
trap 'echo stopped >> "$CALLS"; exit 130' TERM
for _ in $(seq "${SEARCH_TENTHS:-1}"); do sleep 0.1; done
exit "${SEARCH_CODE:-0}"
"""
PYTHON = """#!/usr/bin/env bash
if [[ $1 == - ]]; then cat > /dev/null; echo "waited for $3 nodes" >> "$CALLS"; else exec python3 "$@"; fi
"""


def port_is_free() -> bool:
    with socket.socket() as found:
        return found.connect_ex(("127.0.0.1", 6379)) != 0


pytestmark = pytest.mark.skipif(not port_is_free(), reason="a Ray cluster of this machine has port 6379")


@pytest.fixture
def job(tmp_path: Path) -> dict[str, str]:
    """The environment of a job of three nodes."""
    commands = {"venv/bin/ray": RAY, "venv/bin/gluetune": GLUETUNE, "venv/bin/python": PYTHON, "slurm/srun": SRUN}
    commands["slurm/scontrol"] = "#!/bin/sh\nprintf '%s\\n' " + " ".join(NODES) + "\n"
    commands["slurm/hostname"] = "#!/bin/sh\necho 'fe80::1 127.0.0.1'\n"
    for name, text in commands.items():
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        file.chmod(file.stat().st_mode | stat.S_IXUSR)
    return os.environ | {
        "PATH": f"{tmp_path / 'slurm'}:{os.environ['PATH']}",
        "CALLS": str(tmp_path / "calls"),
        "GLUETUNE_VENV": str(tmp_path / "venv"),
        "GLUETUNE_RUNS": str(tmp_path / "runs"),
        "SLURM_JOB_ID": "17",
        "SLURM_JOB_NODELIST": "node[1-3]",
        "SLURM_CPUS_ON_NODE": "8",
    }


def start(job: dict[str, str]) -> subprocess.Popen[bytes]:
    folder = Path(job["CALLS"]).parent
    return subprocess.Popen(["bash", str(SCRIPT), "--name", "first run", "--tasks", "cola"], env=job, cwd=folder)


def calls(job: dict[str, str]) -> list[str]:
    file = Path(job["CALLS"])
    return file.read_text().splitlines() if file.exists() else []


def test_a_cluster_of_all_nodes_runs_the_search_and_ends(job: dict[str, str]) -> None:
    assert start(job).wait(60) == 0
    made = calls(job)
    head, *workers = [line for line in made if line.startswith("srun")]
    assert "--nodelist=node1 " in head
    assert "--head --node-ip-address=127.0.0.1" in head
    assert [f"--nodelist={node} " in line for node, line in zip(NODES[1:], sorted(workers), strict=True)] == [
        True,
        True,
    ]
    assert all("--address=127.0.0.1:6379" in line and "--num-cpus=8" in line for line in workers)
    where = f"--address 127.0.0.1:6379 --storage-path {job['GLUETUNE_RUNS']}"
    assert made.index("waited for 3 nodes") < made.index(f"gluetune tune {where} --name first run --tasks cola")
    assert port_is_free(), "Ray's processes end with the job"


def test_the_token_is_readable_by_its_user_only_and_deleted_at_the_end(job: dict[str, str]) -> None:
    assert start(job).wait(60) == 0
    assert set(Path(job["CALLS"] + ".modes").read_text().split()) == {"600"}
    assert list(Path(job["GLUETUNE_RUNS"]).iterdir()) == []


def test_the_exit_code_is_that_of_the_search(job: dict[str, str]) -> None:
    assert start(job | {"SEARCH_CODE": "2"}).wait(60) == 2


def test_the_signal_before_the_time_limit_reaches_the_search(job: dict[str, str]) -> None:
    script = start(job | {"SEARCH_TENTHS": "500"})
    deadline = time.monotonic() + 60
    while not any(line.startswith("gluetune") for line in calls(job)) and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(0.3)  # for its handler
    script.send_signal(signal.SIGTERM)
    assert script.wait(60) == 130
    assert calls(job)[-1] == "stopped"
    assert port_is_free()


@pytest.mark.parametrize("variable", ["GLUETUNE_VENV", "GLUETUNE_RUNS"])
def test_a_job_without_its_folders_starts_nothing(job: dict[str, str], variable: str) -> None:
    del job[variable]
    assert start(job).wait(60) != 0
    assert calls(job) == []
