"""A background thread that writes updates in order, retries for ever, and limits its use of the CPU."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Protocol

from gluetune.tracking.run_updates import RunUpdate
from gluetune.tracking.runs import reason
from gluetune.tracking.uris import explain_denied

logger = logging.getLogger(__name__)
BATCH = 40  # items per write: far below MLflow's limit of 1,000 metrics and 100 params per request
BATCH_LINGER_S = 0.1  # the thread waits so long for further items, so that a burst takes few requests
CPU_THROTTLE = 3.0  # seconds of pause for each second of CPU time that a write took: at most a quarter of a core …
MAX_REST_S = 2.0  # longest such pause
BACKLOG_LIMIT = 2000  # … while fewer items wait; with SQLite, so many are written in about fifteen seconds
MAX_BACKOFF_S = 10.0  # longest pause between two attempts at a store that does not answer


class Backend(Protocol):
    """Destination of the thread's writes. After a method has raised, it is called again with the same items."""

    def write(self, updates: Sequence[RunUpdate]) -> None:
        """Write updates; a second call with the same updates must change nothing."""

    def commit_offset(self, events: int) -> None:
        """Record that ``events`` further journal events are completely written."""


class Writer:
    """A queue and the thread that empties it. `put` never waits.

    Args:
        open_backend: opens the store; called by the thread, until it succeeds.
        is_permanent: whether every retry would raise the same error; the update is then left out and counted.
        start_delay_s: seconds until the thread begins to write, unless `start`, `flush` or `close` is called earlier.
        log: logs when the store stops or starts to answer, or refuses an update.
    """

    def __init__(
        self,
        open_backend: Callable[[], Backend],
        is_permanent: Callable[[BaseException], bool],
        start_delay_s: float = 0.0,
        log: logging.Logger | logging.LoggerAdapter[logging.Logger] = logger,
    ) -> None:
        self._open, self._is_permanent, self._log = open_backend, is_permanent, log
        self._items: deque[tuple[Sequence[RunUpdate], int]] = deque()
        self._changed = threading.Condition()
        self._closing = False
        self._delayed = start_delay_s > 0
        self._starts_at = time.monotonic() + start_delay_s
        self._flushing = 0  # number of callers that wait until the queue is empty
        self._backend: Backend | None = None
        self.refused = 0
        self.failure: BaseException | None = None  # of the last attempt
        self._thread = threading.Thread(target=self._run, name="gluetune-tracking", daemon=True)
        self._thread.start()

    def put(self, updates: Sequence[RunUpdate], events: int = 1) -> None:
        """Queue updates, which are written together; ``events`` is the number of journal events they stand for."""
        with self._changed:
            self._items.append((updates, events))
            self._changed.notify_all()

    def start(self) -> None:
        """End the start delay."""
        if self._delayed:
            with self._changed:
                self._delayed = False
                self._changed.notify_all()

    def stop_throttling(self) -> None:
        """Write all queued and later updates without pauses."""
        with self._changed:
            self._flushing += 1
            self._changed.notify_all()

    def flush(self, timeout: float) -> bool:
        """Wait at most ``timeout`` seconds until the queue is empty; return whether it is."""
        with self._changed:
            self._flushing += 1
            self._changed.notify_all()
            try:
                return self._changed.wait_for(lambda: not self._items, timeout)
            finally:
                self._flushing -= 1

    def close(self, timeout: float) -> bool:
        """Flush the queue and end the thread; return whether everything is written."""
        written = self.flush(timeout)
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self._thread.join(timeout=BATCH_LINGER_S if not written else None)
        return written

    @property
    def waiting(self) -> int:
        """Number of items not yet written."""
        return len(self._items)

    def _run(self) -> None:
        failures, cpu_s = 0, 0.0
        with self._changed:
            delay_s = max(0.0, self._starts_at - time.monotonic())
            self._changed.wait_for(lambda: not self._delayed or self._flushing or self._closing, delay_s)
        while self._wait_for_items(cpu_s):
            items = list(self._items)[:BATCH]
            try:
                self._backend = self._backend or self._open()
                cpu_before = time.thread_time()
                updates = [update for group, _ in items for update in group]
                self._write(self._backend, updates, sum(events for _, events in items))
            except Exception as error:
                failures, cpu_s = failures + 1, 0.0
                if failures == 1:
                    trouble = "refuses the updates" if explain_denied(error) else "does not answer"
                    self._log.warning(f"MLflow {trouble} ({reason(error)}); updates wait until it answers again")
                self.failure = error
                self._pause(min(MAX_BACKOFF_S, 0.25 * 2.0**failures))
                continue
            if failures:
                self._log.info("MLflow answers again; the waiting updates are written")
            failures, self.failure, cpu_s = 0, None, time.thread_time() - cpu_before
            with self._changed:
                for _ in items:
                    self._items.popleft()
                self._changed.notify_all()

    def _write(self, backend: Backend, updates: list[RunUpdate], events: int) -> None:
        try:
            backend.write(updates)
        except Exception as error:
            if not self._is_permanent(error):
                raise
            self._write_singly(backend, updates)
        backend.commit_offset(events)

    def _write_singly(self, backend: Backend, updates: list[RunUpdate]) -> None:
        """Write a refused batch update by update, and leave out what the store refuses for good."""
        for update in updates:
            try:
                backend.write([update])
            except Exception as error:
                if not self._is_permanent(error):
                    raise
                self.refused += 1
                if self.refused == 1:
                    self._log.warning(
                        f"MLflow refuses part of the record of {update.run.name}, which is left out: {reason(error)}"
                    )

    def _wait_for_items(self, cpu_s: float) -> bool:
        """Wait for items, then pause to limit CPU use, unless a caller waits in `flush`.

        Args:
            cpu_s: seconds of CPU time that the last write took.

        Returns:
            ``False`` when the thread must end.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._items or self._closing)
            if self._closing:
                return False
            rest = min(CPU_THROTTLE * cpu_s, MAX_REST_S) if len(self._items) < BACKLOG_LIMIT else 0.0
            self._changed.wait_for(lambda: self._flushing or self._closing, max(BATCH_LINGER_S, rest))
        return True

    def _pause(self, seconds: float) -> None:
        """Wait between two attempts; `flush` and `close` end the wait."""
        with self._changed:
            self._changed.wait(seconds)
