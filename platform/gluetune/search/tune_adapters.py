"""Ray Tune's side of a search: searcher, scheduler and stopper, which translate between Tune and the controller.

Ray Tune, whose import takes more than a second, is imported here and in `gluetune.search.trainable` only.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from ray import tune
from ray.tune import Stopper
from ray.tune.experiment import Trial as TuneTrial
from ray.tune.schedulers import FIFOScheduler, TrialScheduler
from ray.tune.search import Searcher

from gluetune.cluster import take_snapshot, trainable_resources
from gluetune.config import SearchConfig
from gluetune.search.controller import SearchController
from gluetune.search.leased_trials import LeasedTrials
from gluetune.search.trainable import LaneTrainable, numbered_event, trial_config

_MAX_PENDING = "TUNE_MAX_PENDING_TRIALS_PG"  # of Ray Tune: Trainables that start at the same time, 1 by default


class ControllerSearcher(Searcher):
    """Gives Ray Tune the controller's trials.

    Args:
        controller: chooses them.
        trials: gives them to lanes.
        resources: what each trial's Trainable requests of Ray.
    """

    def __init__(self, controller: SearchController, trials: LeasedTrials, resources: dict[str, float]) -> None:
        super().__init__()
        self._controller, self._trials, self._resources = controller, trials, resources

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:  # type: ignore[override]  # Ray's hint lacks FINISHED
        """Return the next trial as a Tune configuration.

        Returns:
            The configuration; ``FINISHED`` where all trials have ended and there are no more, ``None`` where there is
            none yet: a request may add some while the last ones run.
        """
        lease = self._trials.start(trial_id)
        if lease is None:
            return Searcher.FINISHED if self._controller.exhausted and not self._controller.in_flight else None
        return trial_config(lease.lane, lease.assignment_id, self._resources)

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
        trials: has events handled, and gives trials to lanes again after their lane died.
        resources: what each trial's Trainable requests of Ray.
    """

    def __init__(self, trials: LeasedTrials, resources: dict[str, float]) -> None:
        super().__init__()
        self._trials, self._resources = trials, resources

    def choose_trial_to_run(self, tune_controller: Any) -> TuneTrial | None:
        """Return ``None``, with which Ray Tune starts pending trials in the order of their creation.

        To a trial that this method returns, Ray Tune gives the Trainable of a trial that has just ended, and kills the
        one that is starting for it. The next new trial then has none: with short trials, each start of a Trainable
        would be wasted.
        """
        return None

    def on_trial_result(self, tune_controller: Any, trial: TuneTrial, result: dict[str, Any]) -> str:
        """Pass the event in a result to the controller and return Tune's decision for the trial."""
        continues = self._trials.handle(trial.trial_id, *numbered_event(result))
        decision: str = TrialScheduler.CONTINUE if continues else TrialScheduler.STOP
        return decision

    def on_trial_error(self, tune_controller: Any, trial: TuneTrial) -> None:
        """Give a trial to a lane again, after its lane or Trainable died. Tune then restarts it, or gives it up."""
        lease = self._trials.retry(trial.trial_id, str(trial.get_error() or ""))
        if lease is not None:
            trial.set_config(trial_config(lease.lane, lease.assignment_id, self._resources))

    def __getstate__(self) -> dict[str, Any]:
        return {}


class ControllerStopper(Stopper):
    """Ends Ray Tune's experiment when the search has ended, and has the driver's own events handled.

    It is a stopper because Tune calls `stop_all` in every turn of its loop. With a callback instead, Tune would import
    its MLflow integration, to count its use, while the tracker's thread imports MLflow too.

    Args:
        trials: the trials, some of whose events the driver fetches.
        ended: whether the search has ended.
    """

    def __init__(self, trials: LeasedTrials, ended: Callable[[], bool]) -> None:
        self._trials, self._ended = trials, ended

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        """Return ``False``: `ControllerScheduler` stops single trials."""
        return False

    def stop_all(self) -> bool:
        """Return whether the search has ended."""
        self._trials.handle_requested_events()
        return self._ended()

    def __getstate__(self) -> dict[str, Any]:
        return {}


def run_tune(
    controller: SearchController,
    trials: LeasedTrials,
    search: SearchConfig,
    lanes: int,
    ended: Callable[[], bool],
) -> None:
    """Run trials by Ray Tune until the controller has no more of them, or the search ends.

    Args:
        controller: the search.
        trials: gives its trials to lanes; those that run already are taken over.
        search: how often a trial may lose its lane.
        lanes: number of trials that run at the same time.
        ended: whether the search has ended; called in every turn of Tune's loop.
    """
    resources = trainable_resources(take_snapshot())
    with tempfile.TemporaryDirectory(prefix="gluetune-tune-") as scratch, _starting_at_once(lanes):
        tune.Tuner(
            LaneTrainable,
            tune_config=tune.TuneConfig(
                search_alg=ControllerSearcher(controller, trials, resources),
                scheduler=ControllerScheduler(trials, resources),
                num_samples=-1,
                max_concurrent_trials=lanes,
                reuse_actors=True,
                trial_dirname_creator=lambda trial: trial.trial_id,
            ),
            run_config=tune.RunConfig(
                name="tune",
                storage_path=scratch,
                verbose=0,
                stop=ControllerStopper(trials, ended),
                failure_config=tune.FailureConfig(max_failures=search.max_failures),
                checkpoint_config=tune.CheckpointConfig(
                    checkpoint_at_end=False
                ),  # lanes write the trials' checkpoints themselves
            ),
        ).fit()


@contextmanager
def _starting_at_once(lanes: int) -> Iterator[None]:
    """Let Ray Tune start the Trainables of all lanes at once. By default it starts the next when one has started."""
    before = os.environ.get(_MAX_PENDING)
    os.environ.setdefault(_MAX_PENDING, str(max(1, lanes)))
    try:
        yield
    finally:
        if before is None:
            del os.environ[_MAX_PENDING]
