"""Ray Tune's side of a search: a searcher and a scheduler that translate between Tune and the conductor."""

from __future__ import annotations

import dataclasses
from typing import Any

from pydantic import TypeAdapter
from ray.tune.experiment import Trial as TuneTrial
from ray.tune.schedulers import FIFOScheduler, TrialScheduler
from ray.tune.search import Searcher

from gluetune.records import Evaluated, TrialEnded
from gluetune.search.conductor import Conductor
from gluetune.trial import EVENT_KEY, ORDER_KEY

REPORT: TypeAdapter[Evaluated | TrialEnded] = TypeAdapter(Evaluated | TrialEnded)


class ConductedSearcher(Searcher):  # type: ignore[misc]
    """Asks the conductor for trials."""

    def __init__(self, conductor: Conductor) -> None:
        super().__init__()
        self._conductor = conductor

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:
        """The next order, ``FINISHED`` when there are no more, ``None`` when there is none yet."""
        order = self._conductor.deal()
        if order is None:
            return Searcher.FINISHED if self._conductor.exhausted else None
        return {ORDER_KEY: dataclasses.asdict(order)}

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        """Nothing: the scheduler hears of it first."""

    def save(self, checkpoint_path: str) -> None:
        """Nothing: the journal is the state."""

    def restore(self, checkpoint_path: str) -> None:
        """Nothing, see `save`."""

    def __getstate__(self) -> dict[str, Any]:
        return {}  # Tune pickles its configuration beside its own snapshots, which nobody reads


class ConductedScheduler(FIFOScheduler):  # type: ignore[misc]
    """Tells the conductor every event and carries out what it decides."""

    def __init__(self, conductor: Conductor) -> None:
        super().__init__()
        self._conductor = conductor

    def on_trial_result(self, tune_controller: Any, trial: TuneTrial, result: dict[str, Any]) -> str:
        """Whether the trial goes on."""
        goes_on = self._conductor.heard(REPORT.validate_json(result[EVENT_KEY]))
        decision: str = TrialScheduler.CONTINUE if goes_on else TrialScheduler.STOP
        return decision

    def on_trial_error(self, tune_controller: Any, trial: TuneTrial) -> None:
        """The trial's actor died, and its retries are used up."""
        error = trial.get_error()
        self._conductor.end(trial.config[ORDER_KEY]["number"], "failed", str(error) if error else "its lane died")

    def __getstate__(self) -> dict[str, Any]:
        return {}
