"""A search, put together: Tuner, searcher, scheduler, lanes, journal."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

import ray
from ray import tune

from gluetune.config import JobConfig, SearchSpace
from gluetune.errors import ClusterError
from gluetune.lane import FineTuning, LaneSpec
from gluetune.records import Journal, Listener, TrialStatus, winners
from gluetune.schedulers import TaskPruners
from gluetune.search.cluster import Resources, trial_resources
from gluetune.search.conductor import Conductor
from gluetune.search.prepare import Prepared
from gluetune.search.retention import Retention
from gluetune.search.tune import ConductedScheduler, ConductedSearcher, LookAhead
from gluetune.search.winners import score_winners
from gluetune.searchers import Dealer
from gluetune.storage import Storage
from gluetune.trial import Trial

LANE_FILES = "lanes"


class Ending(StrEnum):
    """How a search ended. Only a complete one has all its trials."""

    COMPLETE = "complete"
    OUT_OF_TIME = "out_of_time"
    INTERRUPTED = "interrupted"


@dataclass
class Search:
    """One search on a connected Ray cluster.

    Attributes:
        job: what is searched.
        space: its search space.
        storage: the search's folder.
        journal: its journal; a resumed search's holds what happened before.
        prepared: encoder and data.
        resources: of one worker.
        dealer: deals its trials.
        pruners: prune its trials.
    """

    job: JobConfig
    space: SearchSpace
    storage: Storage
    journal: Journal
    prepared: Prepared
    resources: Resources
    dealer: Dealer
    pruners: TaskPruners

    def run(self, listeners: Iterable[Listener]) -> Ending:
        """Runs trials until all are done, the time is up, or somebody interrupts; then scores the winners.

        Raises:
            ClusterError: no lane could be started, or every trial failed.
            StorageError: the search's folder cannot be written any more; trials in work are left to a resume.
        """
        retention = Retention(self.storage, self.job.storage.keep_checkpoints, self.journal.trials.values())
        conductor = Conductor(self.journal, self.dealer, self.pruners, retention, listeners,
                              self.job.lanes.lanes)
        work = FineTuning({task: ray.put(data) for task, data in self.prepared.data.items()},
                          ray.put(self.prepared.encoder))
        spec = self._spec(work)
        ending = self._tune(conductor, spec)
        self.storage.delete(LANE_FILES)
        self._check(conductor)
        if ending is not Ending.INTERRUPTED:
            self._score(conductor, spec, work)
        return ending

    def _check(self, conductor: Conductor) -> None:
        trials = self.journal.trials.values()
        failed = [trial for trial in trials if trial.status is TrialStatus.FAILED]
        if conductor.broken:
            raise conductor.broken
        if failed and len(failed) == len(trials):
            raise ClusterError(f"all trials failed, the last one so:\n{failed[-1].message}")

    def _spec(self, work: FineTuning) -> LaneSpec:
        lanes = self.job.lanes
        return LaneSpec(
            workers=lanes.workers_per_lane, cpus=self.resources.cpus, gpus=self.resources.gpus,
            placement_strategy=lanes.placement_strategy,
            work=work, storage=self.storage, max_failures=self.job.search.max_failures,
        )

    def _tune(self, conductor: Conductor, spec: LaneSpec) -> Ending:
        budget, started = self.job.search.time_budget_s, time.monotonic()
        with tempfile.TemporaryDirectory(prefix="gluetune-tune-") as scratch:
            tuner = tune.Tuner(
                tune.with_resources(tune.with_parameters(Trial, spec=spec), trial_resources()),
                tune_config=tune.TuneConfig(
                    search_alg=ConductedSearcher(conductor), scheduler=ConductedScheduler(conductor), num_samples=-1,
                    max_concurrent_trials=self.job.lanes.lanes, time_budget_s=budget,
                    reuse_actors=True, trial_dirname_creator=lambda trial: trial.trial_id,
                ),
                run_config=tune.RunConfig(
                    name="tune", storage_path=scratch, verbose=0, callbacks=[LookAhead(conductor)],
                    failure_config=tune.FailureConfig(max_failures=self.job.search.max_failures),
                ),
            )
            try:
                tuner.fit()
            except Exception:  # Tune wraps what its callbacks raise
                if conductor.broken is None:
                    raise
                raise conductor.broken from None
        if conductor.exhausted and not conductor.dealt:
            return Ending.COMPLETE
        out_of_time = budget is not None and time.monotonic() - started >= budget
        ending = Ending.OUT_OF_TIME if out_of_time else Ending.INTERRUPTED
        conductor.stop(ending.value.replace("_", " "))
        return ending

    def _score(self, conductor: Conductor, spec: LaneSpec, work: FineTuning) -> None:
        unscored = [trial for trial in winners(self.journal.trials.values(), self.job.tasks)
                    if trial.winner is None or not trial.winner.scores]  # a run told not to score saves all the same
        for event in score_winners(spec, work, self.prepared.tokenizer, unscored):
            conductor.record(event)
