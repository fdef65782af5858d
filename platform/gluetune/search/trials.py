"""The trials of a search, run by Ray Tune on lanes until the controller has no more of them."""

from __future__ import annotations

import functools
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import Any

from ray import tune
from ray.tune.execution import class_cache
from ray.tune.experiment import trial as experiment_trial

from gluetune.cluster import lane_actor_resources
from gluetune.config import SearchConfig
from gluetune.lanes import LaneSpec
from gluetune.lanes.prestart import PrestartedLanes
from gluetune.lanes.trainable import LaneTrainable
from gluetune.lanes.worker_group import release_all_placement_groups
from gluetune.search.controller import SearchController
from gluetune.search.tune_adapters import ControllerScheduler, ControllerSearcher, PrefetchStopper
from gluetune.supervisor import deferred_stop

CACHED_FUNCTIONS = ("get_trainable_cls", "validate_trainable")  # of `ray.tune.experiment.trial`


class SearchStatus(StrEnum):
    """How a search ended. Only a complete one has run all its trials."""

    COMPLETE = "complete"
    OUT_OF_TIME = "out_of_time"
    INTERRUPTED = "interrupted"
    FAILED = "failed"  # no trial could be evaluated


def run_trials(
    controller: SearchController,
    spec: LaneSpec,
    search: SearchConfig,
    lanes: int,
    prestarted: PrestartedLanes | None = None,
    on_stop: Callable[[], None] = lambda: None,
) -> SearchStatus:
    """Run trials on the connected cluster until all are done, the time is up, or a stop signal comes.

    Args:
        controller: chooses the trials and handles their events.
        spec: the resources and the workload of each lane.
        search: the time budget, and how often a trial may lose its lane.
        lanes: number of trials that run at the same time.
        prestarted: lanes that have started already.
        on_stop: called when a stop signal ends the search, before its lanes are ended, which takes seconds.

    Returns:
        How the search ended.

    Raises:
        UserError: the search cannot continue, `SearchController.fatal_error`.
    """
    started = time.monotonic()
    if prestarted is not None:
        prestarted.trim(lanes)
    with tempfile.TemporaryDirectory(prefix="gluetune-tune-") as scratch:
        try:
            with _patched_tune(), _adopt_prestarted(prestarted, spec), deferred_stop() as stop:
                _tuner(controller, spec, search, lanes, scratch, PrefetchStopper(controller, stop, on_stop)).fit()
        except Exception:  # Tune wraps what its callbacks raise
            if controller.fatal_error is None:
                raise
            raise controller.fatal_error from None
        finally:
            if prestarted is not None:
                prestarted.shutdown()
            # Tune kills lanes that are slow to end, and their resources are needed to score the winners.
            release_all_placement_groups()
    if stop.requested:
        controller.stop(SearchStatus.INTERRUPTED.value)  # trials that started while Tune was ending
        return SearchStatus.INTERRUPTED
    if controller.exhausted and not controller.in_flight:
        return SearchStatus.COMPLETE
    out_of_time = search.time_budget_s is not None and time.monotonic() - started >= search.time_budget_s
    status = SearchStatus.OUT_OF_TIME if out_of_time else SearchStatus.INTERRUPTED
    controller.stop(status.value.replace("_", " "))
    return status


@contextmanager
def _patched_tune() -> Iterator[None]:
    """Patch Ray Tune for one search; a process runs one search at a time.

    For each trial Tune looks up the one class that it runs three times in the cluster's control store: the patch caches
    the result. And Tune gives trials environment variables: without them their actors can run in processes that Ray has
    started already.
    """
    functions = {name: getattr(experiment_trial, name) for name in CACHED_FUNCTIONS}
    environment = dict(class_cache.DEFAULT_ENV_VARS)
    for name, function in functions.items():
        setattr(experiment_trial, name, functools.cache(function))
    class_cache.DEFAULT_ENV_VARS.clear()
    try:
        yield
    finally:
        for name, function in functions.items():
            setattr(experiment_trial, name, function)
        class_cache.DEFAULT_ENV_VARS.update(environment)


@contextmanager
def _adopt_prestarted(prestarted: PrestartedLanes | None, spec: LaneSpec) -> Iterator[None]:
    """Make Ray Tune use prestarted lanes, as long as there are any, where it would create actors."""
    if prestarted is None:
        yield
        return
    replaced: Any = class_cache._ActorClassCache
    original = replaced.get

    def get(cache: Any, trainable: type) -> Any:
        actor_class = original(cache, trainable)
        create = type(actor_class)._remote

        def acquire(args: Any = None, kwargs: Any = None, **options: Any) -> Any:
            return prestarted.acquire(spec, kwargs) or create(actor_class, args=args, kwargs=kwargs, **options)

        actor_class._remote = acquire
        return actor_class

    replaced.get = get
    try:
        yield
    finally:
        replaced.get = original


def _tuner(
    controller: SearchController,
    spec: LaneSpec,
    search: SearchConfig,
    lanes: int,
    scratch: str,
    stopper: PrefetchStopper,
) -> tune.Tuner:
    return tune.Tuner(
        tune.with_resources(tune.with_parameters(LaneTrainable, spec=spec), lane_actor_resources()),
        tune_config=tune.TuneConfig(
            search_alg=ControllerSearcher(controller),
            scheduler=ControllerScheduler(controller),
            num_samples=-1,
            max_concurrent_trials=lanes,
            time_budget_s=search.time_budget_s,
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
