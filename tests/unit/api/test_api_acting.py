"""Stop, add and extend by the Python API and the commands: what is requested, and what is refused."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

import gluetune
from gluetune.cli.commands import COMMANDS
from gluetune.config import SearchSpace, TrainingConfig
from gluetune.errors import ConfigError, StorageError
from gluetune.events import (
    AddRequest,
    ExtendRequest,
    Journal,
    RequestHandled,
    StopRequest,
    StopTrialRequest,
    TaskEnded,
    delete_request,
    read_request,
    waiting_requests,
)
from gluetune.storage import Storage
from gluetune.storage.lock import lock_folder
from messages import Line, assert_shows
from recorded_folders import write_pretraining, write_search
from sample_search import ended, evaluated, events, started

SPACE = SearchSpace.model_validate({"name": "s", "space": {"learning_rate": [1e-4, 3e-4], "batch_size": [16, 32]}})
ENDLESS = SearchSpace.model_validate(
    {"name": "e", "space": {"learning_rate": {"type": "float", "low": 1e-5, "high": 1e-3}, "batch_size": [16, 32]}}
)


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A search that was killed, one that is complete, and a pre-training run; the folder is ``runs`` here."""
    root = tmp_path / "runs"
    write_search(root, "killed", events()[:9], space=ENDLESS, algorithm="random", num_samples=6, time_budget_s=60.0)
    write_search(root, "grid", summary="complete", space=SPACE, num_samples=4)
    write_pretraining(root, "bert")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    return root


@pytest.fixture
def running(root: Path) -> Iterator[Storage]:
    """The search that was killed, with another driver that runs it."""
    unlock = lock_folder(root / "killed")
    yield Storage(str(root / "killed"))
    unlock()


def requested(folder: Storage | Path, name: str = "") -> Any:
    """The only request that waits in a folder."""
    storage = folder if isinstance(folder, Storage) else Storage(str(folder / name))
    (request,) = waiting_requests(storage)
    return read_request(storage, request)


def command(line: str, capfd: pytest.CaptureFixture[str], code: int = 0) -> str:
    name, *arguments = line.split()
    assert COMMANDS[name].load()[1](arguments) == code
    out, err = capfd.readouterr()
    assert "Traceback" not in err
    return (err if code else out + err).removeprefix("error: ")


def test_a_running_search_is_requested_to_stop(running: Storage) -> None:
    sent = gluetune.stop("killed")
    assert (sent.running, requested(running)) == (True, StopRequest())


@pytest.mark.parametrize("trial", [1, "1", "mnli-0001"])
def test_a_trial_is_requested_to_end_by_number_or_name(running: Storage, trial: Any) -> None:
    Journal(running).append(started(1, "mnli"))
    gluetune.stop("killed", trial=trial)
    assert requested(running) == StopTrialRequest(number=1)


@pytest.mark.usefixtures("root")
@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("stop", [Line("NAME")]),
        ("stop grid", [Line("", "complete")]),
        ("stop killed", [Line("", "interrupted")]),
        ("stop bert", [Line("", "pre-training")]),
        ("stop kiled", [Line("", "'kiled'", "killed")]),
        ("stop grid --trial 9", [Line("--trial", "9")]),
        ("stop grid --trial cola-000", [Line("--trial", "cola-000", "cola-0000")]),
        ("stop grid --trial 0", [Line("--trial", "cola-0000")]),
        ("add grid", [Line("--set")]),
        ("add grid --set learning_rate", [Line("--set", "'learning_rate'")]),
        ("add grid --set learning_rat=1e-5", [Line("--set learning_rat", "", "learning_rate")]),
        ("add grid --set weight_decay=0.1", [Line("--set weight_decay", "0.01")]),
        ("add grid --set learning_rate=-1", [Line("--set learning_rate", "-1")]),
        ("add grid --set batch_size=many", [Line("--set batch_size", "'many'")]),
        ("add grid --set batch_size=", [Line("--set batch_size", "null")]),
        ("add grid --set batch_size=64 --task colla", [Line("--task", "'colla'", "cola")]),
        ("add grid --set learning_rate=1e-4 --task cola", [Line("", "cola-0000")]),
        ("add bert --set learning_rate=1e-4", [Line("", "pre-training")]),
        ("extend killed", [Line("")]),
        ("extend killed --num-samples 6", [Line("--num-samples", "6")]),
        ("extend killed --num-samples many", [Line("--num-samples", "'many'")]),
        ("extend killed --num-samples +0", [Line("--num-samples", "'+0'")]),
        ("extend killed --time-budget-s 10", [Line("--time-budget-s", "60")]),
        ("extend grid --time-budget-s +10", [Line("--time-budget-s")]),
        ("extend grid --num-samples +2", [Line("--num-samples", "4")]),
    ],
)
def test_a_mistake_is_one_message_and_leaves_no_request(
    line: str, shown: list[Line], root: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert_shows(command(line, capfd, 2).rstrip(), shown)
    assert not list(root.glob("*/requests/*"))


def test_fields_that_are_not_given_are_those_of_each_tasks_best_trial(running: Storage) -> None:
    journal = Journal(running)
    for event in (started(2, "cola", 2e-4, 32), evaluated(2, 1, 0.9), ended(2)):
        journal.append(event)
    gluetune.add("killed", {"learning_rate": 5e-5})
    assert requested(running) == AddRequest(
        configurations={
            "cola": {"learning_rate": 5e-5, "batch_size": 32},
            "mnli": {"learning_rate": 5e-5, "batch_size": 16},
        }
    )


def test_a_configuration_outside_the_space_is_named_as_such(
    running: Storage, capfd: pytest.CaptureFixture[str]
) -> None:
    said = command("add killed --set learning_rate=0.01 --set batch_size=16 --task cola", capfd)
    assert "outside" in said
    assert requested(running) == AddRequest(configurations={"cola": {"learning_rate": 0.01, "batch_size": 16}})


def test_before_the_first_evaluation_each_field_must_be_given(root: Path) -> None:
    write_search(root, "new", [], space=SPACE)
    with pytest.raises(ConfigError, match="batch_size"):
        gluetune.add("new", {"learning_rate": 1e-4})
    gluetune.add("new", {"learning_rate": 1e-4, "batch_size": 16}, task="cola")
    assert requested(root, "new").configurations == {"cola": {"learning_rate": 1e-4, "batch_size": 16}}


def test_a_search_that_has_started_all_trials_of_its_budget_takes_no_configuration(root: Path) -> None:
    write_search(root, "spent", space=SPACE, num_samples=4, budget={"trials": 4})
    with pytest.raises(ConfigError, match="--budget-trials"):
        gluetune.add("spent", {"batch_size": 64})
    assert not (root / "spent/requests").exists()


def test_an_extension_beyond_the_budget_of_trials_says_that_this_stays(root: Path) -> None:
    write_search(root, "capped", space=ENDLESS, num_samples=2, budget={"trials": 9})
    assert "budget.trials" not in gluetune.extend("capped", num_samples=4).message  # of each of two tasks
    assert "search.budget.trials stays 9" in gluetune.extend("capped", num_samples=5).message


def test_the_encoder_of_a_configuration_decides_its_fields(root: Path) -> None:
    parts = {"a": {"space": {"learning_rate": [1e-4, 3e-4]}}, "b": {"space": {"batch_size": [8, 16]}}}
    space = SearchSpace.model_validate({"name": "s", "encoders": parts})
    first = started(0, "cola").model_copy(update={"params": {"model": "a", "learning_rate": 1e-4}})
    write_search(root, "two", [first, evaluated(0, 1, 0.5)], space=space, tasks={"cola": 1.0})
    gluetune.add("two", {"learning_rate": 3e-4})
    assert requested(root, "two").configurations == {"cola": {"model": "a", "learning_rate": 3e-4}}
    with pytest.raises(ConfigError, match="batch_size"):
        gluetune.add("two", {"model": "b"})
    for unknown in ("c", ["a"], {"a": 1}):
        with pytest.raises(ConfigError, match="must be one of a, b"):
            gluetune.add("two", {"model": unknown})


def test_values_are_written_as_the_training_field_reads_them(running: Storage) -> None:
    gluetune.add("killed", {"learning_rate": 1, "batch_size": 16}, task="cola")
    rate = requested(running).configurations["cola"]["learning_rate"]
    assert (rate, type(rate)) == (TrainingConfig(learning_rate=1).learning_rate, float)


def test_new_limits_are_numbers_or_additions(running: Storage) -> None:
    sent = gluetune.extend("killed", num_samples="+20", time_budget_s=90)
    assert requested(running) == ExtendRequest(more_samples=20, time_budget_s=90.0)
    assert "26" in sent.message
    assert "90" in sent.message


@pytest.mark.usefixtures("running")
@pytest.mark.parametrize("number", [8.5, True, "8.5", "٣.5"])
def test_a_number_of_trials_is_whole(number: Any) -> None:
    with pytest.raises(ConfigError, match="whole number"):
        gluetune.extend("killed", num_samples=number)


def test_an_extension_starts_from_the_limits_that_the_journal_has(running: Storage) -> None:
    handled = RequestHandled(
        time=1.0, request="1", action="extend", accepted=True, message="", limits={"num_samples": 30}
    )
    Journal(running).append_search_event(handled)
    assert "50" in gluetune.extend("killed", num_samples="+20").message
    with pytest.raises(ConfigError, match="30"):
        gluetune.extend("killed", num_samples=30)


def test_the_list_shows_the_trials_that_requests_have_added(root: Path) -> None:
    added: Any = {"cola": [{"learning_rate": 0.01, "batch_size": 16}]}
    handled = RequestHandled(
        time=1.0, request="1", action="add", accepted=True, message="", limits={"num_samples": 8}, added=added
    )
    Journal(Storage(str(root / "killed"))).append_search_event(handled)
    (killed,) = (run for run in gluetune.runs() if run.name == "killed")
    assert {task.task: task.planned for task in killed.tasks} == {"cola": 9, "mnli": 8}


def test_the_list_divides_the_trials_of_a_budget_also_after_a_request(root: Path) -> None:
    folder = write_search(root, "capped", num_samples=8, budget={"trials": 9}, tasks={"cola": 2.0, "mnli": 1.0})

    def planned() -> dict[str, int | None]:
        (capped,) = (run for run in gluetune.runs() if run.name == "capped")
        return {task.task: task.planned for task in capped.tasks}

    assert planned() == {"cola": 6, "mnli": 3}
    handled = RequestHandled(
        time=1.0, request="1", action="extend", accepted=True, message="", limits={"num_samples": 20}
    )
    Journal(folder).append_search_event(handled)
    assert planned() == {"cola": 6, "mnli": 3}


def test_a_task_that_gets_no_further_trials_is_named(running: Storage) -> None:
    rule: Any = {"trials": 10, "further_trials": 10, "expected_gain": 0.001, "threshold": 0.01, "patience": 5}
    Journal(running).append_search_event(TaskEnded(time=1.0, task="cola", **rule))
    assert "cola" in gluetune.extend("killed", num_samples="+2").message


def test_the_command_says_when_it_is_acted_on(root: Path, capfd: pytest.CaptureFixture[str]) -> None:
    said = command("extend killed --num-samples +2 --no-resume", capfd)
    assert "8" in said
    assert "gluetune tune --resume killed" in said
    with_json = json.loads(command("extend killed --num-samples +2 --json", capfd))
    assert (with_json["name"], with_json["running"], with_json["done"]) == ("killed", False, None)
    assert len(waiting_requests(Storage(str(root / "killed")))) == 2


class Driver(threading.Thread):
    """A driver that handles the next request of a search, as far as its folder shows."""

    def __init__(self, folder: Storage, *, accepted: bool) -> None:
        super().__init__()
        self._folder, self._accepted = folder, accepted

    def run(self) -> None:
        waiting: list[str] = []
        while not waiting:
            with suppress(StorageError):  # the folder appears while it is listed
                waiting = waiting_requests(self._folder)
        event = RequestHandled(
            time=1.0, request=waiting[0], action="extend", accepted=self._accepted, message="because of this"
        )
        Journal(self._folder).append_search_event(event)
        delete_request(self._folder, waiting[0])


@pytest.mark.parametrize("accepted", [True, False])
def test_waiting_returns_what_the_driver_did_or_says_why_it_refused(
    running: Storage, *, accepted: bool, capfd: pytest.CaptureFixture[str]
) -> None:
    driver = Driver(running, accepted=accepted)
    driver.start()
    said = command("extend killed --num-samples +2 --wait", capfd, 0 if accepted else 2)
    driver.join()
    assert "because of this" in said
    assert ("refused" in said) == (not accepted)


def test_waiting_ends_where_no_driver_runs_or_none_acts(running: Storage, root: Path) -> None:
    with pytest.raises(StorageError, match="within 0 s"):
        gluetune.extend("killed", num_samples="+2").wait(timeout_s=0)
    with pytest.raises(StorageError, match="no driver runs"):
        gluetune.add("grid", {"batch_size": 64}).wait()
