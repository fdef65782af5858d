"""The trials of a search, run by Ray Tune on leased lanes until the controller has no more of them."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum

from ray import tune

from gluetune.cluster import take_snapshot, trainable_resources
from gluetune.config import SearchConfig
from gluetune.lanes import LanePool
from gluetune.search.controller import SearchController
from gluetune.search.trainable import LaneTrainable
from gluetune.search.tune_adapters import ControllerScheduler, ControllerSearcher, LeasedTrials, PrefetchStopper
from gluetune.supervisor import deferred_stop

_MAX_PENDING = "TUNE_MAX_PENDING_TRIALS_PG"  # of Ray Tune: Trainables that start at the same time, 1 by default


class SearchStatus(StrEnum):
    """How a search ended. Only a complete one has run all its trials."""

    COMPLETE = "complete"
    OUT_OF_TIME = "out_of_time"
    INTERRUPTED = "interrupted"
    FAILED = "failed"  # no trial could be evaluated


def run_trials(
    controller: SearchController,
    pool: LanePool,
    search: SearchConfig,
    lanes: int,
    on_stop: Callable[[], None] = lambda: None,
) -> SearchStatus:
    """Run trials on the connected cluster until all are done, the time is up, or a stop signal comes.

    Args:
        controller: chooses the trials and handles their events.
        pool: leases a lane to each trial; its lanes live on afterwards.
        search: the time budget, and how often a trial may lose its lane.
        lanes: number of trials that run at the same time.
        on_stop: called when a stop signal ends the search, before Tune ends its trials, which takes seconds.

    Returns:
        How the search ended.

    Raises:
        UserError: the search cannot continue, `SearchController.fatal_error`.
    """
    with tempfile.TemporaryDirectory(prefix="gluetune-tune-") as scratch, _starting_at_once(lanes):
        try:
            with deferred_stop() as stop:
                stopper = PrefetchStopper(controller, pool, stop, search.time_budget_s, on_stop)
                trials = LeasedTrials(controller, pool, search.max_failures)
                _tuner(controller, trials, search, lanes, scratch, stopper).fit()
        except Exception:  # Tune wraps what its callbacks raise
            if controller.fatal_error is None:
                raise
            raise controller.fatal_error from None
        finally:
            pool.release_all()
    if stop.requested:
        controller.stop(SearchStatus.INTERRUPTED.value)  # trials that started while Tune was ending
        return SearchStatus.INTERRUPTED
    if controller.exhausted and not controller.in_flight:
        return SearchStatus.COMPLETE
    status = SearchStatus.OUT_OF_TIME if stopper.out_of_time else SearchStatus.INTERRUPTED
    controller.stop(status.value.replace("_", " "))
    return status


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


def _tuner(
    controller: SearchController,
    trials: LeasedTrials,
    search: SearchConfig,
    lanes: int,
    scratch: str,
    stopper: PrefetchStopper,
) -> tune.Tuner:
    return tune.Tuner(
        tune.with_resources(LaneTrainable, trainable_resources(take_snapshot())),
        tune_config=tune.TuneConfig(
            search_alg=ControllerSearcher(controller, trials),
            scheduler=ControllerScheduler(controller, trials),
            num_samples=-1,
            max_concurrent_trials=lanes,
            reuse_actors=True,
            trial_dirname_creator=lambda trial: trial.trial_id,
        ),
        run_config=tune.RunConfig(
            name="tune",
            storage_path=scratch,
            verbose=0,
            stop=stopper,
            failure_config=tune.FailureConfig(max_failures=search.max_failures),
            checkpoint_config=tune.CheckpointConfig(
                checkpoint_at_end=False
            ),  # lanes write the trials' checkpoints themselves
        ),
    )
