"""The mailbox between a lane's holder, such as Ray Tune's trial actor, and its workers.

It is part of the holder and outlives the workers, so that a restarted worker group finds the order it was working on.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from gluetune.errors import GluetuneError
from gluetune.events import LaneEvent, StepLogged, TrialEnded

MOST_STARTS = 3
SPLITS = "gradient_accumulation_steps"  # of an order's training


class LaneError(GluetuneError):
    """A lane's worker group could not be started or kept alive."""


@dataclass(frozen=True, slots=True)
class TrialAssignment:
    """What a lane is to do next: one trial.

    Attributes:
        number: the trial's number in the search.
        task: its task's name.
        training: the whole training configuration, by field.
        seed: seed of head, data order and dropout.
        folder: the trial's folder on the search's storage.
        reported: evaluations that the search knows already; a resumed trial reports those it does not.
        logged: step of the last log that the search knows already.
        ticket: counts the lane's orders; given by the mailbox.
    """

    number: int
    task: str
    training: dict[str, Any] = field(hash=False)
    seed: int
    folder: str
    reported: int = 0
    logged: int = 0
    ticket: int = 0


class Mailbox:
    """Holds a lane's current order and the reports on it. All in one event loop; every wait is a coroutine.

    Args:
        max_failures: how often a trial's workers may die before the trial counts as failed.
    """

    def __init__(self, max_failures: int) -> None:
        self._max_failures = max_failures
        self._order: TrialAssignment | None = None
        self._tickets = 0
        self._group: str | None = None  # the worker group that works on the order
        self._asking = ""  # the worker group that asked for work last
        self._failures = 0
        self._asked = 0  # how many reports on the order the trial actor has asked for
        self._told = 0  # how many it got
        self._complaint = ""  # what a worker said before its group died; the other workers only say that it did
        self._complained = False  # whether a worker of the group that started last has said so
        self._starts = 0  # of worker groups that have not asked for work yet
        self._closed: str | None = None  # why, empty for an ordinary end
        self._work: Any = None  # what the workers do, once that is known
        self._reports: deque[LaneEvent] = deque()  # on the order, not collected yet
        self._changed = asyncio.Event()

    def give(self, work: Any) -> None:
        """Says what the lane's workers do: a `gluetune.lanes.Workload`."""
        self._work = work
        self._wake()

    async def work(self) -> Any:
        """A worker waits for what it is to do; ``None`` once the lane is closed."""
        await self._until(lambda: self._work is not None or self._closed is not None)
        return self._work if self._closed is None else None

    def assign(self, order: TrialAssignment) -> None:
        """Replaces the current order, whatever has become of it."""
        self._tickets += 1
        self._order = replace(order, ticket=self._tickets)
        self._group, self._failures, self._asked, self._told = None, 0, 0, 0
        self._complaint, self._complained = "", False
        self._reports.clear()
        self._wake()

    def close(self, reason: str = "") -> None:
        """Ends the lane: workers leave their loop, and whoever waits for a report gets `LaneError` with the reason.

        The first reason counts: those that come later, such as that the workers have left, follow from it.
        """
        self._order = None
        if self._closed is None:
            self._closed = reason
        self._wake()

    def started(self) -> bool:
        """A worker group starts; whether the lane is open. Groups that die before they ask for work end it."""
        self._starts += 1
        self._complained = False
        if self._starts > MOST_STARTS and self._closed is None:
            self.close(f"its workers die as they start: {self._complaint or 'see the log of Ray'}")
        return self._closed is None

    def not_started(self, message: str) -> bool:
        """A worker cannot start, and says why; whether the lane is open."""
        is_open = self.started()
        self.complain(message)
        return is_open

    def complain(self, message: str) -> None:
        """A worker says why it is going to die. The first of its group knows the cause, others only lose a peer."""
        if not self._complained:
            self._complaint, self._complained = message, True

    async def take(self, group: str, after: int, timeout_s: float) -> TrialAssignment | None:
        """Rank 0 asks for work.

        Args:
            group: name of this incarnation of the worker group.
            after: ticket of its last order, which it has finished unless that was withdrawn or it said otherwise. An
                order that another group took before is one that group died over.
            timeout_s: how long to wait.

        Returns:
            The order, ``None`` once the lane is closed. (Or where another group has asked since: this one has died.)

        Raises:
            TimeoutError: there is no work yet.
        """
        self._starts, self._asking = 0, group
        if self._order is not None and self._order.ticket == after:
            self.report(after, TrialEnded(time=time.time(), number=self._order.number, status="finished"))

        def ready() -> bool:
            return self._closed is not None or (self._order is not None and self._order.ticket > after)

        await asyncio.wait_for(self._until(ready), timeout_s)
        if self._order is None or self._closed is not None or self._asking != group:
            return None
        order = self._order
        self._failures += self._group not in (None, group)
        self._group = group
        if self._failures <= self._max_failures:
            return order
        self.report(order.ticket, self._died(order))
        return await self.take(group, order.ticket, timeout_s)

    def smaller(self, ticket: int, tried: int, most: int) -> bool:
        """A worker of several has no memory for its micro-batches: those of the order's next try are half as large.

        Args:
            ticket: the order's.
            tried: into how many micro-batches each batch was cut.
            most: how many a batch can be cut into.

        Returns:
            Whether the order is tried again; ``False`` where it is withdrawn, or nothing is left to be cut.
        """
        order = self._order
        if order is None or order.ticket != ticket:
            return False
        if order.training.get(SPLITS) == tried:  # else another worker was first
            if 2 * tried > most:
                return False
            self._order = replace(order, training=order.training | {SPLITS: 2 * tried})
            self._group = None  # the group that dies of it is not to blame
        return True

    def report(self, ticket: int, report: LaneEvent) -> bool:
        """Rank 0 reports on an order; whether the order is still wanted."""
        order = self._order
        if order is None or order.ticket != ticket:
            return False
        if isinstance(report, TrialEnded):
            self._order = None
        elif isinstance(report, StepLogged):
            self._order = replace(order, logged=report.step)
        else:
            self._order = replace(order, reported=report.index)
        self._told += 1
        self._reports.append(report)
        self._wake()
        return self._order is not None

    async def collect(self) -> LaneEvent:
        """The holder waits for the next report on its order, which approves the one before.

        Raises:
            LaneError: the lane is at an end; the reason is empty where it was closed on purpose.
        """
        self._asked += 1
        self._wake()
        await self._until(lambda: bool(self._reports) or self._closed is not None)
        if not self._reports:
            raise LaneError(self._closed)
        return self._reports.popleft()

    async def approved(self, ticket: int) -> bool:
        """Waits until the search has gone on after the last report; ``False`` if the order was withdrawn instead."""
        await self._until(lambda: not self._current(ticket) or self._asked > self._told)
        return self._current(ticket)

    async def withdrawn(self, ticket: int) -> None:
        """Waits until an order is no longer the current one."""
        await self._until(lambda: not self._current(ticket))

    def _wake(self) -> None:
        """All who wait look whether what they wait for has come."""
        self._changed.set()
        self._changed.clear()

    async def _until(self, ready: Callable[[], bool]) -> None:
        while not ready():
            await self._changed.wait()

    def _died(self, order: TrialAssignment) -> TrialEnded:
        why = self._complaint or "killed, or out of host memory"
        return TrialEnded(
            time=time.time(),
            number=order.number,
            status="failed",
            message=f"its workers died {self._failures} times: {why}",
        )

    def _current(self, ticket: int) -> bool:
        return self._order is not None and self._order.ticket == ticket
