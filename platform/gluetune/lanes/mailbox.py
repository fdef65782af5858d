"""The mailbox between a lane's actor and its workers.

It lives in the actor and outlives the workers, so that a restarted worker group finds the assignment that it was
working on.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from gluetune.events import Evaluated, LaneEvent, StepLogged, TrialEnded
from gluetune.lanes.protocol import LaneError, TrialAssignment

MAX_START_ATTEMPTS = 3  # worker groups in a row that may die before they request work
ACCUMULATION_FIELD = "gradient_accumulation_steps"  # the training field that sets the number of micro-batches


class Mailbox:
    """Holds a lane's current assignment and the events reported on it.

    All methods run in the actor's event loop; those that wait are coroutines.

    Args:
        max_failures: how often a trial's worker group may die before the trial counts as failed.
    """

    def __init__(self, max_failures: int) -> None:
        self._max_failures = max_failures
        self._assignment: TrialAssignment | None = None
        self._last_id = 0  # of the assignment that was given last
        self._cancelled_id = 0  # this assignment and all before it are cancelled
        self._ready = False  # whether a worker has requested work
        self._group: str | None = None  # the worker group that works on the assignment
        self._requesting_group = ""  # the worker group that requested work last
        self._failures = 0  # worker groups that died over the assignment
        self._events_requested = 0  # by the search, of the current assignment
        self._events_reported = 0
        self._events_delivered = 0  # to the search, which may not have acknowledged the last one
        self._error = ""  # the first error of a worker group; errors of its other workers follow from it
        self._error_reported = False  # whether the worker group that started last has reported one
        self._starts = 0  # worker groups in a row that have not requested work yet
        self._close_reason: str | None = None  # empty where the lane was closed on purpose
        self._workload: Any = None
        self._events: deque[LaneEvent] = deque()  # of the current assignment, not acknowledged yet
        self._changed = asyncio.Event()

    def set_workload(self, workload: Any) -> None:
        """Set the `gluetune.lanes.Workload` of the lane, for which its workers wait."""
        self._workload = workload
        self._notify()

    async def wait_for_workload(self) -> Any:
        """Wait for the workload and return it; ``None`` once the lane is closed."""
        await self._wait_until(lambda: self._workload is not None or self._close_reason is not None)
        return self._workload if self._close_reason is None else None

    def assign(self, assignment: TrialAssignment) -> None:
        """Replace the current assignment, whether or not it has ended, and drop its events.

        Calls of an actor's coroutines can overtake each other: an assignment that a later one has overtaken, or that
        was cancelled before it arrived, is ignored.
        """
        if assignment.assignment_id <= max(self._last_id, self._cancelled_id):
            return
        self._last_id, self._assignment = assignment.assignment_id, assignment
        self._group, self._failures = None, 0
        self._events_requested, self._events_reported, self._events_delivered = 0, 0, 0
        self._error, self._error_reported = "", False
        self._events.clear()
        self._notify()

    def cancel(self, assignment_id: int) -> None:
        """Cancel an assignment and all before it: its workers stop, and `next_event` returns ``None``."""
        self._cancelled_id = max(self._cancelled_id, assignment_id)
        if self._last_id <= self._cancelled_id:
            self._assignment = None
            self._events.clear()
        self._notify()

    def close(self, reason: str = "") -> None:
        """Close the lane: its workers leave their loop, and `next_event` raises if there is a reason.

        Args:
            reason: why; empty where the lane is closed on purpose. The reason of the first call counts, because later
                ones, such as workers that leave, follow from it.
        """
        self._assignment = None
        if self._close_reason is None:
            self._close_reason = reason
        self._notify()

    def register_start(self) -> bool:
        """Count the start of a worker group, and close the lane after too many that never requested work.

        Returns:
            Whether the lane is open.
        """
        self._starts += 1
        self._error_reported = False
        if self._starts > MAX_START_ATTEMPTS and self._close_reason is None:
            self.close(f"its workers die as they start: {self._error or 'the reason is in the log of Ray'}")
        return self._close_reason is None

    def register_failed_start(self, message: str) -> bool:
        """Count the start of a worker group that failed.

        Args:
            message: the error of the worker.

        Returns:
            Whether the lane is open.
        """
        is_open = self.register_start()
        self.report_error(message)
        return is_open

    def report_error(self, message: str) -> None:
        """Record the error that a worker is about to die of, unless another worker of its group was first."""
        if not self._error_reported:
            self._error, self._error_reported = message, True

    async def next_assignment(self, group: str, after: int, timeout_s: float) -> TrialAssignment | None:
        """Wait for an assignment. Called by rank 0 of a worker group.

        If the assignment ``after`` is still the current one, it has finished. If another worker group took the new
        assignment before, that group died over it.

        Args:
            group: identifies this incarnation of the worker group.
            after: id of the last assignment that the group ran, 0 at first.
            timeout_s: how long to wait, in seconds.

        Returns:
            The assignment; ``None`` once the lane is closed, or where another worker group has requested work since.

        Raises:
            TimeoutError: there is no assignment yet.
        """
        self._starts, self._requesting_group = 0, group
        if not self._ready:
            self._ready = True
            self._notify()
        if self._assignment is not None and self._assignment.assignment_id == after:
            self.report(after, TrialEnded(time=time.time(), number=self._assignment.number, status="finished"))

        def ready() -> bool:
            newer = self._assignment is not None and self._assignment.assignment_id > after
            return self._close_reason is not None or newer

        await asyncio.wait_for(self._wait_until(ready), timeout_s)
        if self._assignment is None or self._close_reason is not None or self._requesting_group != group:
            return None
        assignment = self._assignment
        self._failures += self._group not in (None, group)
        self._group = group
        if self._failures <= self._max_failures:
            return assignment
        self.report(assignment.assignment_id, self._failed(assignment))
        return await self.next_assignment(group, assignment.assignment_id, timeout_s)

    def halve_micro_batch(self, assignment_id: int, micro_batches: int, max_micro_batches: int) -> bool:
        """Halve the micro-batches of the assignment's next try, after a worker of several ran out of memory.

        Args:
            assignment_id: the assignment.
            micro_batches: number of micro-batches that each batch was divided into.
            max_micro_batches: number of micro-batches that a batch can be divided into.

        Returns:
            Whether to try again; ``False`` where the assignment was cancelled or micro-batches cannot be smaller.
        """
        assignment = self._assignment
        if assignment is None or assignment.assignment_id != assignment_id:
            return False
        if assignment.training.get(ACCUMULATION_FIELD) == micro_batches:  # else another worker was first
            if 2 * micro_batches > max_micro_batches:
                return False
            self._assignment = replace(
                assignment, training=assignment.training | {ACCUMULATION_FIELD: 2 * micro_batches}
            )
            self._group = None  # so that the death of the group that ran out of memory counts as no failure
        return True

    def report(self, assignment_id: int, event: LaneEvent) -> bool:
        """Report an event. Called by rank 0; events of a replaced assignment are dropped.

        Args:
            assignment_id: the assignment.
            event: what happened; `TrialEnded` ends the assignment.

        Returns:
            Whether to continue with the assignment.
        """
        assignment = self._assignment
        if assignment is None or assignment.assignment_id != assignment_id:
            return False
        if isinstance(event, TrialEnded):
            self._assignment = None
        elif isinstance(event, StepLogged):
            self._assignment = replace(assignment, logged=event.step)
        elif isinstance(event, Evaluated):
            self._assignment = replace(assignment, reported=event.index)
            if self._failures:
                event = event.model_copy(update={"worker_deaths": self._failures})
        self._events_reported += 1
        self._events.append(event)
        self._notify()
        return self._assignment is not None

    async def next_event(self, assignment_id: int) -> LaneEvent | None:
        """Wait for the next event of an assignment. Calling it acknowledges the event before.

        Args:
            assignment_id: the assignment, which may arrive after this call.

        Returns:
            The event; ``None`` where the assignment was cancelled or replaced, or the lane was closed on purpose.

        Raises:
            LaneError: the lane was closed for a reason.
        """
        numbered = await self.event_after(assignment_id)
        return None if numbered is None else numbered[1]

    async def event_after(self, assignment_id: int, after: int | None = None) -> tuple[int, LaneEvent] | None:
        """Wait for the next event of an assignment, and return it with its number in the assignment.

        Calling it acknowledges all events up to ``after``. One that is not acknowledged is returned again.

        Args:
            assignment_id: the assignment, which may arrive after this call.
            after: the number of the event before, 0 at first; ``None`` for the one that was returned last.

        Returns:
            Number and event; ``None`` where the assignment was cancelled or replaced, or the lane was closed on
            purpose.

        Raises:
            LaneError: the lane was closed for a reason.
        """

        def superseded() -> bool:
            return assignment_id < self._last_id or assignment_id <= self._cancelled_id

        await self._wait_until(lambda: superseded() or assignment_id == self._last_id or self._close_reason is not None)
        if not superseded() and assignment_id == self._last_id:
            before = self._events_delivered if after is None else after
            self._acknowledge(before)

            def reported() -> bool:
                return max(before, self._acknowledged) < self._events_reported

            await self._wait_until(lambda: superseded() or reported() or self._close_reason is not None)
            if not superseded() and reported():
                number = max(before, self._acknowledged) + 1
                self._events_delivered = max(self._events_delivered, number)
                return number, self._events[number - self._acknowledged - 1]
        if self._close_reason and not superseded():
            raise LaneError(self._close_reason)
        return None

    @property
    def _acknowledged(self) -> int:
        """The number of the last event that the search has acknowledged."""
        return self._events_reported - len(self._events)

    def _acknowledge(self, number: int) -> None:
        while self._events and self._acknowledged < number:
            self._events.popleft()
        self._events_requested = max(self._events_requested, number + 1)
        self._notify()

    async def wait_until_ready(self) -> None:
        """Wait until a worker has requested work for the first time."""
        await self._wait_until(lambda: self._ready)

    async def wait_until_closed(self) -> str:
        """Wait until the lane is closed, and return why; empty where it was closed on purpose."""
        await self._wait_until(lambda: self._close_reason is not None)
        assert self._close_reason is not None
        return self._close_reason

    async def wait_for_ack(self, assignment_id: int) -> bool:
        """Wait until the search has acknowledged the last event.

        Returns:
            Whether to continue with the assignment; ``False`` where it was replaced instead.
        """
        await self._wait_until(
            lambda: not self._is_current(assignment_id) or self._events_requested > self._events_reported
        )
        return self._is_current(assignment_id)

    async def wait_for_cancel(self, assignment_id: int) -> None:
        """Wait until an assignment has ended or was replaced."""
        await self._wait_until(lambda: not self._is_current(assignment_id))

    def _notify(self) -> None:
        """Have every waiting coroutine check its condition."""
        self._changed.set()
        self._changed.clear()

    async def _wait_until(self, ready: Callable[[], bool]) -> None:
        while not ready():
            await self._changed.wait()

    def _failed(self, assignment: TrialAssignment) -> TrialEnded:
        reason = self._error or "killed, or out of host memory"
        return TrialEnded(
            time=time.time(),
            number=assignment.number,
            status="failed",
            message=f"its workers died {self._failures} times: {reason}",
        )

    def _is_current(self, assignment_id: int) -> bool:
        return self._assignment is not None and self._assignment.assignment_id == assignment_id
