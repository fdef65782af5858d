"""Runs as their folders record them: state, best trials, and searches that another process runs."""

from __future__ import annotations

import io
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

import gluetune
from gluetune.errors import StorageError
from gluetune.events import Event, Journal, SessionStarted
from gluetune.reporting.recorded_runs import find_run, recorded_run
from gluetune.reporting.run_comparison import compare_runs
from gluetune.reporting.run_files import RunFiles
from gluetune.reporting.runs_view import print_run
from gluetune.storage import Storage
from recorded_folders import write_pretraining, write_search
from sample_search import BEGIN, ended, evaluated, events, pretraining_events, started

HOLD = """
import pathlib, sys
from gluetune.storage.lock import lock_folder
lock_folder(pathlib.Path(sys.argv[1]))
print("locked", flush=True)
sys.stdin.read()
"""


@contextmanager
def locked_by_another_process(folder: Storage) -> Iterator[None]:
    """Lock a run's folder as a driver does."""
    command = [sys.executable, "-c", HOLD, folder.uri()]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "locked\n"
        yield
        process.communicate()


def read(folder: Storage) -> gluetune.RecordedRun:
    return recorded_run(RunFiles(folder, folder.uri().rpartition("/")[2]))


def test_a_search_has_its_best_trials_and_counts(tmp_path: Path) -> None:
    run = read(write_search(tmp_path, "small", summary="complete"))
    assert (run.name, run.kind, run.state, run.started) == ("small", "search", "complete", BEGIN)
    cola, mnli = run.tasks
    assert (cola.title, cola.metric, cola.best, cola.best_trial) == ("CoLA", "matthews_correlation", 0.5, "cola-0000")
    assert cola.params == {"learning_rate": 1e-4, "batch_size": 16}
    assert (cola.trials, cola.planned, cola.dev) == ({"finished": 1, "pruned": 1}, 2, {"validation": 0.45})
    assert mnli.trials == {"finished": 1, "diverged": 1}
    assert mnli.dev == {"validation_matched": 0.68, "validation_mismatched": 0.66}
    assert (mnli.best, mnli.seconds) == (0.7, 27.0)


@pytest.mark.parametrize("status", ["complete", "out_of_time", "interrupted", "failed"])
def test_the_state_of_a_search_that_has_ended_is_that_of_its_summary(status: str, tmp_path: Path) -> None:
    assert read(write_search(tmp_path, "small", summary=status)).state == status


def test_a_search_whose_journal_goes_on_after_its_summary_was_cut_off(tmp_path: Path) -> None:
    assert read(write_search(tmp_path, "resumed", summary="out_of_time", written=BEGIN + 300)).state == "interrupted"
    assert read(write_search(tmp_path, "killed")).state == "interrupted"
    assert read(write_search(tmp_path, "not_begun", [])).state == "interrupted"


def test_a_search_whose_folder_another_process_has_locked_runs(tmp_path: Path) -> None:
    folder = write_search(tmp_path, "small", events()[:5], summary="out_of_time", written=BEGIN - 1)
    with locked_by_another_process(folder):
        journal = tmp_path / "small" / "journal" / "000000.jsonl"
        with journal.open("ab") as file:
            file.write(b'{"time": 17000')  # which the process is writing
        run = read(folder)
        assert run.state == "running"
        assert [task.best for task in run.tasks] == [0.5, 0.6]
        assert [task.trials for task in run.tasks] == [{"running": 1}, {"running": 1}]
    assert read(folder).state == "interrupted"


@pytest.mark.parametrize(
    ("cut", "state"),
    [
        (lambda made: made, "complete"),
        (lambda made: made[:-1], "interrupted"),  # the encoder was not saved
        (lambda made: made[:3], "interrupted"),
        (lambda made: [], "interrupted"),
        (lambda made: [*made[:3], ended(0, "stopped")], "interrupted"),
        (lambda made: [*made[:3], ended(0, "diverged", "loss is not finite")], "failed"),
    ],
    ids=["complete", "not saved", "killed", "not begun", "stopped", "diverged"],
)
def test_the_state_of_a_pre_training_run(cut: Callable[[list[Event]], list[Event]], state: str, tmp_path: Path) -> None:
    recorded = cut(pretraining_events())
    run = read(write_pretraining(tmp_path, "bert", recorded))
    assert (run.kind, run.state, [task.task for task in run.tasks]) == ("pre-training", state, ["pretraining"])
    if state == "complete":
        (task,) = run.tasks
        assert (task.metric, task.best, task.seconds) == ("loss", pytest.approx(3.25 + 0.625), 27.0)


def test_a_search_of_no_field_is_a_fine_tuning_run(tmp_path: Path) -> None:
    space = gluetune.SearchSpace(name="none", space={})
    assert read(write_search(tmp_path, "one", space=space)).kind == "fine-tuning"


def test_a_search_among_encoders_alone_is_a_search(tmp_path: Path) -> None:
    space = gluetune.SearchSpace.model_validate({"name": "two", "space": {"model": ["tiny-a", "tiny-b"]}})
    folder = write_search(tmp_path, "encoders", space=space)
    assert read(folder).kind == "search"
    out = io.StringIO()
    print_run(RunFiles(folder, "encoders"), read(folder), None, Console(file=out, width=120))
    lines = [line.split() for line in out.getvalue().splitlines()]
    assert ["models", "tiny-a,", "tiny-b"] in lines
    assert ["space", "two"] in lines


def test_less_is_better_for_an_error(tmp_path: Path) -> None:
    """Own tasks are known by ``tasks.json``; a metric of which less is better is recorded with its sign changed."""
    task = gluetune.Task(
        "prices", "Prices", ("text",), (), ("mse",), "mse", layouts={}, problem="regression", files={"text": "body"}
    )
    from gluetune.tasks.definition import dump_definitions

    recorded: list[Event] = [
        started(0, "prices"),
        evaluated(0, 1, -2.0, "mse"),
        ended(0),
        started(1, "prices"),
        evaluated(1, 1, -1.5, "mse"),
        ended(1),
    ]
    folder = write_search(tmp_path, "own", recorded, tasks={"cola": 1.0})
    folder.write("tasks.json", dump_definitions([task]))
    run = read(folder)
    (prices,) = [each for each in run.tasks if each.task == "prices"]
    assert (prices.title, prices.metric, prices.best, prices.best_trial) == ("Prices", "mse", 1.5, "prices-0001")


def test_runs_are_listed_the_latest_first_and_one_that_is_damaged_does_not_hide_the_others(tmp_path: Path) -> None:
    write_search(tmp_path, "old", summary="complete")
    write_search(tmp_path, "new", [started(9, "cola")])
    write_pretraining(tmp_path, "bert")
    (tmp_path / "mlflow.db").write_bytes(b"")
    (tmp_path / "notes").mkdir()
    damaged = write_search(tmp_path, "damaged", summary="complete")
    damaged.write("journal/000000.jsonl", b"no json\n")
    found = {run.name: run for run in gluetune.runs(tmp_path)}
    assert set(found) == {"old", "new", "bert", "damaged"}
    order = [run.name for run in gluetune.runs(str(tmp_path)) if run.name != "damaged"]
    assert order[0] == "new"
    assert found["damaged"].state == "unreadable"
    assert "000000.jsonl:1" in found["damaged"].message
    assert found["damaged"].tasks == ()
    assert gluetune.runs(tmp_path / "nothing") == []


def test_a_run_is_found_by_name_and_by_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_search(tmp_path / "runs", "small")
    monkeypatch.chdir(tmp_path)
    for name in ("small", "runs/small", "runs/small/", str(tmp_path / "runs" / "small")):
        files = find_run(name, "runs")
        assert (files.name, files.folder.uri()) == ("small", str(tmp_path / "runs" / "small"))
    with pytest.raises(StorageError, match="nearest: 'small'"):
        find_run("smal", "runs")
    with pytest.raises(StorageError, match="none"):
        find_run("small", "elsewhere")


def compare(first: Storage, second: Storage) -> Any:
    return compare_runs(*(RunFiles(each, each.uri().rpartition("/")[2]) for each in (first, second)))


def test_two_searches_are_compared_by_settings_and_results(tmp_path: Path) -> None:
    first = write_search(tmp_path, "small", rows={"cola": "aa", "mnli": "bb"}, num_samples=2)
    better: list[Event] = [started(0, "cola"), evaluated(0, 1, 0.6), ended(0)]
    second = write_search(tmp_path, "other", better, rows={"cola": "aa"}, num_samples=1, tasks={"cola": 1.0})
    found = compare(first, second)
    assert found.names == ("small", "other")
    assert found.settings["search.num_samples"] == ("2", "1")
    assert "search.algorithm" not in found.settings
    assert "name" not in found.settings
    cola, mnli = found.tasks
    assert (cola.best, cola.difference, cola.improves) == ((0.5, 0.6), pytest.approx(0.1), True)
    assert (mnli.best, mnli.difference, mnli.trials) == ((0.7, None), None, (2, 0))


def test_settings_that_an_older_version_did_not_record_count_as_their_defaults(tmp_path: Path) -> None:
    first, second = write_search(tmp_path, "small"), write_search(tmp_path, "older")
    job = (second.read("job.yaml") or b"").decode()
    second.write("job.yaml", re.sub(r"^  objective:.*\n(  - .*\n)*", "", job, flags=re.MULTILINE).encode())
    assert b"objective" not in (second.read("job.yaml") or b"objective")
    assert compare(first, second).settings == {}


def test_scores_on_other_rows_are_not_compared(tmp_path: Path) -> None:
    first = write_search(tmp_path, "small", rows={"cola": "aa", "mnli": "bb"})
    second = write_search(tmp_path, "other", rows={"cola": "cc", "mnli": "bb"})
    found = compare(first, second)
    assert [task.difference for task in found.tasks] == [None, 0.0]
    assert [note for note in found.notes if "CoLA" in note and "rows" in note]


def test_of_pre_training_a_lower_loss_is_better(tmp_path: Path) -> None:
    found = compare(write_pretraining(tmp_path, "a"), write_pretraining(tmp_path, "b", pretraining_events()[:2]))
    (task,) = found.tasks
    assert task.difference == pytest.approx(2.0)
    assert task.improves is False


def shown_run(folder: Storage) -> str:
    files, out = RunFiles(folder, "killed"), io.StringIO()
    print_run(files, recorded_run(files), None, Console(file=out, width=160))
    return next(line for line in out.getvalue().splitlines() if line.strip().startswith("used"))


def test_the_time_between_a_kill_and_the_first_trial_of_a_resume_is_not_counted(tmp_path: Path) -> None:
    folder = write_search(tmp_path, "killed", [])
    lanes: dict[str, Any] = {"lanes": 1, "workers_per_lane": 1, "cpus_per_worker": 2.0, "gpus_per_worker": 0.0}
    journal = Journal(folder)
    journal.append_search_event(SessionStarted(time=BEGIN, held_since=BEGIN, **lanes))
    for event in events()[:5]:
        journal.append(event)
    killed = shown_run(folder)
    with locked_by_another_process(folder):
        assert shown_run(folder) == killed
        now = time.time()
        Journal(folder).append_search_event(SessionStarted(time=now, held_since=now - 7200, **lanes))
        assert "4" in shown_run(folder).split("CPU-hours")[0], "the session that runs counts up to now"
