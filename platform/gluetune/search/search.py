"""One search on a connected Ray cluster: its trials, the evaluation of its winners, and their confirmation."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import ray

from gluetune.cluster import Resources
from gluetune.config import BudgetConfig, JobConfig, SearchSpace
from gluetune.errors import AllTrialsFailedError, StorageError
from gluetune.events import (
    LANE_FILES,
    Journal,
    Listener,
    SearchEvent,
    SearchPlan,
    TrialRecord,
    TrialStatus,
    WinnerEvaluated,
    search_costs,
    winner_folder,
    winners,
)
from gluetune.lanes import LanePool
from gluetune.lanes.pool import SHUTDOWN_TIMEOUT_S
from gluetune.lanes.prestart import lane_spec
from gluetune.search.confirmation import Confirmation, plan_confirmation
from gluetune.search.controller import CheckpointRetention, SearchController
from gluetune.search.model_card import CardInputs, write_model_card
from gluetune.search.prepare import SearchInputs
from gluetune.search.request_handler import RequestHandler
from gluetune.search.schedulers import TaskPruners
from gluetune.search.searchers import TrialSampler
from gluetune.search.session_meter import SessionMeter
from gluetune.search.stop_rule import StopRule
from gluetune.search.trials import SearchStatus, run_trials
from gluetune.search.winners import LOCAL_SCORING_MAX_ROWS, needs_selection_scores, score_winners
from gluetune.storage import Storage
from gluetune.workloads.final_model import FinalModel
from gluetune.workloads.fine_tuning import FineTuning
from gluetune.workloads.seed_confirmation import SeedConfirmation
from gluetune.workloads.winner_scoring import WinnerScoring


@dataclass(frozen=True)
class SearchListeners:
    """What receives the events of a search and of its confirmation, each after it was written.

    Attributes:
        trials: receive the events of the search's trials.
        on_search_event: receives the events of the whole search.
        confirmation: receive the events of the confirmation's trials.
        on_confirmation_event: receives the start and the end of a session of the confirmation.
        on_stop: called when a stop signal ends the search, as soon as its trials are recorded as stopped.
    """

    trials: Collection[Listener] = ()
    on_search_event: Callable[[SearchEvent], None] = lambda _: None
    confirmation: Collection[Listener] = ()
    on_confirmation_event: Callable[[SearchEvent], None] = lambda _: None
    on_stop: Callable[[], None] = lambda: None


@dataclass
class Search:
    """One search.

    Attributes:
        job: the job, with a number for ``lanes.max_concurrent_trials``.
        plan: its plan.
        space: its search space.
        storage: the search's folder.
        journal: its journal; that of a resumed search holds its earlier events.
        prepared: encoder and data.
        resources: CPUs and GPUs of one worker.
        sampler: chooses its trials.
        pruners: decide which of its trials continue.
        pool: its lanes, some of which may have started already.
        requests: handles the requests of other processes.
        confirmation: the journal of its confirmation; ``None`` where nothing is confirmed.
    """

    job: JobConfig
    plan: SearchPlan
    space: SearchSpace
    storage: Storage
    journal: Journal
    prepared: SearchInputs
    resources: Resources
    sampler: TrialSampler
    pruners: TaskPruners
    pool: LanePool
    requests: RequestHandler
    confirmation: Journal | None = None

    @cached_property
    def meter(self) -> SessionMeter:
        """What the search spends, with what its earlier sessions and confirmations spent."""
        return SessionMeter(
            self.job.search.budget,
            self.job.lanes,
            self.resources,
            self.journal.history,
            lambda: self.pool.held_since,
            before=search_costs(self.confirmation.history).spent if self.confirmation else None,
        )

    def _confirmation_meter(self, confirmation: Journal, *, capped: bool) -> SessionMeter:
        """Measure a confirmation, whose lanes are its own where no search ran before it."""
        return SessionMeter(
            self.job.search.budget if capped else BudgetConfig(),
            self.job.lanes,
            self.resources,
            confirmation.history,
            (lambda: None) if capped else (lambda: self.pool.held_since),
            before=search_costs(self.journal.history).spent,
        )

    def run(self, listeners: SearchListeners, *, ended: SearchStatus | None = None) -> SearchStatus:
        """Run trials until all are done, time or budget are up, or a stop comes; then evaluate and confirm the winners.

        Neither is done after a stop signal. Trials that a request adds meanwhile are run after the evaluation.

        Args:
            listeners: receive the events.
            ended: how the search ended in an earlier session; it is then confirmed alone, and no trial is run.

        Returns:
            How the search ended; ``interrupted`` also where a stop signal has ended its confirmation.

        Raises:
            AllTrialsFailedError: all trials failed, or the first few did.
            StorageError: the search's folder cannot be written any more; a resume continues the running trials.
            ClusterError: a winner could not be evaluated.
        """
        controller, workload = self._controller(listeners), put_inputs(self.prepared)
        lanes = self.job.lanes
        self.pool.configure(lane_spec(lanes, self.resources, self.storage, self.job.search.max_failures), lanes.lanes)
        self.pool.set_workload(workload)
        status = SearchStatus.INTERRUPTED
        try:
            if ended is None:
                status = self._run_trials(controller, workload, listeners.on_stop)
            if self.confirmation is not None and (ended or status is not SearchStatus.INTERRUPTED):
                controller.end_session(status.value)  # what the confirmation uses is not the search's
                confirmed = self._confirm(workload, listeners, capped=ended is None)
                status = (ended or status) if confirmed is SearchStatus.COMPLETE else confirmed
        finally:
            self.pool.shutdown(0.0 if status is SearchStatus.COMPLETE else SHUTDOWN_TIMEOUT_S)
            with suppress(StorageError):  # an error of its own is on its way
                controller.end_session(status.value)  # nothing where the session has ended before
            self.storage.delete(LANE_FILES)
        return status

    def _controller(self, listeners: SearchListeners) -> SearchController:
        retention = CheckpointRetention(self.storage, self.job.storage.keep_checkpoints, self.journal.trials.values())
        return SearchController(
            self.journal,
            self.sampler,
            self.pruners,
            retention,
            listeners.trials,
            self.job.lanes.lanes,
            self._stop_rule(),
            self.meter,
            listeners.on_search_event,
            folds=self.job.data.trained_folds,
            stops_folds=len(self.job.search.objective) == 1,
        )

    def _more_requested(self, controller: SearchController) -> bool:
        """Return whether requests that came after the last trial have added more."""
        self.requests.handle_waiting()
        return not controller.exhausted and not self.requests.stop_requested

    def _run_trials(
        self, controller: SearchController, workload: FineTuning, on_stop: Callable[[], None]
    ) -> SearchStatus:
        """Run trials and evaluate the winners, until no request has added trials meanwhile."""
        more = True
        while more:
            status = run_trials(controller, self.pool, self.job.search, self.job.lanes.lanes, on_stop, self.requests)
            self._raise_failures(controller)
            if status is not SearchStatus.INTERRUPTED:
                self._score_winners(controller, workload)
            more = status is SearchStatus.COMPLETE and self._more_requested(controller)
        return status

    def _stop_rule(self) -> StopRule | None:
        rule = self.job.search.stop_when
        if rule.expected_gain_below is None:
            return None
        return StopRule(rule, {task: self.sampler.configurations(task) for task in self.job.tasks})

    def _raise_failures(self, controller: SearchController) -> None:
        trials = self.journal.trials.values()
        failed = [trial for trial in trials if trial.status is TrialStatus.FAILED]
        if controller.fatal_error:
            raise controller.fatal_error
        if failed and len(failed) == len(trials):
            raise AllTrialsFailedError(f"all trials failed, the last one with:\n{failed[-1].message}")

    def _score_winners(self, controller: SearchController, workload: FineTuning) -> None:
        best = list(winners(self.journal.trials.values(), self.job.tasks))
        unscored = [
            trial
            for trial in best
            if trial.winner is None or (self.prepared.data[trial.task].dev and not trial.winner.scores)
        ]  # without official rows to score, a winner is saved all the same, and scored by a resume that has them
        for trial in best:
            if trial.winner is not None and trial not in unscored:  # a resume may have added trials
                self._describe(trial, trial.winner)
        if unscored:
            controller.record_search_event(self.meter.begin())  # where a resume has no trial left to run

            def scoring(trial: TrialRecord) -> WinnerScoring:
                again, encoder = needs_selection_scores(trial), self.prepared.of(trial)
                tokenizer = ray.put(encoder.tokenizer)
                if trial.folds and trial.best is not None:
                    return FinalModel(
                        workload,
                        tokenizer,
                        encoder.text,
                        self.storage,
                        evaluations=trial.best.index,
                        ensemble=self.job.data.final == "ensemble",
                    )
                return WinnerScoring(workload, tokenizer, encoder.text, self.storage, score_selection=again)

            rows = sum(len(split) for trial in unscored for split in self.prepared.data[trial.task].dev.values())
            local = rows <= LOCAL_SCORING_MAX_ROWS and not any(trial.folds for trial in unscored)
            for event in score_winners(self.pool, self.job.lanes.lanes, self.storage, scoring, unscored, local=local):
                self._describe(self.journal.trials[event.number], event)
                controller.record(event)

    def _confirm(self, workload: FineTuning, listeners: SearchListeners, *, capped: bool) -> SearchStatus:
        """Train the best configurations again with fresh seeds; ``capped`` says whether the search's budget ends it."""
        if self.confirmation is None or self.job.confirm is None:
            return SearchStatus.COMPLETE
        runs = plan_confirmation(self.job, self.job.confirm, self.space, self.journal.trials.values())
        tokenizers = {name: ray.put(each.tokenizer) for name, each in self.prepared.encoders.items()}
        meter, status = self._confirmation_meter(self.confirmation, capped=capped), SearchStatus.INTERRUPTED
        confirmation = Confirmation(
            self.confirmation,
            self.pool,
            self.job.lanes.lanes,
            self.storage,
            ray.put(SeedConfirmation(workload, tokenizers, self.storage)),
            listeners.confirmation,
            listeners.on_stop,
            lambda: meter.spent_limit,
            self.requests.stops,
        )
        record = partial(_record, self.confirmation, listeners.on_confirmation_event)
        record(meter.begin())
        try:
            status = confirmation.run(runs)
        finally:
            with suppress(StorageError):  # an error of its own is on its way
                record(meter.end(status.value))
        return status

    def _describe(self, trial: TrialRecord, scored: WinnerEvaluated) -> None:
        """Write the model card of a winner, before its scores are recorded: a resume scores it again otherwise."""
        data = self.prepared.data[trial.task]
        settings = self.storage.read(f"{winner_folder(trial.task)}/config.json") or b"{}"
        inputs = CardInputs(
            self.plan,
            self.space,
            data.task,
            data.card,
            self.prepared.of(trial).text,
            trial,
            scored,
            tuple(each for each in self.journal.trials.values() if each.task == trial.task),
            custom_code="auto_map" in json.loads(settings),
        )
        write_model_card(self.storage, inputs)


def _record(journal: Journal, listener: Callable[[SearchEvent], None], event: SearchEvent | None) -> None:
    """Write an event, if there is one, and pass it on."""
    if event is not None:
        journal.append_search_event(event)
        listener(event)


def put_inputs(prepared: SearchInputs) -> FineTuning:
    """Put encoders and rows into Ray's object store, each once, and return the workload that trains them."""
    references: dict[int, Any] = {}  # rows that encoders share are one object

    def put(value: Any) -> Any:
        if id(value) not in references:
            references[id(value)] = ray.put(value)
        return references[id(value)]

    encoders = prepared.encoders.items()
    return FineTuning(
        {name: {task: put(rows) for task, rows in each.data.items()} for name, each in encoders},
        {name: put(each.encoder) for name, each in encoders},
    )
