"""The result of a search that has ended: best trials, tables, summary."""

from __future__ import annotations

from pathlib import Path

import pytest

from gluetune.api.results import FineTuneResult, SearchResult
from gluetune.errors import ConfigError, StorageError
from gluetune.events import replay_events
from gluetune.reporting import Summary, summarise, write_summary
from gluetune.storage import Storage
from sample_search import ended, evaluated, events, plan, started


@pytest.fixture
def summary(tmp_path: Path) -> Summary:
    made = plan(folder=str(tmp_path))
    trials = replay_events(events()).values()
    return summarise(made, trials, status="interrupted", session_started=0.0, now=1.0)


def test_a_result_is_read_from_the_runs_folder(summary: Summary, tmp_path: Path) -> None:
    write_summary(Storage(str(tmp_path)), summary)
    result = SearchResult.open(tmp_path)
    assert result.summary.model_dump_json() == summary.model_dump_json()
    assert (result.status, result.folder) == ("interrupted", str(tmp_path))
    with pytest.raises(StorageError, match=r"summary\.json"):
        FineTuneResult.open(tmp_path / "empty")


def test_a_result_that_was_moved_has_the_paths_of_its_new_folder(summary: Summary, tmp_path: Path) -> None:
    before, moved = tmp_path / "before", tmp_path / "moved"
    tasks = [
        task.model_copy(update={"winner": task.winner.model_copy(update={"folder": f"{before}/winners/{task.task}"})})
        for task in summary.tasks
        if task.winner is not None
    ]
    saved = summary.model_copy(update={"folder": str(before), "tasks": tasks})
    write_summary(Storage(str(before)), saved)
    before.rename(moved)
    result = SearchResult.open(moved)
    assert result.folder == str(moved)
    assert [result.best(task.task).folder for task in tasks] == [f"{moved}/winners/{task.task}" for task in tasks]
    assert tasks


def test_the_best_trial_has_the_best_score_of_its_task(summary: Summary) -> None:
    result = SearchResult(summary)
    for task in summary.tasks:
        if task.winner is None:
            with pytest.raises(StorageError):
                result.best(task.task)
            continue
        best = result.best(task.task)
        scores = [
            trial.best_score for trial in result.trials if trial.task == task.task and trial.best_score is not None
        ]
        assert best.score == max(scores)
        assert best.name in repr(result)
        assert best.metric == task.metric


def test_a_task_must_be_named_and_known(summary: Summary) -> None:
    result = SearchResult(summary)
    assert len(result.tasks) > 1
    with pytest.raises(ConfigError, match=", ".join(result.tasks)):
        result.best()
    with pytest.raises(ConfigError, match="nearest"):
        result.best(f"{result.tasks[0]}x")


def test_a_model_that_was_not_saved_cannot_be_loaded(tmp_path: Path) -> None:
    stopped = replay_events([started(0, "cola"), evaluated(0, 1, 0.3), ended(0, "stopped")]).values()
    made = summarise(plan(folder=str(tmp_path)), stopped, status="interrupted", session_started=0.0, now=1.0)
    with pytest.raises(StorageError, match="resume"):
        SearchResult(made).best("cola").load()


def test_the_data_frame_has_a_row_for_each_trial(summary: Summary) -> None:
    frame = SearchResult(summary).to_pandas()
    assert list(frame["number"]) == [trial.number for trial in summary.trials]
    assert {f"params_{name}" for name in summary.fields} <= set(frame.columns)
    assert str(frame["started"].dt.tz) == "UTC"
