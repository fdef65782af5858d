"""The tracker against a real ``mlflow server`` that goes away and comes back."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from gluetune.storage import Storage
from gluetune.tracking import Tracker
from gluetune.tracking.runs import connect
from sample_search import events, plan, tell

pytestmark = [pytest.mark.cluster, pytest.mark.slow]


class Server:
    """An MLflow server of one worker on a port of its own."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.uri, self._folder = f"http://127.0.0.1:{self.port}", folder
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Starts it and waits until it answers."""
        log = (self._folder / "server.log").open("ab")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "mlflow", "server", "--port", str(self.port), "--workers", "1",
             "--backend-store-uri", f"sqlite:///{self._folder}/server.db",
             "--artifacts-destination", str(self._folder / "artifacts")],
            stdout=log, stderr=log, start_new_session=True)
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            try:
                urllib.request.urlopen(f"{self.uri}/health", timeout=2)
                return
            except OSError:
                time.sleep(0.3)
        raise TimeoutError((self._folder / "server.log").read_text())

    def kill(self) -> None:
        """Kills it and its workers, as a power cut would."""
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    made = Server(tmp_path)
    made.start()
    yield made
    made.kill()


def test_nothing_is_lost_while_the_server_is_down(server: Server, tmp_path: Path) -> None:
    notes: list[str] = []
    journal = events()
    tracker = Tracker(plan(tracking_uri=server.uri), Storage(str(tmp_path / "small")), job="name: small\n",
                      notify=notes.append)
    trials = tell(tracker, journal[:4])
    assert tracker.flush()
    server.kill()
    tell(tracker, journal[4:10], trials)
    assert not tracker.flush(3.0)
    assert notes[0].startswith("MLflow does not answer (ConnectionRefusedError")
    server.start()
    tell(tracker, journal[10:], trials)
    assert tracker.close(60.0)
    assert notes[1:] == ["MLflow answers again; the record goes on"]
    client = connect(server.uri, "tests")
    found = client.search_runs([client.get_experiment_by_name("tests").experiment_id])
    runs = {run.info.run_name.split()[0]: run for run in found}
    assert len(found) == len(runs) == 7
    scores = client.get_metric_history(runs["cola-0000"].info.run_id, "eval_score")
    assert [(point.step, point.value) for point in scores] == [(50, 0.30), (100, 0.50), (150, 0.40)]
    assert {runs[name].info.status for name in ("small", "CoLA", "mnli-0001", "cola-0002")} == {"FINISHED"}
    assert [file.path for file in client.list_artifacts(runs["small"].info.run_id)] == ["job.yaml"]


def test_a_server_that_stays_down_is_said_and_a_resume_writes_the_rest(server: Server, tmp_path: Path) -> None:
    notes: list[str] = []
    folder = Storage(str(tmp_path / "small"))
    tracker = Tracker(plan(tracking_uri=server.uri), folder, notify=notes.append)
    trials = tell(tracker, events()[:4])
    assert tracker.flush()
    server.kill()
    tell(tracker, events()[4:], trials)
    assert not tracker.close(2.0)
    assert f"MLflow at {server.uri} did not take 14 events within 2 s (ConnectionRefusedError" in notes[-1]
    assert notes[-1].endswith("the journal has them: resume 'small' to write them")
    server.start()
    assert Tracker(plan(tracking_uri=server.uri), folder, history=events()).close()
    client = connect(server.uri, "tests")
    found = client.search_runs([client.get_experiment_by_name("tests").experiment_id])
    assert len(found) == 7
    assert all(run.info.status != "RUNNING" for run in found)
