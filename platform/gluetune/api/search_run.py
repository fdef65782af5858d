"""A search from its session: load, search, record, report."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field, replace

from gluetune.api import places
from gluetune.api.confirmation import ConfirmationRecord
from gluetune.api.frontend import Frontend
from gluetune.api.own_tasks import save_cards, save_tasks
from gluetune.api.report import keep_pictures, log_report
from gluetune.api.report_warm_up import ReportWarmUp
from gluetune.api.runs import ViewFactory
from gluetune.api.search_endings import print_ending, print_resume, shows_ending
from gluetune.api.search_setup import check_budget, fitted_job, make_pruners, make_sampler, planned_search
from gluetune.api.session import Session, begin, check_inputs
from gluetune.api.winner_models import register_winners
from gluetune.cluster import Resources, take_snapshot
from gluetune.config import dump_job
from gluetune.errors import AllTrialsFailedError
from gluetune.events import Journal, JournalReader, SearchPlan, TrialRecord
from gluetune.events.environment import save_environment
from gluetune.lanes import LanePool
from gluetune.reporting import (
    Summary,
    formatting,
    print_confirmation,
    print_locations,
    print_models,
    print_plan,
    summarise,
    write_summary,
)
from gluetune.reporting.confirmation_schema import ConfirmationSummary
from gluetune.reporting.page import REPORT_FILE
from gluetune.reporting.run_files import RunFiles
from gluetune.search.concurrency import measure_trial, plan_lanes
from gluetune.search.prepare import SearchInputs, prepare_inputs
from gluetune.search.ray_tasks import ClusterWaitNotice
from gluetune.search.request_handler import apply_accepted, limited_plan, open_requests
from gluetune.search.search import Search, SearchListeners
from gluetune.search.study.optuna_log import optuna_log
from gluetune.search.trials import SearchStatus
from gluetune.tracking import Registration, Tracker, check_store, ui_command

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class FinishedSearch:
    """What is left of a session over a search when it has ended, by itself or by a stop.

    Attributes:
        status: how it ended.
        plan: what was searched.
        trials: all trials of the search, in the order of their numbers.
        summary: what ``summary.json`` holds.
    """

    status: SearchStatus
    plan: SearchPlan
    trials: list[TrialRecord]
    summary: Summary

    @property
    def interrupted(self) -> bool:
        """Whether a stop signal ended it."""
        return self.status is SearchStatus.INTERRUPTED


def show_plan(session: Session, frontend: Frontend, *, score: bool = True, accept_inputs: bool = False) -> None:
    """Load everything and print the plan; start no Ray, train nothing and leave nothing.

    Args:
        session: what would be run.
        frontend: the program around it.
        score: whether winners would be scored on the official rows.
        accept_inputs: whether a run whose rows or encoder have changed would start anew.

    Raises:
        UserError: data, model, MLflow store or the record of a resumed run cannot be used.
    """
    session = replace(session, job=fitted_job(session.job, session.job.lanes, score=score))
    check_store(places.tracking_uri(session.job), str(session.job.tracking.experiment), write=False)
    recorded = JournalReader(session.storage)  # of a run that is resumed: a damaged one is refused
    prepared = prepare_inputs(session.job, session.space, plan_only=True)
    check_inputs(session.storage, prepared.inputs, name=session.name, accept=accept_inputs, dry_run=True)
    if not score:
        prepared = prepared.without_dev()
    lanes = session.job.lanes
    words = f"{lanes.cpus_per_worker} CPU, {lanes.gpus_per_worker} GPU"
    sampler = make_sampler(session, prepared)
    limits = apply_accepted(sampler, session.job.search, recorded.history)
    print_plan(limited_plan(planned_search(session, prepared, sampler, words), sampler, limits), frontend.console)
    if lanes.max_concurrent_trials == "auto":
        logger.info("lanes: shown as 1; how many there are is found on the cluster, when the search starts")


def run_search(
    session: Session,
    address: str | None,
    frontend: Frontend,
    views: ViewFactory,
    pool: LanePool,
    *,
    score: bool = True,
    accept_inputs: bool = False,
    confirm_only: bool = False,
) -> FinishedSearch:
    """Run a session on the connected cluster to its end.

    Args:
        session: what to run.
        address: the cluster's, as it was given.
        frontend: the program around the run.
        views: how progress and results are shown.
        pool: the lanes, some of which may have started already.
        score: whether winners are scored on the official rows; they are saved in any case.
        accept_inputs: whether a run whose rows or encoder have changed starts anew.
        confirm_only: whether the search is confirmed as it is, without further trials.

    Raises:
        UserError: data, model or cluster cannot be used, or no trial could be evaluated.
    """
    logger.info("loading the encoder and the data …")
    prepared = prepare_inputs(session.job, session.space)
    check_inputs(session.storage, prepared.inputs, name=session.name, accept=accept_inputs)
    if not score:
        prepared = prepared.without_dev()
    plan = plan_lanes(
        session.job.lanes,
        take_snapshot(),
        lambda: measure_trial(session.job, session.space, prepared, pool.shutdown),
    )
    check_budget(session.job, plan.resources)
    fitting = replace(session, job=fitted_job(session.job, plan.lanes, score=score))
    ended = _earlier_status(session) if confirm_only else None
    return _Run(session, fitting, frontend, prepared, plan.resources, address, views, pool, score, ended).run()


def _earlier_status(session: Session) -> SearchStatus:
    """Return how a search ended in its earlier sessions, as its ``summary.json`` says."""
    status = RunFiles(session.storage, session.name).summary.get("status")
    known = {each.value: each for each in (SearchStatus.COMPLETE, SearchStatus.OUT_OF_TIME, SearchStatus.OUT_OF_BUDGET)}
    return known.get(str(status), SearchStatus.INTERRUPTED)


@dataclass(frozen=True)
class _Parts:
    """A search under way, and what records it.

    Attributes:
        search: the search.
        tracker: records it in MLflow.
        confirmation: its confirmation; ``None`` where nothing is confirmed.
        started: when the session started, in seconds since the epoch.
    """

    search: Search
    tracker: Tracker
    confirmation: ConfirmationRecord | None
    started: float

    def plan(self) -> SearchPlan:
        """Return the plan of the search with the limits that hold now."""
        return limited_plan(self.search.plan, self.search.sampler, self.search.requests.limits)

    def confirmed(self) -> ConfirmationSummary | None:
        """Compute the results of the confirmation so far, which may take long; ``None`` where nothing is confirmed."""
        return self.confirmation.summary() if self.confirmation else None


@dataclass(frozen=True)
class _Results:
    """The plan of a search at its end, and its summary."""

    plan: SearchPlan
    summary: Summary


@dataclass
class _Run:
    """One session on a connected cluster: as it was asked for, and as the cluster can run it."""

    asked: Session
    session: Session
    frontend: Frontend
    prepared: SearchInputs
    resources: Resources
    address: str | None
    views: ViewFactory
    pool: LanePool
    score: bool
    ended: SearchStatus | None  # how the search ended before this session, which confirms it alone
    models: dict[str, Registration] = field(default_factory=dict)  # of registered winners

    def run(self) -> FinishedSearch:
        """Search, record and report."""
        parts = self._begin()
        ending, results = SearchStatus.INTERRUPTED, None
        try:
            ending = self._search(parts)
            self._record_winners(parts)
            results = self._results(parts, ending, parts.confirmed())
            log_report(self.session.storage, results.summary, parts.tracker)
        except KeyboardInterrupt:  # statistics of the confirmation that it has cut short are left to a resume
            ending = SearchStatus.INTERRUPTED
            results = self._results(parts, ending, results.summary.confirmation if results else None)
        except BaseException as error:
            ending = SearchStatus.FAILED if isinstance(error, AllTrialsFailedError) else SearchStatus.INTERRUPTED
            raise
        finally:
            results = results or self._results(parts, ending, parts.confirmed())
            self._close(parts, results, ending)
        trials = sorted(parts.search.journal.trials.items())
        return FinishedSearch(ending, results.plan, [trial for _, trial in trials], results.summary)

    def _begin(self) -> _Parts:
        """Open the journals, print the plan, and write what the folder holds before the first trial."""
        session, storage = self.session, self.session.storage
        journal, sampler = Journal(storage), make_sampler(session, self.prepared)
        requests = open_requests(storage, journal, sampler, session.job, session.space, self.prepared)
        if session.time_budget_given:
            requests.set_time_budget(session.job.search.time_budget_s)
        requests.handle_waiting()
        plan = planned_search(session, self.prepared, sampler, str(self.resources))
        plan = limited_plan(plan, sampler, requests.limits)
        print_plan(plan, self.frontend.console)
        self.frontend.begin()
        tracker = self._tracker(plan, journal)
        self._write_inputs(plan)
        self.frontend.announce(self._resume_command())
        confirmation = ConfirmationRecord.open(session, plan, self.prepared.tasks, journal.trials)
        search = Search(
            session.job,
            plan,
            session.space,
            storage,
            journal,
            self.prepared,
            self.resources,
            sampler,
            make_pruners(session),
            self.pool,
            requests,
            confirmation.journal if confirmation else None,
        )
        return _Parts(search, tracker, confirmation, time.time())

    def _tracker(self, plan: SearchPlan, journal: Journal) -> Tracker:
        job = self.session.job
        return Tracker(
            plan,
            self.session.storage,
            store=places.tracking_uri(job),
            job=dump_job(job),
            history=journal.events,
            artifacts=places.artifacts(job.storage, job.tracking),
        )

    def _write_inputs(self, plan: SearchPlan) -> None:
        """Write into the folder what the search is run on, and with which versions."""
        storage = self.session.storage
        self.prepared.inputs.save(storage)
        save_tasks(storage, self.prepared.tasks.values())
        save_cards(storage, plan.tasks)
        begin(self.asked)  # a resume may find another cluster
        save_environment(storage)

    def _search(self, parts: _Parts) -> SearchStatus:
        search, confirmation = parts.search, parts.confirmation
        console, journal = self.frontend.console, search.journal
        confirmed = confirmation.journal.history if confirmation else ()
        live = self.views.live(search.plan, console, journal.trials, journal.history, confirmed)
        search.requests.on_change = lambda: live.replan(parts.plan())
        log = optuna_log(search.plan, search.space, search.storage, journal.trials.values())
        with live, ClusterWaitNotice(live.note), log as views:
            live.note(f"starting {formatting.count(search.plan.lanes, 'lane')}: each loads its libraries once …")
            listeners = SearchListeners(
                [parts.tracker, live, *views, ReportWarmUp()],
                live.on_search_event,
                confirmation.listeners(parts.tracker, live.note) if confirmation else (),
                live.on_confirmation_event,
                parts.tracker.mark_stopped,
            )
            return search.run(listeners, ended=self.ended)

    def _record_winners(self, parts: _Parts) -> None:
        """Register the winners' models, and keep pictures of the winners."""
        trials = parts.search.journal.trials.values()
        self.models = register_winners(self.session, self.prepared, trials, parts.tracker)
        keep_pictures(self.session.storage, parts.search.plan, trials, parts.tracker)

    def _results(self, parts: _Parts, ending: SearchStatus, confirmed: ConfirmationSummary | None) -> _Results:
        """Return the plan at the search's end, and its summary.

        Args:
            parts: the search.
            ending: how it ended.
            confirmed: the results of its confirmation.
        """
        plan, journal = parts.plan(), parts.search.journal
        summary = summarise(
            plan,
            journal.trials.values(),
            status=ending.value,
            session_started=parts.started,
            now=time.time(),
            models=self.models,
            history=journal.history,
            confirmation=confirmed,
            confirmation_history=parts.confirmation.journal.history if parts.confirmation else (),
        )
        return _Results(plan, summary)

    def _close(self, parts: _Parts, results: _Results, ending: SearchStatus) -> None:
        """End the record in MLflow, write the summary, and print the results and what is left to do."""
        if parts.confirmation and results.summary.confirmation:
            parts.confirmation.log(results.summary.confirmation, parts.tracker)
        recorded = parts.tracker.close(complete=ending not in (SearchStatus.INTERRUPTED, SearchStatus.FAILED))
        self._print(parts, results, ending)
        if ending is not SearchStatus.COMPLETE:
            return
        if not recorded:
            why = "MLflow lacks a part of the record; send it, without training or scoring again"
            print_resume(why, self._resume_command(), self.frontend.console)
        elif parts.search.requests.waiting:
            why = "requests to this search came after its last trial and wait; act on them"
            print_resume(why, self._resume_command(), self.frontend.console)

    def _print(self, parts: _Parts, results: _Results, ending: SearchStatus) -> None:
        """Write the summary, and print the results and where they are."""
        out, storage, summary = self.frontend.console, self.session.storage, results.summary
        try:
            file = write_summary(storage, summary)
            self.views.print_summary(summary, parts.search.journal.trials.values(), results.plan, out)
            if summary.confirmation is not None:
                print_confirmation(summary.confirmation, out)
            print_models(summary, out)
            report = storage.uri(REPORT_FILE) if storage.exists(REPORT_FILE) else None
            ui, link = ui_command(results.plan.tracking_uri), parts.tracker.link
            print_locations(summary, out, ui=ui, summary_file=file, runs=link, report_file=report)
        finally:  # also where the disk is full
            if shows_ending(ending, self.ended, summary.confirmation):
                print_ending(ending, self._resume_command(), out)

    def _resume_command(self) -> str:
        return self.frontend.resume_command(self.session.name, self.session.job.storage, self.address, score=self.score)
