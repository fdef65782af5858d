"""The confirmation of a search: its best configurations, and the default, trained again with fresh seeds on its lanes.

A search reports the best of many scores, each of one seed: part of such a score is luck. The scores of fresh seeds, on
rows that chose nothing, are free of it.
"""

from __future__ import annotations

import itertools
import logging
import time
from collections import defaultdict, deque
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import ray

from gluetune.config import ConfirmConfig, JobConfig, SearchSpace
from gluetune.errors import StorageError
from gluetune.events import (
    CONFIRMATION_FOLDER,
    SEED_CHECKPOINTS,
    ConfirmedConfiguration,
    EndStatus,
    Event,
    Journal,
    LaneEvent,
    Listener,
    SeedScored,
    TrialEnded,
    TrialRecord,
    TrialStarted,
    configuration_key,
    confirmed_configurations,
    seed_folder,
)
from gluetune.lanes import LaneError, LanePool, Lease, TrialAssignment, describe_deaths, resolve_event
from gluetune.search.searchers.sampler import derive_seed
from gluetune.search.trials import SearchStatus
from gluetune.storage import Storage
from gluetune.supervisor import DeferredStop, deferred_stop

logger = logging.getLogger(__name__)
_POLL_S = 0.2  # seconds that the driver waits for events before it looks for a stop signal


@dataclass(frozen=True, slots=True)
class SeedRun:
    """A configuration that is to be trained with one fresh seed.

    Attributes:
        configuration: the configuration.
        seed: the seed.
    """

    configuration: ConfirmedConfiguration
    seed: int

    @property
    def identity(self) -> tuple[str, str, int]:
        """Equal for runs that train the same."""
        return self.configuration.task, self.configuration.key, self.seed


def open_confirmation(storage: Storage) -> Journal:
    """Open the journal of a search's confirmation, for the process that holds the search's lock.

    Args:
        storage: the search's folder.

    Raises:
        StorageError: the journal is damaged, or a newer version of gluetune wrote it.
    """
    return Journal(storage.sub(CONFIRMATION_FOLDER))


def plan_confirmation(
    job: JobConfig, confirm: ConfirmConfig, space: SearchSpace, trials: Collection[TrialRecord]
) -> list[SeedRun]:
    """Choose the configurations of all tasks, and their seeds.

    Runs are in the order of their seeds: what is interrupted has about as many seeds of each configuration.

    Args:
        job: the search's job.
        confirm: how many configurations and seeds.
        space: the search space.
        trials: the trials of the search.
    """
    searched = {trial.seed for trial in trials}
    chosen = [
        [SeedRun(each, seed) for seed in fresh_seeds(job.seed, each, confirm.seeds, searched)]
        for task in job.tasks
        for each in confirmed_configurations(trials, task, space, job.training, confirm.top)
    ]
    return [run for turn in zip(*chosen, strict=True) for run in turn]


def fresh_seeds(seed: int, configuration: ConfirmedConfiguration, count: int, searched: Collection[int]) -> list[int]:
    """Derive the seeds of a configuration: the same for equal arguments, and the first ones of a larger ``count``.

    Args:
        seed: the job's seed.
        configuration: the configuration.
        count: number of seeds.
        searched: the seeds of the search's trials, none of which is used again.
    """
    name = f"{configuration.task} {configuration.key}"
    derived = (derive_seed(seed, name, number) for number in itertools.count())
    fresh: dict[int, None] = {}
    while len(fresh) < count:
        candidate = next(derived)
        if candidate not in searched:
            fresh[candidate] = None
    return list(fresh)


@dataclass
class Confirmation:
    """Trains the runs of a confirmation on lanes, and records their events in its journal.

    A run that has diverged, run out of memory or failed is a result. A run whose lane has died goes on, from its
    checkpoint, on another one.

    Attributes:
        journal: the confirmation's journal; runs that it holds are continued, and ended ones not trained again.
        pool: leases the lanes.
        lanes: number of runs that are trained at the same time.
        storage: the search's folder.
        workload: reference to the `gluetune.workloads.seed_confirmation.SeedConfirmation` in Ray's object store.
        listeners: receive every event after it was written.
        on_stop: called when a stop signal ends the confirmation, as soon as its runs are recorded as stopped.
        spent_limit: returns the limit of the search's budget that is spent; empty while there is none.
        stops: returns whether a request of another process stops it.
    """

    journal: Journal
    pool: LanePool
    lanes: int
    storage: Storage
    workload: Any
    listeners: Collection[Listener] = ()
    on_stop: Callable[[], None] = lambda: None
    spent_limit: Callable[[], str] = lambda: ""
    stops: Callable[[], bool] = lambda: False
    _running: dict[Any, tuple[TrialRecord, Lease]] = field(default_factory=dict, init=False)  # by requested event
    _waiting: deque[TrialRecord | SeedRun] = field(default_factory=deque, init=False)
    _deaths: dict[int, list[str]] = field(default_factory=lambda: defaultdict(list), init=False)

    def run(self, runs: Iterable[SeedRun]) -> SearchStatus:
        """Train and score all runs that have not ended.

        Args:
            runs: the runs of `plan_confirmation`.

        Returns:
            ``complete`` where all have ended, ``interrupted`` after a stop signal, ``out_of_budget`` where the budget
            was spent before.

        Raises:
            StorageError: the search's folder cannot be written any more.
        """
        self._waiting = deque(self._left(runs))
        with deferred_stop() as stop:
            try:
                while self._waiting or self._running:
                    if stop.requested or self.stops():
                        self._stop(SearchStatus.INTERRUPTED)
                        self.on_stop()
                        return SearchStatus.INTERRUPTED
                    if limit := self.spent_limit():
                        logger.info(f"the confirmation ends here: search.budget.{limit} is spent")
                        self._stop(SearchStatus.OUT_OF_BUDGET)
                        return SearchStatus.OUT_OF_BUDGET
                    self._step(stop)
            finally:
                for _, lease in self._running.values():
                    self.pool.release(lease)
                self._running.clear()
        self.storage.delete(SEED_CHECKPOINTS)  # what a kill has left, and runs that are not among the best any more
        return SearchStatus.COMPLETE

    def _left(self, runs: Iterable[SeedRun]) -> Iterator[TrialRecord | SeedRun]:
        """Yield the runs that have not ended; those that have begun as their records."""
        known = {
            (trial.task, configuration_key(trial.training, trial.model), trial.seed): trial
            for trial in self.journal.trials.values()
        }
        for run in runs:
            trial = known.get(run.identity)
            if trial is None:
                yield run
            elif trial.scored is not None and not trial.status.final:  # the end was not written any more
                self._end(trial, "finished")
            elif not trial.status.final:
                yield trial

    def _step(self, stop: DeferredStop) -> None:
        while self._waiting and len(self._running) < self.lanes and not stop.requested:
            waiting = self._waiting.popleft()
            self._lease(waiting if isinstance(waiting, TrialRecord) else self._start(waiting))
        requests = list(self._running)
        for request in ray.wait(requests, num_returns=1, timeout=_POLL_S)[0] if requests else ():
            self._handle(request)

    def _start(self, run: SeedRun) -> TrialRecord:
        chosen = run.configuration
        started = TrialStarted(
            time=time.time(),
            number=max(self.journal.trials, default=-1) + 1,
            task=chosen.task,
            params=chosen.params,
            training=chosen.training | {"seed": run.seed},
            seed=run.seed,
            confirms=chosen.trial,
        )
        return self._record(started)

    def _lease(self, trial: TrialRecord) -> None:
        assignment = TrialAssignment.from_record(trial, self.workload)
        lease = self.pool.lease(replace(assignment, folder=seed_folder(trial)))
        self._running[lease.request_event()] = trial, lease

    def _handle(self, request: Any) -> None:
        trial, lease = self._running.pop(request)
        try:
            event = resolve_event(request)
            if event is None:
                raise LaneError("its lane was closed")
        except LaneError as error:
            self._deaths[trial.number].append(self.pool.death_reason(lease) or str(error))
            self.pool.release(lease)
            self._try_again(trial)
            return
        if self._goes_on(trial, event):
            self._running[lease.request_event()] = trial, lease
        else:
            self.pool.release(lease)

    def _try_again(self, trial: TrialRecord) -> None:
        deaths = self._deaths[trial.number]
        if len(deaths) <= self.pool.max_failures:
            self._waiting.appendleft(trial)
        else:
            self._end(trial, "failed", describe_deaths("its lane", deaths))

    def _goes_on(self, trial: TrialRecord, event: LaneEvent) -> bool:
        """Record an event; return whether its run continues."""
        if isinstance(event, SeedScored):
            self._record(event, _ended(trial, "finished"))
            self._delete_checkpoints(trial)
            return False
        if not isinstance(event, TrialEnded):
            self._record(event)
            return True
        if event.status == "stopped":  # lanes report this when they cannot write the files of a run
            self._record(event)
            raise StorageError(event.message)
        if event.status == "finished":  # without scores, which a lane reports before its run ends
            event = event.model_copy(update={"status": "failed", "message": "its lane has reported no scores"})
        self._record(event)
        self._delete_checkpoints(trial)
        return False

    def _stop(self, status: SearchStatus) -> None:
        for trial, _ in self._running.values():
            self._record(_ended(trial, "stopped", status.value.replace("_", " ")))

    def _end(self, trial: TrialRecord, status: EndStatus, message: str = "") -> None:
        self._record(_ended(trial, status, message))
        self._delete_checkpoints(trial)

    def _record(self, *events: Event) -> TrialRecord:
        trial = self.journal.append(*events)
        for event, listener in itertools.product(events, self.listeners):
            listener.on_event(event, trial)
        return trial

    def _delete_checkpoints(self, trial: TrialRecord) -> None:
        """Delete the checkpoints of a run that has ended: its scores and outputs are kept."""
        self.storage.delete(seed_folder(trial))


def _ended(trial: TrialRecord, status: EndStatus, message: str = "") -> TrialEnded:
    return TrialEnded(time=time.time(), number=trial.number, status=status, message=message)
