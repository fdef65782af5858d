"""The writing thread: order, retries, refusals, deadlines."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence

import pytest

from gluetune.tracking import writer as writing
from gluetune.tracking.run_updates import Run, RunUpdate
from gluetune.tracking.writer import Writer


class RefusedError(Exception):
    """An error that would come again for ever."""


class Store:
    """A store in memory that can be away, or refuse single entries."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.committed = 0
        self.calls = 0
        self.away = threading.Event()
        self.refuses: set[str] = set()
        self.work_s = 0.0  # seconds of CPU that a write takes

    def write(self, updates: Sequence[RunUpdate]) -> None:
        self.calls += 1
        if self.away.is_set():
            raise ConnectionError("connection refused")
        if self.refuses & {entry.run.name for entry in updates}:
            raise RefusedError("no such run")
        self.names += [entry.run.name for entry in updates]
        ends = time.thread_time() + self.work_s
        while time.thread_time() < ends:
            pass

    def commit_offset(self, events: int) -> None:
        self.committed += events


@pytest.fixture
def store() -> Store:
    return Store()


@pytest.fixture
def writer(store: Store, monkeypatch: pytest.MonkeyPatch) -> Writer:
    monkeypatch.setattr(writing, "MAX_BACKOFF_S", 0.05)
    monkeypatch.setattr(writing, "BATCH_LINGER_S", 0.01)
    return Writer(lambda: store, lambda error: isinstance(error, RefusedError))


def update(name: str) -> list[RunUpdate]:
    return [RunUpdate(Run(name, name, 0.0), 0.0)]


def names(count: int) -> list[str]:
    return [f"run-{i}" for i in range(count)]


def test_everything_is_written_in_order_and_in_few_requests(writer: Writer, store: Store) -> None:
    for name in names(100):
        writer.put(update(name))
    assert writer.close(60.0)
    assert store.names == names(100)
    assert store.committed == 100
    assert store.calls <= 10


def test_nothing_is_lost_while_the_store_is_away(writer: Writer, store: Store, logged: Callable[[], list[str]]) -> None:
    store.away.set()
    for name in names(5):
        writer.put(update(name))
    assert not writer.flush(0.3)
    assert writer.waiting == 5
    store.away.clear()
    assert writer.close(60.0)
    assert store.names == names(5)
    assert len(logged()) == 2
    assert logged()[0].startswith("MLflow does not answer (ConnectionError: connection refused)")
    assert logged()[1] == "MLflow answers again; the waiting updates are written"


def test_putting_never_waits_for_the_store(writer: Writer, store: Store) -> None:
    store.away.set()
    begin = time.monotonic()
    for name in names(1000):
        writer.put(update(name))
    assert time.monotonic() - begin < 10  # the store is away for ever
    assert not writer.close(0.1)


def test_a_refused_entry_is_left_out_and_said_once(
    writer: Writer, store: Store, logged: Callable[[], list[str]]
) -> None:
    store.refuses = {"run-1", "run-3"}
    for name in names(5):
        writer.put(update(name))
    assert writer.close(60.0)
    assert store.names == ["run-0", "run-2", "run-4"]
    assert writer.refused == 2
    assert logged() == ["MLflow refuses part of the record of run-1, which is left out: RefusedError: no such run"]


def test_closing_returns_in_time_when_the_store_stays_away(writer: Writer, store: Store) -> None:
    store.away.set()
    writer.put(update("run-0"))
    begin = time.monotonic()
    assert not writer.close(0.2)
    assert time.monotonic() - begin < 30
    assert isinstance(writer.failure, ConnectionError)


def test_a_store_that_opens_late_gets_all(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writing, "MAX_BACKOFF_S", 0.05)
    attempts: list[int] = []

    def open_late() -> Store:
        attempts.append(1)
        if len(attempts) < 3:
            raise ConnectionError("not yet")
        return store

    late = Writer(open_late, lambda error: False)
    late.put(update("run-0"), events=0)
    late.put(update("run-1"))
    assert late.close(60.0)
    assert store.names == ["run-0", "run-1"]
    assert store.committed == 1


def rest_after(writer: Writer, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the writer with an item that it was given while it rests for twenty seconds."""
    monkeypatch.setattr(writing, "CPU_THROTTLE", 1000.0)
    monkeypatch.setattr(writing, "MAX_REST_S", 20.0)
    store.work_s = 0.02
    writer.put(update("a"))
    while not store.committed:
        time.sleep(0.01)
    writer.put(update("b"))


def test_writing_rests_as_it_takes_cpu_but_a_flush_does_not_wait_for_it(
    writer: Writer, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    rest_after(writer, store, monkeypatch)
    time.sleep(5 * writing.BATCH_LINGER_S)
    assert store.names == ["a"]
    assert writer.flush(60.0)
    assert store.names == ["a", "b"]


def test_writing_does_not_rest_while_much_waits(writer: Writer, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writing, "BACKLOG_LIMIT", 1)
    rest_after(writer, store, monkeypatch)
    ends = time.monotonic() + 60.0
    while store.committed < 2 and time.monotonic() < ends:
        time.sleep(0.01)
    assert store.names == ["a", "b"]


@pytest.mark.parametrize("end", ["start", "flush", "close"])
def test_a_delayed_writer_opens_no_store_until_it_starts(store: Store, end: str) -> None:
    opened = threading.Event()
    writer = Writer(lambda: (opened.set(), store)[1], lambda error: False, start_delay_s=30.0)
    writer.put(update("one"))
    assert not opened.wait(0.3)
    {"start": writer.start, "flush": lambda: writer.flush(60.0), "close": lambda: writer.close(60.0)}[end]()
    assert opened.wait(60)
    assert writer.flush(60.0)
    assert store.names == ["one"]


def test_a_delayed_writer_starts_by_itself(store: Store) -> None:
    writer = Writer(lambda: store, lambda error: False, start_delay_s=0.2)
    writer.put(update("one"))
    deadline = time.monotonic() + 60.0
    while not store.names and time.monotonic() < deadline:
        time.sleep(0.01)
    assert store.names == ["one"]


def test_without_throttling_the_writer_neither_delays_nor_pauses(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writing, "CPU_THROTTLE", 10_000.0)
    monkeypatch.setattr(writing, "MAX_REST_S", 60.0)
    store.work_s = 0.05
    writer = Writer(lambda: store, lambda error: False, start_delay_s=60.0)
    writer.put(update("trial"))
    writer.stop_throttling()
    began = time.monotonic()
    while store.committed < 2 and time.monotonic() < began + 20:
        if store.committed == 1 and not writer.waiting:
            writer.put(update("search"))
        time.sleep(0.01)
    assert time.monotonic() - began < 20
    writer.close(60.0)
    assert store.names == ["trial", "search"]
