"""Ray Tune's side of a search: searcher, scheduler and stopper, which translate between Tune and the controller."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ray import cloudpickle
from ray.tune import Stopper
from ray.tune.experiment import Trial as TuneTrial
from ray.tune.schedulers import FIFOScheduler, TrialScheduler
from ray.tune.search import Searcher

from gluetune.events import LANE_EVENT_ADAPTER
from gluetune.lanes import root_cause
from gluetune.lanes.trainable import ASSIGNMENT_KEY, EVENT_KEY
from gluetune.search.controller import SearchController
from gluetune.supervisor import DeferredStop


class ControllerSearcher(Searcher):
    """Gives Ray Tune the controller's trials.

    Args:
        controller: chooses them.
    """

    def __init__(self, controller: SearchController) -> None:
        super().__init__()
        self._controller = controller
        self._numbers: dict[str, int] = {}  # of gluetune's trials, by Tune's trial ids

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:  # type: ignore[override]  # Ray's hint lacks FINISHED
        """Return the next trial as a Tune configuration.

        Returns:
            The configuration; ``FINISHED`` where there are no more trials, ``None`` where there is none yet.
        """
        assignment = self._controller.next_trial()
        if assignment is None:
            return Searcher.FINISHED if self._controller.exhausted else None
        self._numbers[trial_id] = assignment.number
        # A single string, because Tune copies and flattens configurations.
        return {ASSIGNMENT_KEY: json.dumps(dataclasses.asdict(assignment))}

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        """Fail the trial where Tune gives it up, after its lane died and those that it was tried again on."""
        number = self._numbers.pop(trial_id)
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
    """

    def __init__(self, controller: SearchController) -> None:
        super().__init__()
        self._controller = controller
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
        continues = self._controller.handle_event(LANE_EVENT_ADAPTER.validate_json(result[EVENT_KEY]))
        decision: str = TrialScheduler.CONTINUE if continues else TrialScheduler.STOP
        return decision

    def on_trial_error(self, tune_controller: Any, trial: TuneTrial) -> None:
        """Record the death of a trial's lane. Tune tries the trial again on a new lane, or gives it up."""
        self._controller.record_lane_death(json.loads(trial.config[ASSIGNMENT_KEY])["number"], _death_reason(trial))

    def __getstate__(self) -> dict[str, Any]:
        return {}


def _death_reason(trial: TuneTrial) -> str:
    """Why a trial's lane died, from the error that Tune has just written to its own folder on this machine."""
    file = trial.pickled_error_file
    try:
        return "" if file is None else root_cause(cloudpickle.loads(Path(file).read_bytes()))
    except Exception:  # an error whose class cannot be unpickled in this process
        return str(trial.get_error() or "")


class PrefetchStopper(Stopper):
    """Has the next trial chosen as soon as all lanes are busy, and ends the search on a stop signal.

    It is a stopper because Tune calls `stop_all` in every turn of its loop. With a callback instead, Tune would import
    its MLflow integration, to count its use, while the tracker's thread imports MLflow too.

    Args:
        controller: the search.
        stop: whether a stop signal has come.
        on_stop: called after a stop signal has been recorded.
    """

    def __init__(
        self, controller: SearchController, stop: DeferredStop, on_stop: Callable[[], None] = lambda: None
    ) -> None:
        self._controller, self._stop, self._on_stop = controller, stop, on_stop
        self._stopped = False

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        """Return ``False``: `ControllerScheduler` stops single trials."""
        return False

    def stop_all(self) -> bool:
        """Return whether to end the search. A stop is recorded before Tune ends the lanes, which takes seconds."""
        if not self._stop.requested:
            self._controller.prefetch()
            return False
        if not self._stopped:  # Tune calls this again in each turn until its lanes have ended
            self._stopped = True
            self._controller.stop("interrupted")
            self._on_stop()
        return True

    def __getstate__(self) -> dict[str, Any]:
        return {}
