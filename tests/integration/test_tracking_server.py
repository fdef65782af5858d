"""The tracker against a real ``mlflow server`` that goes away and comes back."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gluetune.api.frontend import messages_to
from gluetune.api.places import tracking_uri
from gluetune.api.session import begin, new_session
from gluetune.cli.terminal import Terminal
from gluetune.config import JobConfig, Override, StorageConfig, TrackingConfig, dump_job, parse_job, without_password
from gluetune.errors import TrackingError
from gluetune.reporting import print_locations, print_plan, summarise, write_summary
from gluetune.storage import Storage
from gluetune.tasks import get_task
from gluetune.tracking import Champion, Tracker, check_store, ui_command
from gluetune.tracking.runs import open_store
from gluetune.tracking.uris import artifact_location, sqlite_uri
from sample_search import events, plan, send_events

pytestmark = [pytest.mark.cluster, pytest.mark.slow]


class Server:
    """An MLflow server of one worker on a port of its own."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.uri, self._folder = f"http://127.0.0.1:{self.port}", folder
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, command: str | None = None) -> None:
        """Start it, or what a shell makes of a command, and wait until it answers."""
        log = (self._folder / "server.log").open("ab")
        self._process = subprocess.Popen(
            ["sh", "-c", command]
            if command
            else [
                sys.executable,
                "-m",
                "mlflow",
                "server",
                "--port",
                str(self.port),
                "--workers",
                "1",
                "--backend-store-uri",
                f"sqlite:///{self._folder}/server.db",
                "--artifacts-destination",
                str(self._folder / "artifacts"),
            ],
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            try:
                urllib.request.urlopen(f"{self.uri}/health", timeout=2)
                return
            except OSError:
                time.sleep(0.3)
        raise TimeoutError((self._folder / "server.log").read_text())

    def kill(self, number: int = signal.SIGKILL) -> None:
        """Kill it and its workers, as a power cut would."""
        if self._process is not None:
            os.killpg(self._process.pid, number)
            self._process.wait()
            self._process = None


@pytest.fixture
def server(tmp_path: Path, empty_store: Path) -> Iterator[Server]:
    shutil.copy(empty_store, tmp_path / "server.db")
    made = Server(tmp_path)
    made.start()
    yield made
    made.kill()


def test_nothing_is_lost_while_the_server_is_down(
    server: Server, tmp_path: Path, logged: Callable[[], list[str]]
) -> None:
    journal = events()
    tracker = Tracker(plan(tracking_uri=server.uri), Storage(str(tmp_path / "small")), job="name: small\n")
    trials = send_events(tracker, journal[:4])
    assert tracker.flush()
    server.kill()
    send_events(tracker, journal[4:10], trials)
    assert not tracker.flush(3.0)
    assert logged()[0].startswith("MLflow does not answer (ConnectionRefusedError")
    server.start()
    send_events(tracker, journal[10:], trials)
    assert tracker.close(60.0)
    assert logged()[1:] == ["MLflow answers again; the waiting updates are written"]
    client = open_store(server.uri, "tests")
    found = client.search_runs([client.get_experiment_by_name("tests").experiment_id])
    runs = {run.info.run_name.split()[0]: run for run in found}
    assert len(found) == len(runs) == 7
    scores = client.get_metric_history(runs["cola-0000"].info.run_id, "eval_score")
    assert [(point.step, point.value) for point in scores] == [(50, 0.30), (100, 0.50), (150, 0.40)]
    assert {runs[name].info.status for name in ("small", "CoLA", "mnli-0001", "cola-0002")} == {"FINISHED"}
    assert [file.path for file in client.list_artifacts(runs["small"].info.run_id)] == ["job.yaml"]


def test_a_server_that_stays_down_is_said_and_a_resume_writes_the_rest(
    server: Server, tmp_path: Path, logged: Callable[[], list[str]]
) -> None:
    folder = Storage(str(tmp_path / "small"))
    tracker = Tracker(plan(tracking_uri=server.uri), folder)
    trials = send_events(tracker, events()[:4])
    assert tracker.flush()
    server.kill()
    send_events(tracker, events()[4:], trials)
    assert not tracker.close(2.0)
    assert f"MLflow at {server.uri} did not take 14 events within 2 s (ConnectionRefusedError" in logged()[-1]
    assert logged()[-1].endswith("the journal has them: resume 'small' to write them")
    server.start()
    assert Tracker(plan(tracking_uri=server.uri), folder, history=events()).close()
    client = open_store(server.uri, "tests")
    found = client.search_runs([client.get_experiment_by_name("tests").experiment_id])
    assert len(found) == 7
    assert all(run.info.status != "RUNNING" for run in found)


def test_all_winners_together_wait_once_for_a_server_that_is_away(
    server: Server, tmp_path: Path, logged: Callable[[], list[str]]
) -> None:
    folder = Storage(str(tmp_path / "small"))
    tracker = Tracker(plan(tracking_uri=server.uri), folder, patience=3.0)
    trials = send_events(tracker, events()[:4])
    assert tracker.flush()
    server.kill()
    send_events(tracker, events()[4:], trials)
    began = time.monotonic()
    for number in (0, 1, 2):
        champion = Champion(get_task(trials[number].task), trials[number].name, str(tmp_path), 0.5, {}, {}, 64)
        assert tracker.log_winner(trials[number], champion) is None
    assert time.monotonic() - began < 10, "the second and third winner do not wait again"
    assert tracker.unsent == [trials[number].name for number in (0, 1, 2)]
    assert not tracker.close()
    assert [note for note in logged() if note.startswith("waiting up to 3 s for MLflow")] == logged()[1:2]
    assert f"and the models of {', '.join(tracker.unsent)} within" in logged()[-1]
    assert len(logged()) == 3


def test_no_password_is_left_anywhere(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """What a search prints and leaves in its folder, in its log, in MLflow's database, artifacts and log."""
    for name in ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD"):
        monkeypatch.setenv(name, "")  # put back at the end
    secret = "sesame-91-unheard"
    address = server.uri.replace("http://", f"http://ann:{secret}@")
    job = JobConfig(
        name="small", storage=StorageConfig(path=str(tmp_path / "runs")), tracking=TrackingConfig(uri=address)
    )
    session, terminal = new_session(job, None), Terminal()
    made = plan(tracking_uri=without_password(address), folder=session.storage.uri())
    with terminal.logging_to(session.log), messages_to(terminal.note, terminal.error):
        print_plan(made, terminal.out)
        tracker = Tracker(
            made,
            session.storage,
            store=tracking_uri(job),
            job=dump_job(session.job),
        )
        begin(session)
        trials = send_events(tracker, events())
        assert tracker.close(60.0)
        server.kill()
        with pytest.raises(TrackingError) as raised:
            check_store(address, "tests")
        terminal.error(str(raised.value))
        summary = summarise(made, trials.values(), status="complete", session_started=0.0, now=1.0)
        print_locations(
            summary,
            terminal.out,
            ui=ui_command(address),
            runs=tracker.link,
            summary_file=write_summary(session.storage, summary),
        )
    said = "".join(capfd.readouterr())
    assert "http://ann@127.0.0.1" in said
    assert secret not in said
    files = [file for file in tmp_path.rglob("*") if file.is_file()]
    names = {file.name for file in files}
    assert {"job.yaml", "summary.json", "tracking.json", "ray.log", "server.db", "server.log"} <= names
    assert [file for file in files if secret.encode() in file.read_bytes()] == []
    kept = parse_job(session.storage.read("job.yaml") or b"", "job.yaml", [Override("tracking.uri", address)])
    assert tracking_uri(kept) == address  # as a resume takes it from the flag
    server.start()
    again = Tracker(made, session.storage, store=address, history=events())
    assert again.close()
    client = open_store(server.uri, "tests")
    found = client.search_runs([client.get_experiment_by_name("tests").experiment_id])
    assert len(found) == 7, "the address with its password is the same store"


def test_the_printed_command_opens_the_store_of_a_folder_with_an_odd_name(tmp_path: Path, empty_store: Path) -> None:
    folder = tmp_path / "it's %25 what? #é [x]"
    folder.mkdir()
    shutil.copy(empty_store, folder / "mlflow.db")
    store = sqlite_uri(folder / "mlflow.db")
    assert Tracker(
        plan(tracking_uri=store),
        Storage(str(folder / "small")),
        artifacts=artifact_location(str(folder / "mlartifacts")),
    ).close()
    served = Server(tmp_path)
    served.start(f"{ui_command(store)} --port {served.port}")
    try:
        client = open_store(served.uri, "tests")
        found = client.search_runs([client.get_experiment_by_name("tests").experiment_id])
        assert {run.info.run_name for run in found} == {"small", "CoLA", "MNLI"}
        (root,) = [run for run in found if run.info.run_name == "small"]
        assert [file.path for file in client.list_artifacts(root.info.run_id)] == ["job.yaml"]
    finally:
        served.kill(signal.SIGTERM)
    assert sorted(path.name for path in folder.iterdir()) == ["mlartifacts", "mlflow.db", "small"]
