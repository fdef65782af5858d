"""Requests to a running search, handled without Ray: real journal, sampler and controller."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from gluetune.config import BudgetConfig, SchedulerConfig, SearchConfig, SearchSpace, TrainingConfig, Value
from gluetune.errors import ConfigError, ConfigIssue, StorageError
from gluetune.events import (
    AddRequest,
    ExtendRequest,
    Journal,
    JournalReader,
    RequestHandled,
    SearchRequest,
    StopRequest,
    StopTrialRequest,
    TrialStatus,
    waiting_requests,
    write_request,
)
from gluetune.lanes import LanePool, TrialAssignment
from gluetune.search.controller import CheckpointRetention, SearchController
from gluetune.search.request_handler import RequestHandler
from gluetune.search.schedulers import TaskPruners
from gluetune.search.searchers import TrialSampler
from gluetune.search.trials import SearchEnd
from gluetune.storage import Storage
from gluetune.storage.durable import recover_folder
from gluetune.supervisor import DeferredStop
from power_cut import Disk, Failure
from sample_search import evaluated

TASKS = {"cola": 1.0}
SPACE = SearchSpace.model_validate({"name": "s", "space": {"learning_rate": [1e-5, 2e-5, 3e-5, 4e-5, 5e-5, 6e-5]}})
SEARCH = SearchConfig(num_samples=3)
FAILURES: tuple[Failure, ...] = ("kill", "power cut", "torn write")


def refuse_large_rates(task: str, params: Mapping[str, Value]) -> None:
    """Stand for the check by the encoder, which this search does not load."""
    if float(params["learning_rate"]) > 1:
        raise ConfigError([ConfigIssue("learning_rate", "must be small")])


@dataclass
class Session:
    """One session of the driver over the search in a folder."""

    folder: Path
    search: SearchConfig = SEARCH

    def __post_init__(self) -> None:
        recover_folder(self.folder)
        self.storage = Storage(str(self.folder))
        self.journal = Journal(self.storage)
        sampler = TrialSampler(
            TASKS,
            SPACE,
            "grid",
            TrainingConfig(),
            1,
            self.search.num_samples,
            max_trials=self.search.budget.trials,
        )
        self.handler = RequestHandler(self.storage, self.journal, sampler, self.search, refuse_large_rates)
        self.handler.handle_waiting()
        self.controller = SearchController(
            self.journal,
            sampler,
            TaskPruners(TASKS, SchedulerConfig(), 3, 1),
            CheckpointRetention(self.storage, 1, self.journal.trials.values()),
        )
        self.handler.write, self.handler.end_trial = self.controller.record_search_event, self.controller.end_for_good

    def request(self, request: SearchRequest) -> RequestHandled:
        """Write a request, have it handled, and return its event."""
        name = write_request(self.storage, request)
        self.handler.handle_waiting()
        return self.event(name)

    def event(self, name: str) -> RequestHandled:
        (found,) = [event for event in self.requests if event.request == name]
        return found

    @property
    def requests(self) -> list[RequestHandled]:
        return [event for event in self.journal.history if isinstance(event, RequestHandled)]

    def train_next(self) -> TrialAssignment | None:
        """Train the next trial to its end; return it."""
        assignment = self.controller.next_trial()
        if assignment is not None:
            for index in range(assignment.reported + 1, 4):
                self.controller.handle_event(evaluated(assignment.number, index, 0.1 * assignment.number))
        return assignment

    def train_all(self) -> list[float]:
        """Train all trials; return the learning rates of those that this session trained."""
        rates = []
        while (assignment := self.train_next()) is not None:
            rates.append(assignment.training["learning_rate"])
        return rates


@pytest.fixture
def session(tmp_path: Path) -> Session:
    return Session(tmp_path)


def add(rate: float) -> AddRequest:
    return AddRequest(configurations={"cola": {"learning_rate": rate}})


def test_a_request_is_recorded_and_its_file_deleted(session: Session) -> None:
    event = session.request(ExtendRequest(num_samples=5))
    assert (event.action, event.accepted, event.limits) == ("extend", True, {"num_samples": 5})
    assert waiting_requests(session.storage) == []


def test_an_added_configuration_is_next_and_does_not_take_a_planned_trial(session: Session, tmp_path: Path) -> None:
    session.train_next()
    assert session.request(add(5e-5)).accepted
    assert session.request(add(7e-5)).accepted  # outside the space
    assert session.train_all() == [5e-5, 7e-5, 2e-5, 3e-5]
    assert session.controller.exhausted
    assert Session(tmp_path).train_all() == []


def test_an_accepted_configuration_is_the_first_of_the_next_session(session: Session, tmp_path: Path) -> None:
    session.train_next()
    session.request(add(5e-5))
    session.request(add(7e-5))
    again = Session(tmp_path)
    assert again.train_next() is not None
    assert Session(tmp_path).train_all() == [7e-5, 2e-5, 3e-5]


@pytest.mark.parametrize(
    ("request_", "reason"),
    [
        (add(1e-5), "cola-0000"),
        (add(5e-5), "before"),
        (add(2.0), "learning_rate"),
        (ExtendRequest(num_samples=3), "num_samples"),
        (ExtendRequest(more_seconds=10.0), "time_budget_s"),
        (StopTrialRequest(number=9), "9"),
        (StopTrialRequest(number=0), "finished"),
    ],
    ids=["known", "added before", "not trainable", "not higher", "no limit", "no such trial", "ended"],
)
def test_a_request_that_cannot_be_acted_on_is_refused_with_the_reason(
    session: Session, request_: SearchRequest, reason: str
) -> None:
    session.train_next()
    session.request(add(5e-5))
    event = session.request(request_)
    assert not event.accepted
    assert reason in event.message
    assert (event.limits, event.added) == ({}, {})
    assert session.train_all() == [5e-5, 2e-5, 3e-5]


def test_no_configuration_is_added_to_a_search_that_has_started_all_trials_of_its_budget(tmp_path: Path) -> None:
    session = Session(tmp_path, SearchConfig(num_samples=3, budget=BudgetConfig(trials=2)))
    session.train_next()
    assert session.request(add(5e-5)).accepted
    assert session.train_all() == [5e-5]
    assert "--budget-trials" in session.request(add(6e-5)).message
    assert Session(tmp_path, SearchConfig(num_samples=3, budget=BudgetConfig(trials=3))).request(add(6e-5)).accepted


def test_a_file_that_is_no_request_is_refused_and_deleted(session: Session) -> None:
    session.storage.write("requests/1-a.json", b"{}")
    session.handler.handle_waiting()
    assert not session.event("1-a").accepted
    assert waiting_requests(session.storage) == []


def test_extensions_of_two_writers_are_added_up(session: Session, tmp_path: Path) -> None:
    for _ in range(2):
        write_request(session.storage, ExtendRequest(more_samples=1))
    session.handler.handle_waiting()
    assert session.handler.limits.num_samples == 5
    assert len(session.train_all()) == 5
    assert Session(tmp_path).handler.limits.num_samples == 5


def test_an_ended_search_goes_on_when_it_is_extended(session: Session, tmp_path: Path) -> None:
    session.train_all()
    write_request(session.storage, ExtendRequest(more_samples=2))
    again = Session(tmp_path)
    assert again.train_all() == [4e-5, 5e-5]


def test_a_trial_that_is_ended_by_a_request_is_not_resumed_and_keeps_its_score(
    session: Session, tmp_path: Path
) -> None:
    running = session.controller.next_trial()
    assert running is not None
    session.controller.handle_event(evaluated(running.number, 1, 0.7))
    assert session.request(StopTrialRequest(number=running.number)).accepted
    trial = session.journal.trials[running.number]
    assert (trial.status, trial.best_score) == (TrialStatus.PRUNED, 0.7)
    assert not session.controller.handle_event(evaluated(running.number, 2, 0.9))  # what its lane reports afterwards
    assert Session(tmp_path).train_all() == [2e-5, 3e-5]


def test_a_stopped_trial_can_be_ended_before_it_is_resumed(session: Session, tmp_path: Path) -> None:
    stopped = session.controller.next_trial()
    assert stopped is not None
    session.controller.stop("interrupted")
    write_request(session.storage, StopTrialRequest(number=stopped.number))
    again = Session(tmp_path)
    assert again.journal.trials[stopped.number].status is TrialStatus.PRUNED
    assert again.train_all() == [2e-5, 3e-5]


def test_a_trial_that_waits_for_its_lane_in_this_session_is_ended_without_one(session: Session, tmp_path: Path) -> None:
    for _ in range(2):
        session.controller.next_trial()
    session.controller.stop("interrupted")
    again = Session(tmp_path)
    assert again.request(StopTrialRequest(number=1)).accepted
    assert again.train_all() == [1e-5, 3e-5]


class CountingPool(LanePool):
    """A pool without a cluster."""

    released = 0

    def release_all(self) -> None:
        self.released += 1


def test_a_request_to_stop_ends_the_search_as_a_stop_signal_does(session: Session, tmp_path: Path) -> None:
    running, stop, recorded = session.controller.next_trial(), DeferredStop(), list[str]()
    assert running is not None
    end = SearchEnd(session.controller, CountingPool(), stop, None, lambda: recorded.append("stopped"), session.handler)
    write_request(session.storage, StopRequest())
    assert end.reached()
    assert (stop.requested, recorded) == (True, ["stopped"])
    assert session.journal.trials[running.number].status is TrialStatus.STOPPED
    assert Session(tmp_path).train_all() == [1e-5, 2e-5, 3e-5]


def test_after_the_last_trial_only_a_request_to_stop_is_handled(session: Session, tmp_path: Path) -> None:
    """As while a confirmation runs; the others are those of the next session."""
    session.train_all()
    waits = write_request(session.storage, ExtendRequest(more_samples=1))
    session.storage.write("requests/9-broken.json", b"{")
    assert not session.handler.stops()
    write_request(session.storage, StopRequest())
    assert not session.handler.stops()  # the folder is listed only every few seconds
    again = Session(tmp_path)
    assert (again.event(waits).accepted, again.handler.stop_requested) == (True, True)
    write_request(again.storage, ExtendRequest(more_samples=1))
    assert again.handler.stops()
    assert len(waiting_requests(again.storage)) == 1


def test_a_higher_time_budget_holds_from_the_start_of_the_session(tmp_path: Path) -> None:
    session = Session(tmp_path)
    session.handler.set_time_budget(1e-9)  # as a flag of a resume gives it
    end = SearchEnd(session.controller, CountingPool(), DeferredStop(), None, requests=session.handler)
    assert end.out_of_time
    session.request(ExtendRequest(time_budget_s=3600.0))
    assert not end.out_of_time
    assert not end.reached()
    assert Session(tmp_path).handler.limits.time_budget_s == 3600.0


def test_the_folder_is_listed_once_per_interval(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    listed = list[str]()
    monkeypatch.setattr(Storage, "list", lambda self, path="": listed.append(path) or [])
    for _ in range(50):
        session.handler.poll()
    assert listed == ["requests"]


def test_many_requests_are_handled_over_several_polls_so_that_lanes_do_not_wait(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])

    def slow(task: str, params: Mapping[str, Value]) -> None:
        now[0] += 0.15

    monkeypatch.setattr(session.handler, "_check", slow)
    for number in range(5):
        write_request(session.storage, add(1e-3 + number * 1e-4))
    left = []
    while waiting_requests(session.storage):
        session.handler.poll()
        left.append(len(waiting_requests(session.storage)))
    assert left == [3, 1, 0]


def test_a_folder_that_cannot_be_reached_for_a_while_does_not_end_the_search(
    session: Session, monkeypatch: pytest.MonkeyPatch, logged: Any
) -> None:
    name = write_request(session.storage, ExtendRequest(num_samples=5))

    def unreachable(self: Storage, path: str = "") -> Any:
        raise StorageError("the bucket does not answer")

    with monkeypatch.context() as patch:
        patch.setattr(Storage, "list", unreachable)
        session.handler.handle_waiting()
        session.handler.handle_waiting()
    assert sum("does not answer" in line for line in logged()) == 1
    with monkeypatch.context() as patch:
        patch.setattr(Storage, "delete", unreachable)
        session.handler.handle_waiting()
    session.handler.handle_waiting()
    assert [event.request for event in session.requests] == [name]
    assert waiting_requests(session.storage) == []


REQUESTS: tuple[SearchRequest, ...] = (ExtendRequest(more_samples=1), add(6e-5), add(7e-5), StopTrialRequest(number=1))


def act(session: Session) -> None:
    """Train a trial, begin another one, and handle one request of each kind."""
    session.train_next()
    session.controller.next_trial()
    for request in REQUESTS:
        session.request(request)


def outcome(folder: Path) -> Any:
    """What a search has come to: its limits, its trials and how they ended."""
    journal = JournalReader(Storage(str(folder)))
    trials = [(trial.params["learning_rate"], trial.status) for trial in journal.trials.values()]
    accepted = [event.action for event in journal.history if isinstance(event, RequestHandled) and event.accepted]
    return sorted(trials), sorted(accepted)


def test_a_driver_that_dies_at_any_moment_acts_on_each_request_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is left before each write, by a kill or a power cut, is resumed to its end."""
    root, left = tmp_path / "disk", list[Path]()
    root.mkdir()
    with monkeypatch.context() as patch:
        disk = Disk(root, patch)

        def before_write() -> None:
            for failure in FAILURES:
                left.append(disk.left_after(failure, tmp_path / "left" / str(len(left))))

        delete = Storage.delete

        def observed_delete(storage: Storage, path: str) -> None:
            before_write()
            delete(storage, path)

        patch.setattr(Storage, "delete", observed_delete)  # it deletes outside of Python
        disk.before_write = before_write
        act(Session(root / "search"))
        disk.before_write = lambda: None
        disk.close()
    Session(root / "search").train_all()
    expected = outcome(root / "search")
    assert len(expected[0]) == 3 + 1 + 2
    for folder in left:
        if not (folder / "search").exists():
            continue
        again = Session(folder / "search")
        written = {event.action for event in again.requests}
        again.train_all()
        trials, accepted = outcome(folder / "search")
        assert len(accepted) == len(set(accepted)) + accepted.count("add") - min(1, accepted.count("add")), folder
        assert again.handler.limits.num_samples == (4 if "extend" in written else 3), folder
        assert len(trials) == len({rate for rate, _ in trials}) == 3 + len([a for a in accepted if a != "stop_trial"])
        shutil.rmtree(folder)
