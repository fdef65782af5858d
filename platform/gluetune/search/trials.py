"""The trials of a search, run by Ray Tune on leased lanes until the controller has no more of them.

Tune starts when the lanes have: until then the driver runs the trials of each lane by itself, because the import of Ray
Tune, in the driver and in each Trainable, takes CPU that lanes need to start.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from enum import StrEnum

from gluetune.config import SearchConfig
from gluetune.errors import StorageError
from gluetune.lanes import LanePool
from gluetune.search.controller import SearchController
from gluetune.search.leased_trials import LeasedTrials
from gluetune.search.request_handler import RequestHandler
from gluetune.supervisor import DeferredStop, deferred_stop
from gluetune.supervisor.driver import gc_paused

LANE_START_TIMEOUT_S = 30.0  # after the first evaluation; lanes that need longer wait for resources, and not for CPU


class SearchStatus(StrEnum):
    """How a search ended. Only a complete one has run all its trials."""

    COMPLETE = "complete"
    OUT_OF_TIME = "out_of_time"
    OUT_OF_BUDGET = "out_of_budget"
    INTERRUPTED = "interrupted"
    FAILED = "failed"  # no trial could be evaluated


def run_trials(
    controller: SearchController,
    pool: LanePool,
    search: SearchConfig,
    lanes: int,
    on_stop: Callable[[], None] = lambda: None,
    requests: RequestHandler | None = None,
) -> SearchStatus:
    """Run trials on the connected cluster until all are done, time or budget are up, or a stop signal comes.

    Args:
        controller: chooses the trials and handles their events.
        pool: leases a lane to each trial; its lanes live on afterwards.
        search: the time budget, and how often a trial may lose its lane.
        lanes: number of trials that run at the same time.
        on_stop: called when a stop signal ends the search, before Tune ends its trials, which takes seconds.
        requests: handles the requests of other processes; its time budget goes before that of ``search``.

    Returns:
        How the search ended.

    Raises:
        UserError: the search cannot continue, `SearchController.fatal_error`.
    """
    trials = LeasedTrials(controller, pool, search.max_failures)
    if requests is not None:
        requests.write, requests.end_trial = controller.record_search_event, trials.end_for_good
    try:
        with deferred_stop() as stop:
            end = SearchEnd(controller, pool, stop, search.time_budget_s, on_stop, requests)
            _run_before_tune(trials, pool, lanes, end)
            while not (end.reached() or _complete(controller)):
                from gluetune.search.tune_adapters import run_tune

                # Tune would otherwise wait for Trainables that still start
                run_tune(controller, trials, search, lanes, lambda: end.reached() or _complete(controller))
                if not trials.any_before_tune and controller.in_flight:
                    break  # else a request has added trials after Tune had got the last one
    except Exception:  # Tune wraps what its callbacks raise
        if controller.fatal_error is None:
            raise
        raise controller.fatal_error from None
    finally:
        pool.release_all()
    if stop.requested:
        controller.stop(SearchStatus.INTERRUPTED.value)  # trials that started while Tune was ending
        return SearchStatus.INTERRUPTED
    if _complete(controller):
        return SearchStatus.COMPLETE
    status = end.status
    controller.stop(status.value.replace("_", " "))
    return status


def _run_before_tune(trials: LeasedTrials, pool: LanePool, lanes: int, end: SearchEnd) -> None:
    """Run trials until all lanes have started or are late, a trial's lane has died, or there are no more trials."""

    def waits() -> bool:
        return trials.all_run_before_tune and not end.reached()

    trials.start_before_tune(lanes)
    while waits() and not trials.any_evaluated:
        trials.wait_for_events()
    if waits():
        with gc_paused():
            import gluetune.search.tune_adapters  # noqa: F401 - takes a second, in which lanes train
    deadline = time.monotonic() + LANE_START_TIMEOUT_S
    while waits() and not pool.all_ready and time.monotonic() < deadline:
        trials.wait_for_events()


def _complete(controller: SearchController) -> bool:
    return controller.exhausted and not controller.in_flight


class SearchEnd:
    """Ends a search on a stop signal, by its time or budget, or where it cannot continue.

    Until then it has the next trial prefetched.

    Args:
        controller: the search.
        pool: its lanes. Their leases end with the search, because a Trainable that waits for an event cannot end.
        stop: whether a stop signal has come.
        time_budget_s: seconds until the search ends; ``None`` for no limit.
        on_stop: called after a stop signal has been recorded.
        requests: handles the requests of other processes: each call of `reached` lets it look for some.
    """

    def __init__(
        self,
        controller: SearchController,
        pool: LanePool,
        stop: DeferredStop,
        time_budget_s: float | None = None,
        on_stop: Callable[[], None] = lambda: None,
        requests: RequestHandler | None = None,
    ) -> None:
        self._controller, self._pool, self._stop, self._on_stop = controller, pool, stop, on_stop
        self._started = time.monotonic() if requests is None else requests.begin()
        self._time_budget_s, self._requests = time_budget_s, requests
        self._ended = False

    @property
    def out_of_time(self) -> bool:
        """Whether the time budget is used up."""
        budget = self._time_budget_s if self._requests is None else self._requests.limits.time_budget_s
        return budget is not None and time.monotonic() >= self._started + budget

    @property
    def status(self) -> SearchStatus:
        """How a search ends that has not run all its trials, where no stop signal came."""
        if self._controller.spent_limit:
            return SearchStatus.OUT_OF_BUDGET
        return SearchStatus.OUT_OF_TIME if self.out_of_time else SearchStatus.INTERRUPTED

    def reached(self) -> bool:
        """Return whether to end the search. A stop is recorded before Tune ends the trials, which takes seconds.

        It is called again and again. While the search continues, requests are handled, and the next trial is chosen
        once all lanes are busy.
        """
        if self._requests is not None and not self._ended:
            self._requests.poll()
            self._stop.requested = self._stop.requested or self._requests.stop_requested
        limited = self.out_of_time or bool(self._controller.spent_limit)
        if not (self._stop.requested or limited or self._controller.fatal_error):
            self._controller.prefetch()
            return False
        if not self._ended:  # Tune calls this again in each turn until its trials have ended
            self._ended = True
            self._end()
        return True

    def _end(self) -> None:
        if self._stop.requested:
            self._controller.stop("interrupted")
            self._on_stop()
        elif self._controller.fatal_error is None:
            self._controller.stop(self.status.value.replace("_", " "))
        elif not isinstance(self._controller.fatal_error, StorageError):  # the journal can still be written
            self._controller.stop("the search was given up")
        self._pool.release_all()
