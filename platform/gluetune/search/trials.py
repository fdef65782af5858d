"""A search's trials: Tuner, searcher, scheduler and lanes, until the conductor has no more of them."""

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
from gluetune.search.tune import ControllerScheduler, ControllerSearcher, PrefetchStopper
from gluetune.supervisor import deferred_stop

ASKED_ONCE = ("get_trainable_cls", "validate_trainable")  # of Ray's


class SearchStatus(StrEnum):
    """How a search ended. Only a complete one has all its trials."""

    COMPLETE = "complete"
    OUT_OF_TIME = "out_of_time"
    INTERRUPTED = "interrupted"
    FAILED = "failed"  # no trial could be evaluated


def run_trials(
    conductor: SearchController,
    spec: LaneSpec,
    search: SearchConfig,
    lanes: int,
    early: PrestartedLanes | None = None,
    on_stop: Callable[[], None] = lambda: None,
) -> SearchStatus:
    """Runs trials on a connected cluster until all are done, the time is up, or somebody interrupts.

    Args:
        conductor: deals them and hears of them.
        spec: what each lane is made of.
        search: the time that there is, and how often a trial may lose its lane.
        lanes: trials that run at the same time.
        early: lanes that have started already.
        on_stop: called where a stop signal ends the search, before its lanes are ended, which takes seconds.

    Raises:
        UserError: the conductor found that the search cannot go on.
    """
    started = time.monotonic()
    if early is not None:
        early.trim(lanes)
    with tempfile.TemporaryDirectory(prefix="gluetune-tune-") as scratch:
        try:
            with _tune_adjusted(), _taking(early, spec), deferred_stop() as stop:
                _tuner(conductor, spec, search, lanes, scratch, PrefetchStopper(conductor, stop, on_stop)).fit()
        except Exception:  # Tune wraps what its callbacks raise
            if conductor.broken is None:
                raise
            raise conductor.broken from None
        finally:
            if early is not None:
                early.shutdown()
            # Tune kills lanes that are slow to end, and their room is needed to score the winners
            release_all_placement_groups()
    if stop.asked:
        conductor.stop(SearchStatus.INTERRUPTED.value)  # where it came while Tune was ending
        return SearchStatus.INTERRUPTED
    if conductor.exhausted and not conductor.dealt:
        return SearchStatus.COMPLETE
    out_of_time = search.time_budget_s is not None and time.monotonic() - started >= search.time_budget_s
    ending = SearchStatus.OUT_OF_TIME if out_of_time else SearchStatus.INTERRUPTED
    conductor.stop(ending.value.replace("_", " "))
    return ending


@contextmanager
def _tune_adjusted() -> Iterator[None]:
    """Ray Tune for one search, of which a process runs one at a time.

    For each trial it looks three times into the cluster's control store for the one class that it runs: once will do.
    And it gives trials an environment: with none they run in processes that Ray has started already.
    """
    functions = {name: getattr(experiment_trial, name) for name in ASKED_ONCE}
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
def _taking(early: PrestartedLanes | None, spec: LaneSpec) -> Iterator[None]:
    """Has Ray Tune take early lanes, as long as there are any, where it would make new actors."""
    if early is None:
        yield
        return
    replaced: Any = class_cache._ActorClassCache
    original = replaced.get

    def get(cache: Any, trainable: type) -> Any:
        kind = original(cache, trainable)
        make = type(kind)._remote

        def acquire(args: Any = None, kwargs: Any = None, **options: Any) -> Any:
            return early.acquire(spec, kwargs) or make(kind, args=args, kwargs=kwargs, **options)

        kind._remote = acquire
        return kind

    replaced.get = get
    try:
        yield
    finally:
        replaced.get = original


def _tuner(
    conductor: SearchController,
    spec: LaneSpec,
    search: SearchConfig,
    lanes: int,
    scratch: str,
    stopper: PrefetchStopper,
) -> tune.Tuner:
    return tune.Tuner(
        tune.with_resources(tune.with_parameters(LaneTrainable, spec=spec), lane_actor_resources()),
        tune_config=tune.TuneConfig(
            search_alg=ControllerSearcher(conductor),
            scheduler=ControllerScheduler(conductor),
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
            checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),  # trials keep their own on the storage
        ),
    )
