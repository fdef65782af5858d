"""The tracker on a real MLflow store: SQLite and a folder."""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gluetune.api.new_runs import check_empty
from gluetune.errors import TrackingError
from gluetune.events import WinnerEvaluated
from gluetune.storage import Storage
from gluetune.tracking import Tracker
from gluetune.tracking.runs import check_store, open_store
from sample_search import BEGIN, COLA, MNLI, ended, evaluated, events, folded, plan, send_events, started

Open = Callable[..., Tracker]


@pytest.fixture
def uri(tmp_path: Path, empty_store: Path) -> str:
    shutil.copy(empty_store, tmp_path / "mlflow.db")
    return f"sqlite:///{tmp_path}/mlflow.db"


@pytest.fixture
def open_tracker(tmp_path: Path, uri: str) -> Open:
    def make(**options: Any) -> Tracker:
        changes: dict[str, Any] = {"tracking_uri": uri} | options.pop("changes", {})
        defaults = {"job": "name: small\n", "artifacts": str(tmp_path / "mlartifacts")}
        return Tracker(plan(**changes), Storage(str(tmp_path / "small")), **(defaults | options))

    return make


def runs_of(uri: str, experiment: str = "tests") -> dict[str, Any]:
    """All runs of an experiment by name, those of trials without the configuration in it."""
    client = open_store(uri, experiment)
    found = client.search_runs([client.get_experiment_by_name(experiment).experiment_id], max_results=1000)
    assert len({run.info.run_name for run in found}) == len(found), "a run was made twice"
    return {run.info.run_name.split()[0]: run for run in found}


def history(uri: str, run: Any, metric: str) -> list[tuple[int, float]]:
    return [(point.step, point.value) for point in open_store(uri, "tests").get_metric_history(run.info.run_id, metric)]


def test_the_whole_tree(open_tracker: Open, uri: str, tmp_path: Path, logged: Callable[[], list[str]]) -> None:
    tracker = open_tracker()
    send_events(tracker, events())
    assert tracker.close()
    assert logged() == []
    runs = runs_of(uri)
    assert runs.keys() == {"small", "CoLA", "MNLI", "cola-0000", "mnli-0001", "cola-0002", "mnli-0003"}
    parents = {name: run.data.tags.get("mlflow.parentRunId") for name, run in runs.items()}
    assert parents["CoLA"] == parents["MNLI"] == runs["small"].info.run_id
    assert parents["cola-0000"] == runs["CoLA"].info.run_id
    assert {name: run.info.status for name, run in runs.items()} == {
        "small": "FINISHED",
        "CoLA": "FINISHED",
        "MNLI": "FINISHED",
        "cola-0000": "FINISHED",
        "mnli-0001": "FINISHED",
        "cola-0002": "FINISHED",
        "mnli-0003": "FAILED",
    }
    trial = runs["cola-0000"]
    assert history(uri, trial, "eval_matthews_correlation") == [(50, 0.30), (100, 0.50), (150, 0.40)]
    assert trial.data.metrics["best_score"] == 0.50
    assert next(iter(trial.data.metrics)) == "best_score"  # what MLflow's page of compared runs opens on
    assert trial.info.run_name == "cola-0000 lr 1e-4 bs 16"
    assert trial.data.params["learning_rate"] == "0.0001"
    assert (trial.info.start_time, trial.info.end_time) == (1_700_000_000_000, 1_700_000_060_000)
    assert runs["small"].data.metrics["best_score/cola"] == 0.50
    job = tmp_path / "mlartifacts" / runs["small"].info.run_id / "artifacts" / "job.yaml"
    assert job.read_text() == "name: small\n"


def test_the_experiment_opens_on_the_searchs_trials_with_their_columns(open_tracker: Open, uri: str) -> None:
    tracker = open_tracker()
    send_events(tracker, events())
    assert tracker.close()
    client = open_store(uri, "tests")
    experiment = client.get_experiment_by_name("tests")
    assert experiment.tags["mlflow.experimentKind"] == "custom_model_development"
    assert tracker.link is not None
    page, _, key = tracker.link.partition("&viewStateShareKey=")
    assert page == (
        f"http://127.0.0.1:5000/#/experiments/{experiment.experiment_id}/runs?workflowType=machine_learning"
    )
    kept = json.loads(experiment.tags[f"mlflow.sharedViewState.{key}"])
    assert kept["name"] == "small: trials"
    state = json.loads(kept["state"])
    assert set(state["selectedColumns"]) >= {"params.`learning_rate`", "params.`batch_size`", "metrics.`best_score`"}
    found = client.search_runs(
        [experiment.experiment_id], state["searchFilter"], order_by=[f"{state['orderByKey']} DESC"]
    )
    assert [run.info.run_name.split()[0] for run in found] == ["mnli-0001", "cola-0000", "cola-0002", "mnli-0003"]


def test_a_kind_that_a_user_chose_stays(open_tracker: Open, uri: str, tmp_path: Path) -> None:
    client = open_store(uri, "tests")
    made = client.create_experiment("tests", str(tmp_path / "mlartifacts"))
    client.set_experiment_tag(made, "mlflow.experimentKind", "genai_development")
    assert open_tracker().close()
    assert client.get_experiment_by_name("tests").tags["mlflow.experimentKind"] == "genai_development"


def test_datasets_are_inputs_of_the_runs_once(open_tracker: Open, uri: str, tmp_path: Path) -> None:
    prints = {"train": "a" * 64, "selection": "b" * 64, "validation": "c" * 64}
    changes = {"tasks": (replace(COLA, fingerprints=prints), MNLI)}
    journal = events()
    first = open_tracker(changes=changes)
    send_events(first, journal[:8])
    assert first.close(complete=False)
    folder = Storage(str(tmp_path / "small"))
    written = folder.read("tracking.json")
    assert written is not None
    folder.write("tracking.json", written.replace(b'"written": 8', b'"written": 0'))  # killed before it was kept
    assert open_tracker(changes=changes, history=journal).close()
    runs = runs_of(uri)
    inputs = {
        name: {(i.dataset.name, i.dataset.digest, i.tags[0].value) for i in run.inputs.dataset_inputs}
        for name, run in runs.items()
    }
    both = {("cola-train", "a" * 16, "training"), ("cola-selection", "b" * 16, "selection")}
    assert inputs["cola-0002"] == both
    assert inputs["cola-0000"] == inputs["CoLA"] == {*both, ("cola-validation", "c" * 16, "evaluation")}
    assert [len(runs[name].inputs.dataset_inputs) for name in ("cola-0000", "CoLA")] == [3, 3]
    assert not inputs["mnli-0001"]


def test_a_name_that_a_store_refused_can_be_used_again(open_tracker: Open, uri: str, tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "mlflow.db")) as database:
        database.execute("CREATE TRIGGER closed BEFORE INSERT ON runs BEGIN SELECT RAISE(ABORT, 'no rights'); END")
        database.commit()
        with pytest.raises(TrackingError, match="no rights"):
            open_tracker()
        check_empty(Storage(str(tmp_path / "small")), "small")
        database.execute("DROP TRIGGER closed")
        database.commit()
    tracker = open_tracker()
    send_events(tracker, events())
    assert tracker.close()
    assert len(runs_of(uri)) == 7


def test_the_end_of_a_trial_with_a_long_message_is_written(open_tracker: Open, uri: str, tmp_path: Path) -> None:
    trace = "Traceback\n" + "line\n" * 4000
    tracker = open_tracker()
    send_events(tracker, [started(0, "cola"), ended(0, "failed", trace)])
    assert tracker.close()
    run = runs_of(uri)["cola-0000"]
    assert run.info.status == "FAILED"
    assert run.data.tags["gluetune.message"] == trace[:4000]
    assert (tmp_path / "mlartifacts" / run.info.run_id / "artifacts" / "message.txt").read_text() == trace


def test_a_beaten_winner_is_marked_so(open_tracker: Open, uri: str) -> None:
    tracker = open_tracker()
    better = WinnerEvaluated(time=BEGIN + 900, number=2, task="cola", scores={}, folder="runs/small/winners/cola")
    send_events(tracker, [*events(), better])
    assert tracker.close()
    tags = {name: run.data.tags for name, run in runs_of(uri).items()}
    assert (tags["cola-0000"]["gluetune.winner"], tags["cola-0002"]["gluetune.winner"]) == ("false", "true")
    assert {tag["gluetune.search"] for tag in tags.values()} == {"small"}


@pytest.mark.parametrize("cut", [1, 4, 7, 12])
def test_a_resumed_search_goes_on_in_the_same_runs(open_tracker: Open, uri: str, cut: int) -> None:
    journal = events()
    first = open_tracker()
    send_events(first, journal[:cut])
    assert first.close(complete=False)
    assert runs_of(uri)["small"].info.status == "KILLED"
    second = open_tracker(history=journal[:cut])
    send_events(second, journal[cut:], folded(journal[:cut]))
    assert second.close()
    runs = runs_of(uri)
    assert len(runs) == 7
    assert runs["small"].info.status == "FINISHED"
    assert history(uri, runs["cola-0000"], "eval_score") == [(50, 0.30), (100, 0.50), (150, 0.40)]
    assert history(uri, runs["small"], "best_score/cola") == [(1, 0.30), (2, 0.50)]


def test_events_that_a_killed_session_did_not_write_are_written_later(open_tracker: Open, uri: str) -> None:
    first = open_tracker()
    send_events(first, events()[:3])
    assert first.close(complete=False)
    second = open_tracker(history=events())  # the journal is longer than what was written
    assert second.close()
    assert runs_of(uri)["mnli-0003"].info.status == "FAILED"
    assert runs_of(uri)["cola-0000"].data.metrics["best_score"] == 0.50


def test_runs_made_just_before_a_crash_are_found_again(open_tracker: Open, uri: str, tmp_path: Path) -> None:
    """A driver killed between making runs and keeping their ids must not make them twice."""
    begun = Storage(str(tmp_path / "small"))
    first = open_tracker()
    assert first.flush()
    before = begun.read("tracking.json")
    send_events(first, events())
    assert first.close(complete=False)
    assert before is not None
    begun.write("tracking.json", before)
    second = open_tracker(history=events())
    assert second.close()
    runs = runs_of(uri)
    assert len(runs) == 7
    assert history(uri, runs["cola-0000"], "eval_score") == [(50, 0.30), (100, 0.50), (150, 0.40)]


def test_a_trial_stopped_by_the_first_session_ends_in_the_second(open_tracker: Open, uri: str) -> None:
    journal = [started(0, "cola"), evaluated(0, 1, 0.3), ended(0, "stopped")]
    first = open_tracker()
    send_events(first, journal)
    first.close(complete=False)
    assert runs_of(uri)["cola-0000"].info.status == "KILLED"
    second = open_tracker(history=journal)
    send_events(second, [evaluated(0, 2, 0.4)], trials := folded(journal))
    assert second.flush()
    assert runs_of(uri)["cola-0000"].info.status == "RUNNING"
    send_events(second, [ended(0)], trials)
    second.close()
    assert runs_of(uri)["cola-0000"].info.status == "FINISHED"
    assert runs_of(uri)["cola-0000"].data.tags["gluetune.status"] == "finished"


def test_another_store_gets_the_whole_search(open_tracker: Open, tmp_path: Path, empty_store: Path) -> None:
    first = open_tracker()
    send_events(first, events())
    first.close()
    other = f"sqlite:///{tmp_path}/other.db"
    shutil.copy(empty_store, tmp_path / "other.db")
    assert open_tracker(changes={"tracking_uri": other}, history=events()).close()
    assert len(runs_of(other)) == 7


def test_two_searches_share_an_experiment(open_tracker: Open, uri: str, tmp_path: Path) -> None:
    place, storage = str(tmp_path / "mlartifacts"), Storage(str(tmp_path / "second"))
    trackers = [open_tracker(), Tracker(plan(tracking_uri=uri, name="second"), storage, artifacts=place)]
    for tracker in trackers:
        send_events(tracker, events()[:1])
    assert all(tracker.close() for tracker in trackers)
    client = open_store(uri, "tests")
    found = client.search_runs([client.get_experiment_by_name("tests").experiment_id])
    roots = [run.info.run_name for run in found if "mlflow.parentRunId" not in run.data.tags]
    assert sorted(roots) == ["second", "small"]
    assert len(found) == 8


def test_a_run_deleted_meanwhile_does_not_stop_the_others(
    open_tracker: Open, uri: str, logged: Callable[[], list[str]]
) -> None:
    journal = events()
    tracker = open_tracker()
    trials = send_events(tracker, journal[:4])
    assert tracker.flush()
    open_store(uri, "tests").delete_run(runs_of(uri)["cola-0000"].info.run_id)
    send_events(tracker, journal[4:], trials)
    assert not tracker.close()
    assert runs_of(uri)["mnli-0001"].data.metrics["best_score"] == 0.70
    assert [note for note in logged() if "refuses part of the record of cola-0000" in note] == logged()
    assert open_tracker(history=journal).close()
    assert "cola-0000" not in runs_of(uri)  # a resumed search leaves it deleted


def test_what_is_kept_between_sessions_does_not_grow_with_the_search(open_tracker: Open, tmp_path: Path) -> None:
    tracker = open_tracker()
    assert tracker.flush()
    before = (tmp_path / "small" / "tracking.json").stat().st_size
    send_events(tracker, events())
    assert tracker.close()
    assert (tmp_path / "small" / "tracking.json").stat().st_size - before <= len("17") + len("true")


def test_an_old_database_is_refused_at_once(tmp_path: Path, open_tracker: Open) -> None:
    with sqlite3.connect(tmp_path / "mlflow.db") as database:
        database.execute("UPDATE alembic_version SET version_num = 'ffffffffffff'")
    with pytest.raises(TrackingError, match=r"tracking.uri must be an MLflow store that answers, but got 'sqlite:"):
        open_tracker()


def test_a_deleted_experiment_is_said(open_tracker: Open, uri: str, logged: Callable[[], list[str]]) -> None:
    client = open_store(uri, "tests")
    client.delete_experiment(client.create_experiment("tests"))
    with pytest.raises(TrackingError, match=r"tracking\.experiment must not be deleted, but got 'tests'"):
        open_tracker()


def test_what_a_deleted_experiment_says_restores_it_from_any_folder(tmp_path: Path, uri: str) -> None:
    client = open_store(uri, "tests")
    client.delete_experiment(client.create_experiment("tests"))
    with pytest.raises(TrackingError, match="'tests'") as raised:
        check_store(uri, "tests", write=False)
    command = str(raised.value).partition("restore it: ")[2]
    (tmp_path / "elsewhere").mkdir()
    subprocess.run(command, shell=True, check=True, capture_output=True, cwd=tmp_path / "elsewhere")
    check_store(uri, "tests", write=False)
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_a_look_at_a_store_writes_nothing(tmp_path: Path, uri: str) -> None:
    before = (tmp_path / "mlflow.db").read_bytes()
    check_store(uri, "another", write=False)
    check_store(f"sqlite:///{tmp_path}/new/mlflow.db", "another", write=False)
    assert (tmp_path / "mlflow.db").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["mlflow.db"]


@pytest.mark.parametrize("write", [True, False])
def test_a_database_that_does_not_answer_is_found_first(write: bool) -> None:
    with pytest.raises(TrackingError, match=r"tracking\.uri must be an MLflow store that answers"):
        check_store("postgresql://ann@127.0.0.1:9/mlflow", "tests", write=write)


def test_an_old_database_is_found_by_a_look(tmp_path: Path, uri: str) -> None:
    with closing(sqlite3.connect(tmp_path / "mlflow.db")) as database, database:
        database.execute("UPDATE alembic_version SET version_num = 'ffffffffffff'")
    with pytest.raises(TrackingError, match=r"tracking\.uri must be an MLflow store that answers"):
        check_store(uri, "tests", write=False)


def test_no_server_at_the_address(tmp_path: Path) -> None:
    with pytest.raises(TrackingError, match=r"but got 'http://127.0.0.1:9' \(ConnectionRefusedError: .*refused\)"):
        Tracker(plan(tracking_uri="http://127.0.0.1:9"), Storage(str(tmp_path)))


@pytest.mark.slow
def test_a_new_database_is_made_in_the_background(tmp_path: Path) -> None:
    uri = f"sqlite:///{tmp_path}/new/mlflow.db"
    tracker = Tracker(plan(tracking_uri=uri), Storage(str(tmp_path / "small")), artifacts=str(tmp_path / "artifacts"))
    send_events(tracker, events())
    assert tracker.close()
    assert len(runs_of(uri)) == 7
