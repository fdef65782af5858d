"""deploy/mlflow_server.py as the cluster's head runs it: a real server, stopped and started on a new machine."""

from __future__ import annotations

import base64
import configparser
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from launcher_files import ROOT

pytest.importorskip("flask_wtf", reason="MLflow's login needs Flask-WTF, of gluetune[cluster]")
pytestmark = [pytest.mark.cluster, pytest.mark.slow]
CLIENT = """
import sys
import mlflow
mlflow.set_tracking_uri(sys.argv[1])
mlflow.set_experiment("search")
with mlflow.start_run(run_name=sys.argv[2]):
    mlflow.log_metric("score", 0.5)
    mlflow.log_text("kept", "note.txt")
runs = mlflow.search_runs(experiment_names=["search"], output_format="list")
texts = [mlflow.artifacts.load_text(f"runs:/{run.info.run_id}/note.txt") for run in runs]
print(sorted(run.info.run_name for run in runs), texts)
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def status(url: str, **headers: str) -> int:
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=10) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0


def environment(home: Path, store: Path) -> dict[str, str]:
    kept = {key: value for key, value in os.environ.items() if not key.startswith("MLFLOW_")}
    own = {"HOME": str(home), "MLFLOW_STORE": str(store), "PYTHONPATH": str(ROOT / "platform")}
    return kept | own | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}


@contextmanager
def machine(home: Path, store: Path) -> Iterator[str]:
    """A machine whose service runs; ends as systemd ends it. Its server's address."""
    home.mkdir()
    port = free_port()
    service = subprocess.Popen(
        [sys.executable, ROOT / "deploy" / "mlflow_server.py", "--home", home / "mlflow", "--port", str(port)],
        env=environment(home, store),
        start_new_session=True,
    )
    try:
        deadline = time.monotonic() + 180
        while status(f"http://127.0.0.1:{port}/health") != 200:
            assert service.poll() is None, "the service ended"
            assert time.monotonic() < deadline, "the server does not answer"
            time.sleep(1)
        yield f"http://127.0.0.1:{port}"
        service.send_signal(signal.SIGTERM)
        service.wait(timeout=60)
        assert status(f"http://127.0.0.1:{port}/health") == 0, "the server outlives its service"
    finally:
        if service.poll() is None:
            os.killpg(service.pid, signal.SIGKILL)


def use(address: str, home: Path, store: Path, run: str) -> str:
    """Write and read with MLflow's own client, which finds the password in the home."""
    done = subprocess.run(
        [sys.executable, "-c", CLIENT, address, run],
        env=environment(home, store),
        text=True,
        capture_output=True,
        timeout=180,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()[-1]


def basic(home: Path) -> str:
    found = configparser.ConfigParser(interpolation=None)
    found.read(home / ".mlflow" / "credentials")
    words = ":".join(found["mlflow"][f"mlflow_tracking_{part}"] for part in ("username", "password"))
    return f"Basic {base64.b64encode(words.encode()).decode()}"


def test_a_record_outlives_its_machine_and_asks_for_the_password(tmp_path: Path) -> None:
    store, old, new = tmp_path / "bucket", tmp_path / "old", tmp_path / "new"
    with machine(old, store) as address:
        assert use(address, old, store, "first") == "['first'] ['kept']"
        search = f"{address}/api/2.0/mlflow/experiments/search?max_results=5"
        assert status(search) == 401
        assert status(search, Authorization="Basic YWRtaW46cGFzc3dvcmQxMjM0") == 401, "an old default password"
        assert status(search, Authorization=basic(old)) == 200
        assert status(search, Authorization=basic(old), Host="evil.example:5000") == 403, "DNS rebinding"
    with machine(new, store) as address:
        assert use(address, new, store, "second") == "['first', 'second'] ['kept', 'kept']"
        assert basic(new) != basic(old)
