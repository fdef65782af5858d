"""Ray Tune's side of a search: a searcher and a scheduler that translate between Tune and the conductor."""

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
    """Asks the conductor for trials."""

    def __init__(self, conductor: SearchController) -> None:
        super().__init__()
        self._conductor = conductor
        self._numbers: dict[str, int] = {}

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:  # type: ignore[override]  # Ray's hint lacks FINISHED
        """The next order, ``FINISHED`` when there are no more, ``None`` when there is none yet."""
        order = self._conductor.deal()
        if order is None:
            return Searcher.FINISHED if self._conductor.exhausted else None
        self._numbers[trial_id] = order.number
        return {
            ASSIGNMENT_KEY: json.dumps(dataclasses.asdict(order))
        }  # one string: Tune copies and flattens configurations

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        """With an error: the trial's lane died, and so did those it was tried again on."""
        number = self._numbers.pop(trial_id)
        if error:
            self._conductor.give_up(number)

    def save(self, checkpoint_path: str) -> None:
        """Writes nothing: the journal holds the state of the search."""

    def restore(self, checkpoint_path: str) -> None:
        """Reads nothing: the journal holds the state of the search."""

    def __getstate__(self) -> dict[str, Any]:
        return {}  # Tune pickles its configuration beside its own snapshots, which nobody reads


class ControllerScheduler(FIFOScheduler):
    """Tells the conductor every event and carries out what it decides."""

    def __init__(self, conductor: SearchController) -> None:
        super().__init__()
        self._conductor = conductor
        self._live: list[TuneTrial] = []  # in the order of their dealing

    def on_trial_add(self, tune_controller: Any, trial: TuneTrial) -> None:
        """Takes note of a trial."""
        self._live.append(trial)

    def choose_trial_to_run(self, tune_controller: Any) -> TuneTrial | None:
        """The first trial that waits. Ray's own looks through all trials there have been, with every event."""
        self._live = [trial for trial in self._live if not trial.is_finished()]
        return next((trial for trial in self._live if trial.status == TuneTrial.PENDING), None)

    def on_trial_result(self, tune_controller: Any, trial: TuneTrial, result: dict[str, Any]) -> str:
        """Whether the trial goes on."""
        goes_on = self._conductor.heard(LANE_EVENT_ADAPTER.validate_json(result[EVENT_KEY]))
        decision: str = TrialScheduler.CONTINUE if goes_on else TrialScheduler.STOP
        return decision

    def on_trial_error(self, tune_controller: Any, trial: TuneTrial) -> None:
        """The trial's lane died; Tune tries it again on a new one, or tells the searcher that it gave it up."""
        self._conductor.lane_died(json.loads(trial.config[ASSIGNMENT_KEY])["number"], _why(trial))

    def __getstate__(self) -> dict[str, Any]:
        return {}


def _why(trial: TuneTrial) -> str:
    """Why a trial's lane died, by the error that Tune has just written to its own folder on this machine."""
    file = trial.pickled_error_file
    try:
        return "" if file is None else root_cause(cloudpickle.loads(Path(file).read_bytes()))
    except Exception:  # an error whose class cannot be made here
        return str(trial.get_error() or "")


class PrefetchStopper(Stopper):
    """Has the next trial chosen as soon as all lanes are busy; ends the search on a stop signal.

    A stopper, for Tune asks it in every turn of its loop. For a callback Tune would import the MLflow integration
    (to count its use), while the tracker's thread imports MLflow too.
    """

    def __init__(
        self, conductor: SearchController, stop: DeferredStop, on_stop: Callable[[], None] = lambda: None
    ) -> None:
        self._conductor, self._stop, self._on_stop = conductor, stop, on_stop
        self._stopped = False

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        """The conductor decides that, see `ControllerScheduler`."""
        return False

    def stop_all(self) -> bool:
        """Called in every turn of Tune's loop. What a stop must record is recorded before Tune ends the lanes."""
        if not self._stop.asked:
            self._conductor.look_ahead()
            return False
        if not self._stopped:  # Tune asks again in each turn until its lanes have ended
            self._stopped = True
            self._conductor.stop("interrupted")
            self._on_stop()
        return True

    def __getstate__(self) -> dict[str, Any]:
        return {}
