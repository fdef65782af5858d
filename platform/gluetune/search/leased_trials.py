"""The trials of a search that lanes run, each with its lease, before Ray Tune has started and while it runs them.

The processes of Tune's Trainables take seconds of CPU to start, which starting lanes need. The driver therefore leases
lanes for the first trials before it starts Tune, and fetches the events of each trial itself until the trial's
Trainable does. When an event ends a trial, the driver gives the next one to its lane at once, and Tune takes that over
in its next turn.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import ray

from gluetune.events import LANE_EVENT_ADAPTER, Evaluated
from gluetune.lanes import LaneError, LanePool, Lease
from gluetune.lanes.pool import resolve
from gluetune.search.controller import SearchController

POLL_S = 0.1  # seconds that the driver waits for events at a time


@dataclass(eq=False)
class _LeasedTrial:
    """A trial with the lease of its lane.

    Attributes:
        number: gluetune's number of the trial.
        lease: the lease.
        handled: the number of the last event that the controller has handled, in the lease's assignment.
        request: the driver's own request for the next event; ``None`` where the trial's Trainable fetches it.
        failures: how often the trial has lost its lane or its Trainable.
    """

    number: int
    lease: Lease
    handled: int = 0
    request: Any = None
    failures: int = field(default=0, kw_only=True)

    def request_event(self) -> _LeasedTrial:
        """Have the driver request the next event; return the trial."""
        self.request = self.lease.request_event_json(self.handled)
        return self


class LeasedTrials:
    """The trials that lanes run.

    Args:
        controller: chooses the trials and handles their events.
        pool: leases the lanes.
        max_failures: how often a trial may lose its lane, or its Trainable.

    Attributes:
        any_evaluated: whether an evaluation of a trial has been handled.
    """

    def __init__(self, controller: SearchController, pool: LanePool, max_failures: int) -> None:
        self._controller, self._pool, self._max_failures = controller, pool, max_failures
        self._before_tune: list[_LeasedTrial] = []  # that Tune has not taken over, in the order of their start
        self._by_id: dict[str, _LeasedTrial] = {}  # those that Tune runs, by its trial id
        self._trainables_started = False  # at least one
        self.any_evaluated = False

    def start_before_tune(self, lanes: int) -> None:
        """Give the first trials to lanes, before Ray Tune asks for them.

        Args:
            lanes: the number of trials.
        """
        while len(self._before_tune) < lanes and self._start_next():
            pass

    @property
    def all_run_before_tune(self) -> bool:
        """Whether there are trials that Ray Tune has not taken over, and none of them has lost its lane."""
        return bool(self._before_tune) and all(trial.request is not None for trial in self._before_tune)

    @property
    def any_before_tune(self) -> bool:
        """Whether lanes train trials that Ray Tune has not taken over."""
        return any(trial.number in self._controller.in_flight for trial in self._before_tune)

    def wait_for_events(self) -> None:
        """Wait up to `POLL_S` seconds for events of the trials that Ray Tune has not taken over, and handle them."""
        requests = [trial.request for trial in self._before_tune if trial.request is not None]
        if requests:
            ray.wait(requests, timeout=POLL_S)
            self.handle_requested_events()

    def handle_requested_events(self) -> None:
        """Handle the events that have come on the driver's own requests, and request the next ones."""
        requests = {
            trial.request: trial for trial in (*self._before_tune, *self._by_id.values()) if trial.request is not None
        }
        if requests:
            for request in ray.wait(list(requests), num_returns=len(requests), timeout=0)[0]:
                self._handle_request(requests[request])

    def start(self, trial_id: str) -> Lease | None:
        """Return the lease of the next trial for Ray Tune: one that runs already, else a newly chosen one.

        Args:
            trial_id: Tune's id of the trial.

        Returns:
            The lease; ``None`` where there is no trial.
        """
        in_flight = self._controller.in_flight
        self._before_tune = [trial for trial in self._before_tune if trial.number in in_flight]
        trial = self._before_tune.pop(0) if self._before_tune else self._lease_next()
        if trial is None:
            return None
        self._by_id[trial_id] = trial
        return trial.lease

    def handle(self, trial_id: str, event_number: int, event: str) -> bool:
        """Handle an event that the Trainable of a trial has fetched, unless the driver has fetched it before.

        Args:
            trial_id: Tune's id of the trial.
            event_number: the number of the event in the trial's assignment.
            event: the event as JSON.

        Returns:
            Whether the trial continues.
        """
        self._trainables_started = True
        trial = self._by_id[trial_id]
        trial.request = None
        if event_number <= trial.handled:
            return trial.number in self._controller.in_flight
        return self._handle(trial, event_number, event)

    def retry(self, trial_id: str, error: str) -> Lease | None:
        """Record that a trial's lane or Trainable died, and give the trial to a lane again.

        Args:
            trial_id: Tune's id of the trial.
            error: what Tune knows of the death.

        Returns:
            The new lease; ``None`` where the trial has failed too often, or has ended.
        """
        trial = self._by_id[trial_id]
        self._controller.record_lane_death(trial.number, self._pool.death_reason(trial.lease) or error)
        failures = trial.failures + 1
        if failures > self._max_failures or trial.number not in self._controller.in_flight:
            return None
        self._pool.release(trial.lease)
        lease = self._pool.lease(self._controller.assignment(trial.number))
        self._by_id[trial_id] = _LeasedTrial(trial.number, lease, failures=failures).request_event()
        return lease

    def end_for_good(self, number: int, message: str) -> None:
        """End a trial, and give its lane, where it has one, the next trial; no resume continues the ended one.

        Args:
            number: gluetune's number of the trial.
            message: why.
        """
        self._controller.end_for_good(number, message)
        for trial in (*self._before_tune, *self._by_id.values()):
            if trial.number == number:
                self._lease_again(trial)

    def end(self, trial_id: str) -> int:
        """End the lease of a trial; return gluetune's number of the trial."""
        self._trainables_started = True
        trial = self._by_id.pop(trial_id)
        self._pool.release(trial.lease)
        return trial.number

    def _lease_next(self) -> _LeasedTrial | None:
        assignment = self._controller.next_trial()
        return None if assignment is None else _LeasedTrial(assignment.number, self._pool.lease(assignment))

    def _start_next(self) -> bool:
        """Give the next trial to a lane, before Ray Tune asks for it; return whether there is one."""
        trial = self._lease_next()
        if trial is not None:
            self._before_tune.append(trial.request_event())
        return trial is not None

    def _lease_again(self, ended: _LeasedTrial) -> None:
        """Give the next trial to the lane of one that has just ended; end the lease where there is none."""
        self._before_tune = [other for other in self._before_tune if other is not ended]
        assignment = self._controller.next_trial()
        if assignment is None:
            self._pool.release(ended.lease)
            return
        trial = _LeasedTrial(assignment.number, self._pool.lease_again(ended.lease, assignment))
        self._before_tune.append(trial if self._trainables_started else trial.request_event())

    def _handle_request(self, trial: _LeasedTrial) -> None:
        request, trial.request = trial.request, None
        try:
            numbered = resolve(request)
        except LaneError:
            return  # the trial's Trainable gets the same error, and Ray Tune tries the trial again
        if numbered is None:
            return
        if self._handle(trial, *numbered):
            trial.request_event()

    def _handle(self, trial: _LeasedTrial, event_number: int, event: str) -> bool:
        trial.handled = event_number
        read = LANE_EVENT_ADAPTER.validate_json(event)
        self.any_evaluated = self.any_evaluated or isinstance(read, Evaluated)
        in_flight = trial.number in self._controller.in_flight  # otherwise the search has ended the trial
        continues = self._controller.handle_event(read)
        if in_flight and not continues:
            self._lease_again(trial)
        return continues
