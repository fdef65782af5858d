"""Ray Tune's side of a search: searcher, scheduler and stopper, which translate between Tune and the controller."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from ray.tune import Stopper
from ray.tune.experiment import Trial as TuneTrial
from ray.tune.schedulers import FIFOScheduler, TrialScheduler
from ray.tune.search import Searcher

from gluetune.errors import StorageError
from gluetune.events import LANE_EVENT_ADAPTER
from gluetune.lanes import LanePool, Lease
from gluetune.search.controller import SearchController
from gluetune.search.trainable import event_json, trial_config
from gluetune.supervisor import DeferredStop


class LeasedTrials:
    """The trials that Ray Tune runs, each with the lease of its lane.

    Args:
        controller: chooses the trials.
        pool: leases the lanes.
        max_failures: how often a trial may lose its lane, or its Trainable.
    """

    def __init__(self, controller: SearchController, pool: LanePool, max_failures: int) -> None:
        self._controller, self._pool, self._max_failures = controller, pool, max_failures
        self._leases: dict[str, tuple[int, Lease]] = {}  # by Tune's trial id: gluetune's number, and the lease
        self._failures: dict[str, int] = {}

    def start(self, trial_id: str) -> dict[str, Any] | None:
        """Choose the next trial and give it to a lane.

        Returns:
            Tune's configuration of the trial; ``None`` where there is no trial.
        """
        assignment = self._controller.next_trial()
        if assignment is None:
            return None
        lease = self._pool.lease(assignment)
        self._leases[trial_id] = assignment.number, lease
        return trial_config(lease.lane, lease.assignment_id)

    def retry(self, trial_id: str, error: str) -> dict[str, Any] | None:
        """Record that a trial's lane or Trainable died, and give the trial to a lane again.

        Args:
            trial_id: Tune's id of the trial.
            error: what Tune knows of the death.

        Returns:
            Tune's new configuration of the trial; ``None`` where the trial has failed too often, or has ended.
        """
        number, lease = self._leases[trial_id]
        self._controller.record_lane_death(number, self._pool.death_reason(lease) or error)
        self._failures[trial_id] = self._failures.get(trial_id, 0) + 1
        if self._failures[trial_id] > self._max_failures or number not in self._controller.in_flight:
            return None
        self._pool.release(lease)
        lease = self._pool.lease(self._controller.assignment(number))
        self._leases[trial_id] = number, lease
        return trial_config(lease.lane, lease.assignment_id)

    def end(self, trial_id: str) -> int:
        """End the lease of a trial; return gluetune's number of the trial."""
        number, lease = self._leases.pop(trial_id)
        self._failures.pop(trial_id, None)
        self._pool.release(lease)
        return number


class ControllerSearcher(Searcher):
    """Gives Ray Tune the controller's trials.

    Args:
        controller: chooses them.
        trials: gives them to lanes.
    """

    def __init__(self, controller: SearchController, trials: LeasedTrials) -> None:
        super().__init__()
        self._controller, self._trials = controller, trials

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:  # type: ignore[override]  # Ray's hint lacks FINISHED
        """Return the next trial as a Tune configuration.

        Returns:
            The configuration; ``FINISHED`` where there are no more trials, ``None`` where there is none yet.
        """
        config = self._trials.start(trial_id)
        if config is None:
            return Searcher.FINISHED if self._controller.exhausted else None
        return config

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        """End the trial's lease; fail the trial where Tune gives it up after its lanes died."""
        number = self._trials.end(trial_id)
        if error:
            self._controller.fail_trial(number)

    def save(self, checkpoint_path: str) -> None:
        """Write nothing: the journal holds the state of the search."""

    def restore(self, checkpoint_path: str) -> None:
        """Read nothing: the journal holds the state of the search."""

    def __getstate__(self) -> dict[str, Any]:
        return {}  # Tune pickles its configuration beside its own snapshots, which gluetune does not use


class ControllerScheduler(FIFOScheduler):
    """Passes every event to the controller and stops the trials that it ends.

    Args:
        controller: decides which trials continue.
        trials: gives trials to lanes again after their lane died.
    """

    def __init__(self, controller: SearchController, trials: LeasedTrials) -> None:
        super().__init__()
        self._controller, self._trials = controller, trials
        self._live: list[TuneTrial] = []  # in the order of their creation

    def on_trial_add(self, tune_controller: Any, trial: TuneTrial) -> None:
        """Remember a new trial."""
        self._live.append(trial)

    def choose_trial_to_run(self, tune_controller: Any) -> TuneTrial | None:
        """Return the first pending trial.

        Ray's own method goes through all trials of the search, finished ones included, with every event.
        """
        self._live = [trial for trial in self._live if not trial.is_finished()]
        return next((trial for trial in self._live if trial.status == TuneTrial.PENDING), None)

    def on_trial_result(self, tune_controller: Any, trial: TuneTrial, result: dict[str, Any]) -> str:
        """Pass the event in a result to the controller and return Tune's decision for the trial."""
        continues = self._controller.handle_event(LANE_EVENT_ADAPTER.validate_json(event_json(result)))
        decision: str = TrialScheduler.CONTINUE if continues else TrialScheduler.STOP
        return decision

    def on_trial_error(self, tune_controller: Any, trial: TuneTrial) -> None:
        """Give a trial to a lane again, after its lane or Trainable died. Tune then restarts it, or gives it up."""
        config = self._trials.retry(trial.trial_id, str(trial.get_error() or ""))
        if config is not None:
            trial.set_config(config)

    def __getstate__(self) -> dict[str, Any]:
        return {}


class PrefetchStopper(Stopper):
    """Has the next trial chosen as soon as all lanes are busy, and ends the search on a stop signal or in time.

    It is a stopper because Tune calls `stop_all` in every turn of its loop. With a callback instead, Tune would import
    its MLflow integration, to count its use, while the tracker's thread imports MLflow too.

    Args:
        controller: the search.
        pool: its lanes. Their leases end with the search, because a Trainable that waits for an event cannot end.
        stop: whether a stop signal has come.
        time_budget_s: seconds until the search ends; ``None`` for no limit.
        on_stop: called after a stop signal has been recorded.
    """

    def __init__(
        self,
        controller: SearchController,
        pool: LanePool,
        stop: DeferredStop,
        time_budget_s: float | None = None,
        on_stop: Callable[[], None] = lambda: None,
    ) -> None:
        self._controller, self._pool, self._stop, self._on_stop = controller, pool, stop, on_stop
        self._deadline = None if time_budget_s is None else time.monotonic() + time_budget_s
        self._stopped = False

    @property
    def out_of_time(self) -> bool:
        """Whether the time budget is used up."""
        return self._deadline is not None and time.monotonic() >= self._deadline

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        """Return ``False``: `ControllerScheduler` stops single trials."""
        return False

    def stop_all(self) -> bool:
        """Return whether to end the search. A stop is recorded before Tune ends the trials, which takes seconds."""
        if not (self._stop.requested or self.out_of_time or self._controller.fatal_error):
            self._controller.prefetch()
            return False
        if not self._stopped:  # Tune calls this again in each turn until its trials have ended
            self._stopped = True
            self._end()
        return True

    def _end(self) -> None:
        if self._stop.requested:
            self._controller.stop("interrupted")
            self._on_stop()
        elif self._controller.fatal_error is None:
            self._controller.stop("out of time")
        elif not isinstance(self._controller.fatal_error, StorageError):  # the journal can still be written
            self._controller.stop("the search was given up")
        self._pool.release_all()

    def __getstate__(self) -> dict[str, Any]:
        return {}
