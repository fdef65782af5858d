"""A search, put together: data, conductor, trials, winners."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import ray

from gluetune.cluster import Resources
from gluetune.config import JobConfig, SearchSpace
from gluetune.errors import AllTrialsFailedError
from gluetune.events import LANE_FILES, Journal, Listener, TrialStatus, winners
from gluetune.lanes import LaneSpec
from gluetune.lanes.prestart import PrestartedLanes, lane_spec
from gluetune.search.controller import SearchController
from gluetune.search.prepare import SearchInputs
from gluetune.search.retention import CheckpointRetention
from gluetune.search.schedulers import TaskPruners
from gluetune.search.searchers import TrialSampler
from gluetune.search.trials import SearchStatus, run_trials
from gluetune.search.winners import score_winners
from gluetune.storage import Storage
from gluetune.workloads.fine_tuning import FineTuning


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
        early: lanes that have started already.
    """

    job: JobConfig
    space: SearchSpace
    storage: Storage
    journal: Journal
    prepared: SearchInputs
    resources: Resources
    dealer: TrialSampler
    pruners: TaskPruners
    early: PrestartedLanes

    def run(self, listeners: Iterable[Listener], on_stop: Callable[[], None] = lambda: None) -> SearchStatus:
        """Runs trials until all are done, the time is up, or somebody interrupts; then scores the winners.

        Args:
            listeners: get every event after it was written.
            on_stop: called where a stop signal ends the search, as soon as its trials are marked as stopped.

        Raises:
            AllTrialsFailedError: all trials failed, or the first few did.
            StorageError: the search's folder cannot be written any more; trials in work are left to a resume.
        """
        retention = CheckpointRetention(self.storage, self.job.storage.keep_checkpoints, self.journal.trials.values())
        conductor = SearchController(
            self.journal, self.dealer, self.pruners, retention, listeners, self.job.lanes.lanes
        )
        work = FineTuning(
            {task: ray.put(data) for task, data in self.prepared.data.items()}, ray.put(self.prepared.encoder)
        )
        spec = lane_spec(self.job, self.resources, self.storage, work)
        ending = run_trials(conductor, spec, self.job.search, self.job.lanes.lanes, self.early, on_stop)
        self.storage.delete(LANE_FILES)
        self._check(conductor)
        if ending is not SearchStatus.INTERRUPTED:
            self._score(conductor, spec, work)
        return ending

    def _check(self, conductor: SearchController) -> None:
        trials = self.journal.trials.values()
        failed = [trial for trial in trials if trial.status is TrialStatus.FAILED]
        if conductor.broken:
            raise conductor.broken
        if failed and len(failed) == len(trials):
            raise AllTrialsFailedError(f"all trials failed, the last one so:\n{failed[-1].message}")

    def _score(self, conductor: SearchController, spec: LaneSpec, work: FineTuning) -> None:
        unscored = [
            trial
            for trial in winners(self.journal.trials.values(), self.job.tasks)
            if trial.winner is None or not trial.winner.scores
        ]  # a run told not to score saves all the same
        for event in score_winners(spec, work, self.prepared.tokenizer, self.prepared.text, unscored):
            conductor.record(event)
