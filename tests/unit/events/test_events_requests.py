"""Requests to a search: their files, the limits that they change, and what the journal replays of them."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from gluetune.config import SearchConfig
from gluetune.errors import ConfigError, StorageError
from gluetune.events import (
    AddRequest,
    ExtendRequest,
    Journal,
    JournalEvent,
    JournalReader,
    RequestHandled,
    SearchLimits,
    StopRequest,
    StopTrialRequest,
    added_configurations,
    delete_request,
    drop_stop_requests,
    read_request,
    replay_events,
    waiting_requests,
    write_request,
)
from gluetune.storage import Storage
from limits import files_of_at_most
from sample_search import ended, evaluated, started

REQUESTS = (
    StopRequest(),
    StopTrialRequest(number=3),
    AddRequest(configurations={"cola": {"learning_rate": 3e-5, "batch_size": 16, "head": "mlp", "bf16": True}}),
    ExtendRequest(more_samples=20, time_budget_s=60.5),
)


@pytest.fixture
def folder(tmp_path: Path) -> Storage:
    return Storage(str(tmp_path))


def handled(request: str = "1", **fields: Any) -> RequestHandled:
    return RequestHandled(time=1.0, request=request, action="extend", accepted=True, message="done", **fields)


@pytest.mark.parametrize("request_", REQUESTS, ids=lambda request: request.action)
def test_a_request_is_read_as_it_was_written_until_it_is_deleted(folder: Storage, request_: Any) -> None:
    name = write_request(folder, request_)
    assert waiting_requests(folder) == [name]
    assert read_request(folder, name) == request_
    delete_request(folder, name)
    assert waiting_requests(folder) == []
    assert read_request(folder, name) is None


def test_two_writers_lose_no_request(folder: Storage) -> None:
    with ThreadPoolExecutor(2) as writers:
        names = list(writers.map(lambda number: write_request(folder, StopTrialRequest(number=number)), range(40)))
    assert sorted(names) == waiting_requests(folder)
    numbers = [request.number for name in names if isinstance(request := read_request(folder, name), StopTrialRequest)]
    assert numbers == list(range(40))


def test_a_request_that_cannot_be_written_whole_leaves_nothing(folder: Storage) -> None:
    with files_of_at_most(10), pytest.raises(StorageError):
        write_request(folder, StopRequest())
    assert waiting_requests(folder) == []


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ({"version": 2, "action": "stop"}, "newer version"),
        ({"version": 1, "action": "start"}, "stop_trial"),
        ({"version": 1, "action": "stop_trial"}, "number"),
        ({"version": 1, "action": "stop_trial", "number": "3"}, "number"),
        ({"version": 1, "action": "stop", "trial": 3}, "trial"),
        ({"version": 1, "action": "add", "configurations": {}}, "configurations"),
        ({"version": 1, "action": "extend"}, "extend"),
        ([], "not a request"),
    ],
)
def test_a_file_that_is_no_request_is_refused_with_the_reason(folder: Storage, content: Any, reason: str) -> None:
    folder.write("requests/1-a.json", json.dumps(content).encode())
    with pytest.raises(ValueError, match=reason):
        read_request(folder, "1-a")
    folder.write("requests/1-a.json", b"{")
    with pytest.raises(ValueError, match="line 1"):
        read_request(folder, "1-a")


@pytest.mark.parametrize(
    "fields", [{}, {"num_samples": 3, "more_samples": 2}, {"time_budget_s": 3.0, "more_seconds": 2.0}]
)
def test_an_extension_gives_each_limit_once_or_not(fields: Any) -> None:
    with pytest.raises(ValidationError):
        ExtendRequest(**fields)


def test_only_requests_to_stop_the_search_are_dropped_before_a_session(folder: Storage) -> None:
    kept = [write_request(folder, request) for request in REQUESTS[1:]]
    folder.write("requests/9-broken.json", b"{")
    for _ in range(2):
        write_request(folder, StopRequest())
    assert drop_stop_requests(folder) == 2
    assert waiting_requests(folder) == [*sorted(kept), "9-broken"]


SEARCH = SearchConfig(num_samples=10, time_budget_s=60.0)


def test_the_last_change_of_each_limit_counts() -> None:
    assert SearchLimits.of(SEARCH) == SearchLimits(10, 60.0)
    events: list[JournalEvent] = [
        started(0, "cola"),
        handled(limits={"num_samples": 30}),
        handled(limits={"time_budget_s": 120.0}),
        handled(limits={"num_samples": 50, "of_a_newer_version": 1}),
        handled(added={"cola": [{"learning_rate": 1e-4}]}),
    ]
    assert SearchLimits.of(SEARCH, events) == SearchLimits(50, 120.0)
    assert SearchLimits.of(SEARCH, [*events, handled(limits={"time_budget_s": None})]).time_budget_s is None


def test_additions_of_two_requests_are_both_counted() -> None:
    limits = SearchLimits.of(SEARCH)
    for expected in (30, 50):
        limits = limits.changed(limits.extension(ExtendRequest(more_samples=20)))
        assert limits.num_samples == expected
    assert limits.extension(ExtendRequest(more_seconds=30.0)) == {"time_budget_s": 90.0}


@pytest.mark.parametrize(
    ("search", "fields", "values"),
    [
        (SEARCH, {"num_samples": 10}, ("num_samples", "10")),
        (SEARCH, {"time_budget_s": 59.0}, ("time_budget_s", "60", "59")),
        (SearchConfig(), {"more_samples": 5}, ("num_samples", "no such limit")),
        (SearchConfig(), {"more_seconds": 5.0}, ("time_budget_s", "no such limit")),
    ],
)
def test_a_limit_that_would_not_rise_is_refused(search: SearchConfig, fields: Any, values: tuple[str, ...]) -> None:
    with pytest.raises(ConfigError, match=".*".join(values)):
        SearchLimits.of(search).extension(ExtendRequest(**fields))


def test_the_journal_keeps_requests_among_the_events_of_trials(folder: Storage) -> None:
    journal = Journal(folder)
    journal.append(started(0, "cola"))
    added = {"cola": [{"learning_rate": 1e-5, "batch_size": 8}]}
    journal.append(evaluated(0, 1, 0.5), ended(0))
    journal.append_search_event(handled(limits={"num_samples": 3, "time_budget_s": None}, added=added))
    journal.append(started(1, "cola"))
    read = JournalReader(folder)
    assert (read.events, read.history) == (journal.events, journal.history)
    assert [event.event for event in read.history] == ["started", "evaluated", "ended", "request", "started"]
    assert read.trials == journal.trials == replay_events(read.events)
    assert SearchLimits.of(SEARCH, read.history) == SearchLimits(3, None)
    assert added_configurations(read.history) == [("cola", {"learning_rate": 1e-5, "batch_size": 8})]
