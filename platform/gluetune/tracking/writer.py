"""One thread that writes, in order, for as long as it takes, and leaves the interpreter to the search."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Protocol

from gluetune.tracking.access import refusal
from gluetune.tracking.entries import Entry
from gluetune.tracking.runs import reason

BATCH = 40  # items in one write: well below MLflow's limit of 1,000 metrics and 100 params in one request
LINGER = 0.1  # seconds in which items gather, so that a burst is few requests
REST = 3.0  # seconds without writing for each second of CPU that writing took: a quarter of a core …
LONGEST_REST = 2.0  # seconds
MOST_WAITING = 2000  # … as long as no more items wait than are written in some fifteen seconds, with SQLite
LONGEST_WAIT = 10.0  # seconds between two attempts while the store is away


class Sink(Protocol):
    """Where the thread writes to. Any method may raise; the same items then come again."""

    def write(self, entries: Sequence[Entry]) -> None:
        """Writes entries; told twice, they must change nothing the second time."""

    def mark(self, events: int) -> None:
        """Remembers that ``events`` further events are wholly written."""


class Writer:
    """A queue and its thread. Putting never waits.

    Args:
        open_sink: opens the store; called in the thread, again after a failure.
        is_permanent: whether an error would come again for ever; its entries are then left out and counted.
        notify: told in words when the store goes away, comes back or refuses.
        hold_s: seconds until it begins, unless it is released, flushed or closed before.
    """

    def __init__(
        self,
        open_sink: Callable[[], Sink],
        is_permanent: Callable[[BaseException], bool],
        notify: Callable[[str], None],
        hold_s: float = 0.0,
    ) -> None:
        self._open, self._is_permanent, self._notify = open_sink, is_permanent, notify
        self._items: deque[tuple[Sequence[Entry], int]] = deque()
        self._changed = threading.Condition()
        self._closing = False
        self._held = hold_s > 0
        self._begins = time.monotonic() + hold_s
        self._flushing = 0  # callers that wait for the queue to be written
        self._sink: Sink | None = None
        self.refused = 0
        self.failure: BaseException | None = None  # of the last attempt
        self._thread = threading.Thread(target=self._run, name="gluetune-tracking", daemon=True)
        self._thread.start()

    def put(self, entries: Sequence[Entry], events: int = 1) -> None:
        """Queues what is written whole or again; ``events`` is how many of the journal's events it stands for."""
        with self._changed:
            self._items.append((entries, events))
            self._changed.notify_all()

    def release(self) -> None:
        """Lets it begin."""
        if self._held:
            with self._changed:
                self._held = False
                self._changed.notify_all()

    def hurry(self) -> None:
        """From now on writes what is queued at once, without rests."""
        with self._changed:
            self._flushing += 1
            self._changed.notify_all()

    def flush(self, timeout: float) -> bool:
        """Waits until the queue is written, ``timeout`` seconds at most, and says whether it is."""
        with self._changed:
            self._flushing += 1
            self._changed.notify_all()
            try:
                return self._changed.wait_for(lambda: not self._items, timeout)
            finally:
                self._flushing -= 1

    def close(self, timeout: float) -> bool:
        """Flushes and ends the thread; says whether everything is written."""
        written = self.flush(timeout)
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self._thread.join(timeout=LINGER if not written else None)
        return written

    @property
    def waiting(self) -> int:
        """Items not yet written."""
        return len(self._items)

    def _run(self) -> None:
        failures, cpu_s = 0, 0.0
        with self._changed:
            self._changed.wait_for(
                lambda: not self._held or self._flushing or self._closing, max(0.0, self._begins - time.monotonic())
            )
        while self._wait_for_items(cpu_s):
            items = list(self._items)[:BATCH]
            try:
                self._sink = self._sink or self._open()
                began = time.thread_time()
                self._write(
                    self._sink, [entry for entries, _ in items for entry in entries], sum(events for _, events in items)
                )
            except Exception as error:
                failures, cpu_s = failures + 1, 0.0
                if failures == 1:
                    trouble = "refuses the record" if refusal(error) else "does not answer"
                    self._notify(f"MLflow {trouble} ({reason(error)}); the record waits and is written when it is back")
                self.failure = error
                self._pause(min(LONGEST_WAIT, 0.25 * 2.0**failures))
                continue
            if failures:
                self._notify("MLflow answers again; the record goes on")
            failures, self.failure, cpu_s = 0, None, time.thread_time() - began
            with self._changed:
                for _ in items:
                    self._items.popleft()
                self._changed.notify_all()

    def _write(self, sink: Sink, entries: list[Entry], events: int) -> None:
        try:
            sink.write(entries)
        except Exception as error:
            if not self._is_permanent(error):
                raise
            self._write_singly(sink, entries)
        sink.mark(events)

    def _write_singly(self, sink: Sink, entries: list[Entry]) -> None:
        """Writes what the store takes of a batch that holds something it will never take."""
        for entry in entries:
            try:
                sink.write([entry])
            except Exception as error:
                if not self._is_permanent(error):
                    raise
                self.refused += 1
                if self.refused == 1:
                    self._notify(
                        f"MLflow refuses part of the record of {entry.run.name}, which is left out: {reason(error)}"
                    )

    def _wait_for_items(self, cpu_s: float) -> bool:
        """Waits for items, then rests unless somebody waits for the queue; ``False`` at the end.

        Args:
            cpu_s: seconds of CPU that the last write took.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._items or self._closing)
            if self._closing:
                return False
            rest = min(REST * cpu_s, LONGEST_REST) if len(self._items) < MOST_WAITING else 0.0
            self._changed.wait_for(lambda: self._flushing or self._closing, max(LINGER, rest))
        return True

    def _pause(self, seconds: float) -> None:
        """Waits between attempts; a flush or the end cuts it short."""
        with self._changed:
            self._changed.wait(seconds)
