"""A search recorded on a real MLflow server: PostgreSQL, login, proxied artifacts, and a power cut in its middle."""

from __future__ import annotations

import os
import re
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests

from gluetune.api.new_runs import check_empty
from gluetune.config import DataConfig
from gluetune.data import open_source
from gluetune.errors import TrackingError
from gluetune.events import Evaluated, Journal
from gluetune.storage import Storage
from gluetune.tasks import get_task
from gluetune.tracking import Champion, Tracker
from gluetune.tracking.champion import log_champion
from gluetune.tracking.runs import open_store
from gluetune.tracking.updates import EVALUATION_METRICS
from mlflow_gate import gate
from mlflow_server import Server, missing, postgres
from mlflow_ui import axes, browsing, chromium, compare, open_experiment, unfold
from sample_search import events, plan, send_events
from searches import ROOT, command, run, summary

pytest.importorskip("flask_wtf", reason="MLflow's login needs Flask-WTF, of gluetune[cluster]")
pytestmark = [
    pytest.mark.cluster,
    pytest.mark.ray,
    pytest.mark.slow,
    pytest.mark.skipif(missing() is not None, reason=str(missing())),
]

NAME, PASSWORD = "served", "correct horse battery"
FIELDS = ("learning_rate", "batch_size", "num_train_epochs")
SPACE = """
space:
  learning_rate: [5.0e-4, 3.0e-4, 1.0e-4, 5.0e-5]
  batch_size: [16, 32, 64]
  num_train_epochs: [2, 3, 4]
"""
JOB = """
name: served
tasks: [cola, mrpc]
seed: 7
search: {space: SPACE, algorithm: random, num_samples: SAMPLES}
lanes: {max_concurrent_trials: 2}
"""
SAMPLES = 9
COMPARED = 8  # all on one screen
TRIALS = 2 * SAMPLES
WANTS, SET = "it wants a user that it knows, but", "set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD"
UP_AGAIN_AFTER_S = 25.0  # longer than the longest pause between two attempts
SHORT_TIMEOUT_S = 10.0  # the tracker's for everything but weights


@dataclass(frozen=True)
class Record:
    """What a search left: its folder, what it printed, and the trials that ended while the server was away."""

    folder: Path
    output: str
    ended_meanwhile: int


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with two users beside its administrator: ``researcher`` and ``guest``."""
    with postgres() as database:
        made = Server(tmp_path_factory.mktemp("server"), database)
        try:
            made.start()
            with pytest.MonkeyPatch.context() as environment:
                for name, value in made.admin.items():
                    environment.setenv(name, value)
                add_users(made.uri)
            yield made
        finally:
            made.kill()


def add_users(uri: str) -> None:
    from mlflow.server.auth.client import AuthServiceClient

    for user in ("researcher", "guest"):
        AuthServiceClient(uri).create_user(user, PASSWORD)


@pytest.fixture
def without_credentials(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """No credentials in the environment nor in the home; patience with a busy machine."""
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "60")
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD", "MLFLOW_TRACKING_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


@pytest.fixture
def as_researcher(without_credentials: pytest.MonkeyPatch) -> None:
    log_in(without_credentials, "researcher", PASSWORD)


def log_in(environment: pytest.MonkeyPatch, user: str, password: str) -> None:
    environment.setenv("MLFLOW_TRACKING_USERNAME", user)
    environment.setenv("MLFLOW_TRACKING_PASSWORD", password)


@pytest.fixture(scope="module")
def recorded(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Record:
    """A search by ``researcher``; the server is killed in its middle and comes back on the same port."""
    folder = tmp_path_factory.mktemp("search")
    (folder / "space.yaml").write_text(SPACE)
    (folder / "job.yaml").write_text(JOB.replace("SPACE", str(folder / "space.yaml")).replace("SAMPLES", str(SAMPLES)))
    login = {"MLFLOW_TRACKING_USERNAME": "researcher", "MLFLOW_TRACKING_PASSWORD": PASSWORD, "COLUMNS": "120"}
    with (folder / "output.txt").open("w") as out:
        search = subprocess.Popen(
            command("--config", folder / "job.yaml", "--storage-path", folder, "--tracking-uri", server.uri),
            stdout=out,
            stderr=out,
            cwd=ROOT,
            env=os.environ | login,
        )
    try:
        wait(search, lambda: ended(folder / NAME) >= 2)
        server.kill()
        away, before = time.monotonic(), ended(folder / NAME)
        wait(search, lambda: ended(folder / NAME) >= before + 2 and time.monotonic() > away + UP_AGAIN_AFTER_S)
        meanwhile = ended(folder / NAME) - before
        server.start()
        code = search.wait(timeout=900)
        output = (folder / "output.txt").read_text()
        assert code == 0, output
        return Record(folder / NAME, output, meanwhile)
    finally:
        if search.poll() is None:
            search.terminate()
            search.wait(timeout=60)


def wait(search: subprocess.Popen[bytes], done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 600
    while not done():
        assert search.poll() is None, "the search ended too early"
        assert time.monotonic() < deadline, "the search does not get on"
        time.sleep(0.2)


def ended(folder: Path) -> int:
    """Trials whose end is in the journal."""
    return sum(file.read_text().count('"event":"ended"') for file in folder.glob("journal/*.jsonl"))


def runs_by_name(server: Server) -> dict[str, Any]:
    client = open_store(server.uri, NAME)
    found = client.search_runs([client.get_experiment_by_name(NAME).experiment_id], max_results=1000)
    assert len({run.info.run_name for run in found}) == len(found)
    return {run.info.run_name.split()[0]: run for run in found}


def history(server: Server, run_ids: Iterable[str], metric: str) -> list[tuple[str, int, float]]:
    """Run, step and value of all that was written of a metric, as MLflow's own pages ask for it."""
    answer = requests.get(
        f"{server.uri}/ajax-api/2.0/mlflow/metrics/get-history-bulk",
        timeout=60,
        params={"run_id": list(run_ids), "metric_key": metric},
        auth=("researcher", PASSWORD),
    )
    answer.raise_for_status()
    return sorted((point["run_id"], point["step"], point["value"]) for point in answer.json()["metrics"])


def one_line(said: str) -> str:
    """What a command printed, all of it, without the terminal's line breaks."""
    return " ".join(said.split())


def test_without_a_login_nothing_starts(
    server: Server, without_credentials: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    said = run("--name", "refused", "--storage-path", tmp_path, "--tracking-uri", server.uri, code=2)
    assert one_line(said) == (
        f"error: MLflow at {server.uri!r} refuses this search: {WANTS} got none: {SET}, "
        "or MLFLOW_TRACKING_TOKEN where it takes tokens"
    )
    assert not (tmp_path / "refused" / "journal").exists()


def test_a_wrong_password_is_reported(server: Server, without_credentials: pytest.MonkeyPatch) -> None:
    log_in(without_credentials, "researcher", "wrong horse battery")
    refused = f"refuses this search: {WANTS} refuses 'researcher' with the password it got: {SET}"
    with pytest.raises(TrackingError, match=re.escape(refused)):
        open_store(server.uri, NAME)


def test_a_token_that_the_server_does_not_take_is_reported(
    server: Server, without_credentials: pytest.MonkeyPatch
) -> None:
    without_credentials.setenv("MLFLOW_TRACKING_TOKEN", "expired")
    with pytest.raises(TrackingError, match="refuses the token in MLFLOW_TRACKING_TOKEN: renew it, or set MLFLOW"):
        open_store(server.uri, NAME)


def test_the_search_goes_on_while_the_server_is_away(recorded: Record) -> None:
    assert recorded.ended_meanwhile >= 2
    assert recorded.output.count("MLflow does not answer (") == 1  # it may have died in the middle of an answer
    assert recorded.output.count("MLflow answers again; the waiting updates are written") == 1
    assert [trial["status"] for trial in summary(recorded.folder)["trials"]] == TRIALS * ["finished"]


def test_no_metric_is_missing(server: Server, recorded: Record, as_researcher: None) -> None:
    runs, journal = runs_by_name(server), Journal(Storage(str(recorded.folder)))
    evaluations = [event for event in journal.events if isinstance(event, Evaluated)]
    assert len(evaluations) > TRIALS
    ids = {number: runs[trial.name].info.run_id for number, trial in journal.trials.items()}
    values = [
        (ids[event.number], event.step, name, value)
        for event in evaluations
        for name, value in [
            *((name, getattr(event, field)) for name, field in EVALUATION_METRICS.items()),
            *((f"eval_{name}", value) for name, value in event.metrics.items()),
        ]
    ]
    for metric in {name for _, _, name, _ in values}:
        expected = [(run_id, step, value) for run_id, step, name, value in values if name == metric]
        assert history(server, ids.values(), metric) == sorted(expected), metric


def test_the_run_tree_and_its_parameters(server: Server, recorded: Record, as_researcher: None) -> None:
    runs = runs_by_name(server)
    assert len(runs) == 1 + 2 + TRIALS
    parents = {name: run.data.tags.get("mlflow.parentRunId") for name, run in runs.items()}
    assert (parents[NAME], parents["CoLA"], parents["MRPC"]) == (None, *2 * [runs[NAME].info.run_id])
    assert {run.info.status for run in runs.values()} == {"FINISHED"}
    for trial in summary(recorded.folder)["trials"]:
        name = f"{trial['task']}-{trial['number']:04d}"
        run = runs[name]
        assert parents[name] == runs["CoLA" if trial["task"] == "cola" else "MRPC"].info.run_id
        assert {field: float(run.data.params[field]) for field in FIELDS} == trial["params"]
        assert run.data.metrics["best_score"] == trial["best_score"]


def test_artifacts_come_back_through_the_server(
    server: Server, recorded: Record, as_researcher: None, tmp_path: Path
) -> None:
    client, runs = open_store(server.uri, NAME), runs_by_name(server)
    assert runs[NAME].info.artifact_uri.startswith("mlflow-artifacts:/")
    job = Path(client.download_artifacts(runs[NAME].info.run_id, "job.yaml", str(tmp_path)))
    assert job.read_bytes() == (recorded.folder / "job.yaml").read_bytes()
    (winner,) = [task["winner"]["name"] for task in summary(recorded.folder)["tasks"] if task["task"] == "cola"]
    curve = Path(client.download_artifacts(runs[winner].info.run_id, "learning_curve.png", str(tmp_path)))
    assert curve.read_bytes() == (recorded.folder / "report" / "cola_learning_curve.png").read_bytes()


def test_the_champion_scores_as_recorded(server: Server, recorded: Record, as_researcher: None) -> None:
    import mlflow
    import pandas as pd
    from sklearn.metrics import matthews_corrcoef

    (winner,) = [task["winner"] for task in summary(recorded.folder)["tasks"] if task["task"] == "cola"]
    task = get_task("cola")
    rows = open_source(DataConfig()).load(task, "validation")
    mlflow.set_tracking_uri(server.uri)
    try:
        model = mlflow.pyfunc.load_model(winner["model_uri"])
    finally:
        mlflow.set_tracking_uri(None)  # type: ignore[arg-type]
    labels = [task.labels.index(label) for label in model.predict(pd.DataFrame(rows.columns))["label"]]
    expected = winner["dev_scores"]["validation"]["matthews_correlation"]
    score = matthews_corrcoef(rows.labels, labels)
    assert score == pytest.approx(expected, abs=1e-6)


def test_a_user_who_may_only_read_is_refused_at_once(
    server: Server, recorded: Record, without_credentials: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    log_in(without_credentials, "guest", PASSWORD)
    with pytest.raises(TrackingError, match=r"user 'guest' may not write there: its administrator can grant EDIT"):
        Tracker(plan(tracking_uri=server.uri, experiment=NAME), Storage(str(tmp_path / "small")))
    check_empty(Storage(str(tmp_path / "small")), "small")  # once the right is granted, the same command works
    assert not (tmp_path / "small" / "tracking.json").exists()


def test_a_token_opens_what_takes_tokens(
    server: Server, without_credentials: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with gate(server.uri, "secret", "researcher", PASSWORD) as uri:
        tracked = plan(tracking_uri=uri, experiment="gated")
        with pytest.raises(TrackingError, match="but got none: set MLFLOW_TRACKING_USERNAME"):
            Tracker(tracked, Storage(str(tmp_path / "small")))
        without_credentials.setenv("MLFLOW_TRACKING_TOKEN", "secret")
        tracker = Tracker(tracked, Storage(str(tmp_path / "small")), job="name: small\n")
        send_events(tracker, events())
        assert tracker.close()
        client = open_store(uri, "gated")
        found = client.search_runs([client.get_experiment_by_name("gated").experiment_id])
        assert len(found) == 7
        assert "RUNNING" not in {run.info.status for run in found}


def test_a_refusal_in_mid_search_is_reported_and_waited_out(
    server: Server, without_credentials: pytest.MonkeyPatch, tmp_path: Path, logged: Callable[[], list[str]]
) -> None:
    log_in(without_credentials, "researcher", PASSWORD)
    tracker = Tracker(plan(tracking_uri=server.uri, experiment="rotated"), Storage(str(tmp_path / "small")))
    trials = send_events(tracker, events()[:4])
    assert tracker.flush()
    log_in(without_credentials, "researcher", "rotated away")
    send_events(tracker, events()[4:], trials)
    assert not tracker.flush(3.0)
    assert logged() == [
        f"MLflow refuses the updates ({WANTS} refuses 'researcher' with the password it got: {SET}); "
        "updates wait until it answers again"
    ]
    log_in(without_credentials, "researcher", PASSWORD)
    assert tracker.close(30.0)
    assert logged()[1:] == ["MLflow answers again; the waiting updates are written"]


def test_weights_may_take_longer_than_any_other_answer(
    server: Server, recorded: Record, without_credentials: pytest.MonkeyPatch
) -> None:
    log_in(without_credentials, "researcher", PASSWORD)
    winner = next(task["winner"] for task in summary(recorded.folder)["tasks"] if task["task"] == "mrpc")
    rows = open_source(DataConfig()).load(get_task("mrpc"), "validation")
    champion = Champion(get_task("mrpc"), winner["name"], winner["folder"], 0.9, {}, rows.columns, 128)
    run_id = runs_by_name(server)[winner["name"]].info.run_id
    for name in ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD"):
        without_credentials.delenv(name)
    without_credentials.setenv("MLFLOW_TRACKING_TOKEN", "secret")
    without_credentials.delenv("MLFLOW_HTTP_REQUEST_TIMEOUT")
    with gate(server.uri, "secret", "researcher", PASSWORD, upload_s=1.2 * SHORT_TIMEOUT_S) as uri:
        client = open_store(uri, NAME)
        experiment = client.get_experiment_by_name(NAME).experiment_id
        assert log_champion(client, experiment, run_id, {}, champion, in_registry=False).uri.startswith("models:/")


def test_trials_are_compared_in_the_browser(
    server: Server, recorded: Record, as_researcher: None, tmp_path: Path
) -> None:
    pytest.importorskip("playwright.sync_api", reason="Playwright drives the browser")
    if chromium() is None:
        pytest.skip("Chromium is not installed (Debian: apt-get install chromium)")
    pictures = Path(os.environ.get("GLUETUNE_SCREENSHOTS", tmp_path))
    names = runs_by_name(server)
    trials = [
        names[f"cola-{trial['number']:04d}"].info.run_name
        for trial in summary(recorded.folder)["trials"]
        if trial["task"] == "cola"
    ]
    with browsing("researcher", PASSWORD) as page:
        open_experiment(page, server.uri, NAME)
        unfold(page, NAME, "CoLA")
        unfold(page, "CoLA", trials[0])
        page.screenshot(path=pictures / "mlflow_runs.png")
        page.get_by_role("link", name="CoLA", exact=True).first.click()
        page.get_by_role("heading", name="CoLA").wait_for()
        for trial in trials[-3:]:
            page.get_by_role("link", name=trial, exact=True).wait_for()
        page.go_back()
        unfold(page, NAME, "CoLA")
        unfold(page, "CoLA", trials[0])
        compare(page, trials[:COMPARED])
        page.get_by_text(f"Comparing {COMPARED} Runs from 1 Experiment").wait_for()
        assert set(FIELDS) < set(axes(page))
        assert "best_score" in axes(page), "the comparison opens on the metric that ranks"
        assert sorted(axes(page)) == sorted([*FIELDS, "best_score"])
        page.screenshot(path=pictures / "mlflow.png")
    assert min((pictures / name).stat().st_size for name in ("mlflow.png", "mlflow_runs.png")) > 30_000
