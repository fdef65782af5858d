"""What a search has spent of its budget, over all its sessions, and the record of the session that runs."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

from gluetune.cluster import Resources
from gluetune.config import BudgetConfig, LanesConfig
from gluetune.events import JournalEvent, SessionEnded, SessionStarted, Spent, search_costs


class SessionMeter:
    """Measures one session of a search, and adds what earlier sessions spent.

    Args:
        budget: the search's budget.
        lanes: the session's lanes, with a number for ``max_concurrent_trials``.
        resources: what each worker takes.
        history: the journal's events of earlier sessions.
        held_since: returns when the first lane was started, in seconds since the epoch; ``None`` where none was yet.
        clock: returns the current time, in seconds since the epoch.
        before: what was spent of the budget beside that.
    """

    def __init__(
        self,
        budget: BudgetConfig,
        lanes: LanesConfig,
        resources: Resources,
        history: Iterable[JournalEvent] = (),
        held_since: Callable[[], float | None] = lambda: None,
        clock: Callable[[], float] = time.time,
        before: Spent | None = None,
    ) -> None:
        self._limits, self._lanes, self._resources = budget.limits, lanes, resources
        self._held_since, self._clock = held_since, clock
        self._session: SessionStarted | None = None
        self._before = self._spent_before(history) + (before or Spent())

    def begin(self) -> SessionStarted | None:
        """Begin the session; return its event, and ``None`` where one runs."""
        if self._session is not None:
            return None
        now = self._clock()
        self._session = self._event(now, min(self._held_since() or now, now))
        return self._session

    def end(self, status: str) -> SessionEnded | None:
        """End the session; return its event, and ``None`` where it has not begun, or has ended before."""
        if self._session is None:
            return None
        self._before, self._session = self.spent, None
        return SessionEnded(time=self._clock(), status=status)

    @property
    def spent(self) -> Spent:
        """What all sessions have spent so far."""
        if self._session is None:
            return self._before
        return self._before + self._session.spent(max(0.0, self._clock() - self._session.held_since))

    @property
    def spent_limit(self) -> str:
        """The first limit of the budget that is spent, such as ``gpu_hours``; empty where there is none."""
        limits = {name: limit for name, limit in self._limits.items() if name != "trials"}
        spent = self.spent if limits else Spent()
        return next((name for name, limit in limits.items() if getattr(spent, name) >= limit), "")

    def _event(self, now: float, held_since: float) -> SessionStarted:
        return SessionStarted(
            time=now,
            held_since=held_since,
            lanes=self._lanes.lanes,
            workers_per_lane=self._lanes.workers_per_lane,
            cpus_per_worker=self._resources.cpus,
            gpus_per_worker=self._resources.gpus,
        )

    def _spent_before(self, history: Iterable[JournalEvent]) -> Spent:
        """Return what earlier sessions spent; of those without a record of their lanes, what these lanes would have."""
        costs = search_costs(history)
        if costs.spent is not None:
            return costs.spent
        busy = (costs.total.lanes.training or 0.0) + (costs.total.lanes.evaluation or 0.0)
        return self._event(0.0, 0.0).spent(busy / self._lanes.lanes)
