"""``optuna.log``: what Optuna reads from it is what the search recorded, also after a resume."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from gluetune.config import SearchSpace
from gluetune.events import TrialRecord
from gluetune.search.study import optuna_log as module
from gluetune.search.study.optuna_log import OPTUNA_LOG, optuna_log
from gluetune.storage import Storage
from sample_search import events, folded, plan, send_events, started

SPACE = SearchSpace.model_validate({"space": {"learning_rate": [1e-4, 3e-4], "batch_size": [16, 32]}})


def record(
    folder: Path,
    journal: list[Any],
    trials: dict[int, TrialRecord] | None = None,
    space: SearchSpace = SPACE,
    **changes: Any,
) -> None:
    """A session of a search, which begins with the trials of earlier ones."""
    folder.mkdir(exist_ok=True)
    trials = trials or {}
    with optuna_log(plan(**changes), space, Storage(str(folder)), list(trials.values())) as (log,):
        send_events(log, journal, trials)


def studies(folder: Path) -> dict[str, optuna.Study]:
    """What another process reads, such as the dashboard."""
    storage = JournalStorage(JournalFileBackend(str(folder / OPTUNA_LOG)))
    names = optuna.get_all_study_names(storage)
    return {name: optuna.load_study(study_name=name, storage=storage) for name in names}


def content(study: optuna.Study) -> list[tuple[Any, ...]]:
    return [
        (trial.state.name, trial.params, trial.intermediate_values, trial.user_attrs["trial"])
        for trial in study.get_trials()
    ]


def test_each_task_has_a_study_with_its_trials(tmp_path: Path) -> None:
    record(tmp_path, events())
    found = studies(tmp_path)
    assert list(found) == ["cola", "mnli"]
    assert content(found["cola"]) == [
        ("COMPLETE", {"learning_rate": 1e-4, "batch_size": 16}, {50: 0.3, 100: 0.5, 150: 0.4}, "cola-0000"),
        ("PRUNED", {"learning_rate": 3e-4, "batch_size": 16}, {50: 0.1}, "cola-0002"),
    ]
    assert [trial[0] for trial in content(found["mnli"])] == ["COMPLETE", "FAIL"]
    assert found["cola"].best_value == 0.5


def test_running_trials_are_shown_while_they_run(tmp_path: Path) -> None:
    record(tmp_path, events()[:5])
    assert [trial[0] for trial in content(studies(tmp_path)["cola"])] == ["RUNNING"]
    assert content(studies(tmp_path)["cola"])[0][2] == {50: 0.3, 100: 0.5}


@pytest.mark.parametrize("cut", [0, 1, 4, 6, 11, 15])
def test_a_resumed_search_has_the_log_of_one_that_was_not_stopped(cut: int, tmp_path: Path) -> None:
    record(tmp_path / "whole", events())
    record(tmp_path / "cut", events()[:cut])
    record(tmp_path / "cut", events()[cut:], folded(events()[:cut]))
    whole, resumed = studies(tmp_path / "whole"), studies(tmp_path / "cut")
    assert {name: content(study) for name, study in resumed.items()} == {n: content(s) for n, s in whole.items()}


def test_a_file_that_a_killed_session_left_is_replaced(tmp_path: Path) -> None:
    (tmp_path / OPTUNA_LOG).write_text('{"op_co')
    (tmp_path / f"{OPTUNA_LOG}.new").write_text('{"op_co')
    record(tmp_path, events())
    assert len(studies(tmp_path)["cola"].get_trials()) == 2
    assert [path.name for path in tmp_path.iterdir()] == [OPTUNA_LOG]


def test_two_objectives_have_both_values(tmp_path: Path) -> None:
    timed = [each.model_copy(update={"eval_examples": 100}) if hasattr(each, "score") else each for each in events()]
    record(tmp_path, timed, objectives=("score", "ms_per_row"))
    first, second = studies(tmp_path)["cola"].get_trials()
    assert first.values == pytest.approx([0.5, 10.0])
    assert second.values == pytest.approx([0.1, 10.0])


def test_a_configuration_from_outside_the_space_is_shown_without_what_a_study_cannot_hold(tmp_path: Path) -> None:
    record(tmp_path, [*events(), started(4, "cola", learning_rate=0.5, batch_size=32)])
    assert content(studies(tmp_path)["cola"])[-1][:2] == ("RUNNING", {"batch_size": 32})


def test_a_zero_beside_a_logarithmic_range_does_not_end_the_file(tmp_path: Path) -> None:
    """A study takes no other scale of a field than that of its first trials."""
    rates = {"learning_rate": {"type": "float", "low": 1e-5, "high": 1e-3, "log": True}}
    space = SearchSpace.model_validate({"space": {**rates, "batch_size": [16, 32]}})
    zero = started(0, "cola").model_copy(update={"params": {"learning_rate": 0.0, "batch_size": 16}})
    for journal in ([zero, started(2, "cola")], [started(2, "cola"), zero]):
        record(tmp_path, journal, space=space)
        shown = [trial[1] for trial in content(studies(tmp_path)["cola"])]
        assert sorted(shown, key=len) == [{"batch_size": 16}, {"learning_rate": 1e-4, "batch_size": 16}]


def test_a_resumed_search_writes_no_more_trials_than_the_first_session(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_TRIALS", 2)
    record(tmp_path, events())
    first = {name: content(study) for name, study in studies(tmp_path).items()}
    assert [len(trials) for trials in first.values()] == [1, 1]
    record(tmp_path, [], folded(events()))
    assert {name: content(study) for name, study in studies(tmp_path).items()} == first


def test_a_search_goes_on_where_the_file_cannot_be_written(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / OPTUNA_LOG).mkdir()
    with caplog.at_level(logging.WARNING):
        record(tmp_path, events())
    (message,) = [each.getMessage() for each in caplog.records if OPTUNA_LOG in each.getMessage()]
    assert "\n" not in message


def test_trials_beyond_the_limit_are_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_TRIALS", 2)
    record(tmp_path, events())
    assert sum(len(study.get_trials()) for study in studies(tmp_path).values()) == 2


class Bucket(Storage):
    """A folder in a bucket, as far as the log asks."""

    local = False


@pytest.mark.parametrize(("space", "kind"), [(SearchSpace.model_validate({"space": {}}), Storage), (SPACE, Bucket)])
def test_a_single_run_and_a_bucket_have_no_log(space: SearchSpace, kind: type[Storage], tmp_path: Path) -> None:
    with optuna_log(plan(), space, kind(str(tmp_path)), []) as listeners:
        assert listeners == []
    assert list(tmp_path.iterdir()) == []
