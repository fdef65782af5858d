"""A search from its session: load, search, record, report."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, replace

from rich.console import Console
from rich.text import Text

from gluetune.api import places
from gluetune.api.confirmation import ConfirmationRecord
from gluetune.api.frontend import Frontend
from gluetune.api.own_tasks import save_cards, save_tasks
from gluetune.api.report import keep_pictures, log_report
from gluetune.api.runs import ViewFactory
from gluetune.api.session import Session, begin, check_inputs
from gluetune.api.winner_models import register_winners
from gluetune.cluster import Resources, take_snapshot
from gluetune.config import JobConfig, LanesConfig, dump_job
from gluetune.errors import AllTrialsFailedError, ConfigError, ConfigIssue
from gluetune.events import Journal, JournalReader, RunInputs, SearchPlan, TrialRecord
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
from gluetune.search.prepare import SearchInputs, make_plan, prepare_inputs
from gluetune.search.ray_tasks import ClusterWaitNotice
from gluetune.search.request_handler import apply_accepted, limited_plan, open_requests
from gluetune.search.schedulers import TaskPruners, max_epochs
from gluetune.search.search import Search
from gluetune.search.searchers import TrialSampler
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


def show_plan(session: Session, frontend: Frontend, *, accept_inputs: bool = False) -> None:
    """Load everything and print the plan; start no Ray, train nothing and leave nothing."""
    check_store(places.tracking_uri(session.job), str(session.job.tracking.experiment), write=False)
    recorded = JournalReader(session.storage)  # of a run that is resumed: a damaged one is refused
    prepared = prepare_inputs(session.job, session.space, plan_only=True)
    check_inputs(session.storage, prepared.inputs, name=session.name, accept=accept_inputs, dry_run=True)
    lanes = session.job.lanes
    words = f"{lanes.cpus_per_worker} CPU, {lanes.gpus_per_worker} GPU"
    sampler = _sampler(session, prepared)
    limits = apply_accepted(sampler, session.job.search, recorded.history)
    print_plan(limited_plan(_plan(session, prepared, sampler, words), sampler, limits), frontend.console)
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
    inputs = prepared.inputs
    check_inputs(session.storage, inputs, name=session.name, accept=accept_inputs)
    if not score:
        prepared = prepared.without_dev()
    plan = plan_lanes(
        session.job.lanes,
        take_snapshot(),
        lambda: measure_trial(session.job, session.space, prepared, pool.shutdown),
    )
    _check_budget(session.job, plan.resources)
    fitting = replace(session, job=fitted_job(session.job, plan.lanes, score=score))
    ended = _earlier_status(session) if confirm_only else None
    return _Run(session, fitting, frontend, prepared, inputs, plan.resources, address, views, pool, score, ended).run()


def fitted_job(job: JobConfig, lanes: LanesConfig, *, score: bool) -> JobConfig:
    """Return the job of one session.

    A session that does not score its winners confirms nothing: seeds that were scored without the official rows would
    never be scored on them. A resume with scores does.

    Args:
        job: the job as it was asked for.
        lanes: its lanes as they fit the cluster.
        score: whether winners are scored on the official rows.
    """
    if score or job.confirm is None:
        return job.model_copy(update={"lanes": lanes})
    logger.info("nothing is confirmed without scores on the official rows; a resume that scores the winners does it")
    return job.model_copy(update={"lanes": lanes, "confirm": None})


def _earlier_status(session: Session) -> SearchStatus:
    """Return how a search ended in its earlier sessions, as its ``summary.json`` says."""
    status = RunFiles(session.storage, session.name).summary.get("status")
    known = {each.value: each for each in (SearchStatus.COMPLETE, SearchStatus.OUT_OF_TIME, SearchStatus.OUT_OF_BUDGET)}
    return known.get(str(status), SearchStatus.INTERRUPTED)


def _check_budget(job: JobConfig, resources: Resources) -> None:
    """Refuse a budget of GPU-hours where lanes have no GPUs.

    Raises:
        ConfigError: it is given.
    """
    hours = job.search.budget.gpu_hours
    if hours is not None and not resources.gpus:
        rule = f"must not be given where lanes have no GPUs, but got {hours:g}; give cpu_hours or seconds"
        raise ConfigError([ConfigIssue.at(("search", "budget", "gpu_hours"), rule)])


@dataclass
class _Run:
    """One session on a connected cluster: as it was asked for, and as the cluster can run it."""

    asked: Session
    session: Session
    frontend: Frontend
    prepared: SearchInputs
    inputs: RunInputs
    resources: Resources
    address: str | None
    views: ViewFactory
    pool: LanePool
    score: bool
    ended: SearchStatus | None  # how the search ended before this session, which confirms it alone

    def run(self) -> FinishedSearch:
        """Search, record and report."""
        session = self.session
        journal, sampler = Journal(session.storage), _sampler(session, self.prepared)
        requests = open_requests(session.storage, journal, sampler, session.job, session.space, self.prepared)
        if session.time_budget_given:
            requests.set_time_budget(session.job.search.time_budget_s)
        requests.handle_waiting()
        plan = _plan(session, self.prepared, sampler, str(self.resources))
        plan = limited_plan(plan, sampler, requests.limits)
        print_plan(plan, self.frontend.console)
        self.frontend.begin()
        tracker = Tracker(
            plan,
            session.storage,
            store=places.tracking_uri(session.job),
            job=dump_job(session.job),
            history=journal.events,
            artifacts=places.artifacts(session.job.storage, session.job.tracking),
        )
        self.inputs.save(session.storage)
        save_tasks(session.storage, self.prepared.tasks.values())
        save_cards(session.storage, plan.tasks)
        begin(self.asked)  # a resume may find another cluster
        save_environment(session.storage)
        self.frontend.announce(self._resume_command())
        confirmation = ConfirmationRecord.open(session, plan, self.prepared.tasks, journal.trials)
        search = Search(
            session.job,
            plan,
            session.space,
            session.storage,
            journal,
            self.prepared,
            self.resources,
            sampler,
            _pruners(session),
            self.pool,
            requests,
            confirmation.journal if confirmation else None,
        )
        started, ending, summary, models = time.time(), SearchStatus.INTERRUPTED, None, {}
        try:
            ending = self._search(search, plan, tracker, confirmation)
            models = register_winners(session, self.prepared, journal.trials.values(), tracker)
            keep_pictures(session.storage, plan, journal.trials.values(), tracker)
            plan = limited_plan(plan, sampler, requests.limits)
            summary = self._summarise(plan, journal, started, models, ending, confirmation)
            log_report(session.storage, summary, tracker)
        except KeyboardInterrupt:
            ending, summary = SearchStatus.INTERRUPTED, None
        except BaseException as error:
            ending = SearchStatus.FAILED if isinstance(error, AllTrialsFailedError) else SearchStatus.INTERRUPTED
            raise
        finally:
            plan = limited_plan(plan, sampler, requests.limits)
            summary = summary or self._summarise(plan, journal, started, models, ending, confirmation)
            if confirmation and summary.confirmation:
                confirmation.log(summary.confirmation, tracker)
            recorded = tracker.close(complete=ending not in (SearchStatus.INTERRUPTED, SearchStatus.FAILED))
            self._print(plan, journal, summary, ending, tracker.link)
            if not recorded and ending is SearchStatus.COMPLETE:
                why = "MLflow lacks a part of the record; send it, without training or scoring again"
                _print_resume(why, self._resume_command(), self.frontend.console)
            elif ending is SearchStatus.COMPLETE and requests.waiting:
                why = "requests to this search came after its last trial and wait; act on them"
                _print_resume(why, self._resume_command(), self.frontend.console)
        return FinishedSearch(ending, plan, [trial for _, trial in sorted(journal.trials.items())], summary)

    def _search(
        self, search: Search, plan: SearchPlan, tracker: Tracker, confirmation: ConfirmationRecord | None
    ) -> SearchStatus:
        live = self.views.live(plan, self.frontend.console, search.journal.trials, search.journal.history)
        requests = search.requests
        requests.on_change = lambda: live.replan(limited_plan(plan, search.sampler, requests.limits))
        confirms = confirmation.listeners(tracker, live.note) if confirmation else ()
        log = optuna_log(plan, search.space, search.storage, search.journal.trials.values())
        with live, ClusterWaitNotice(live.note), log as views:
            live.note(f"starting {formatting.count(plan.lanes, 'lane')}: each loads its libraries once …")
            return search.run(
                [tracker, live, *views],
                tracker.mark_stopped,
                live.on_search_event,
                confirmation_listeners=confirms,
                ended=self.ended,
            )

    def _summarise(
        self,
        plan: SearchPlan,
        journal: Journal,
        started: float,
        models: dict[str, Registration],
        ending: SearchStatus,
        confirmation: ConfirmationRecord | None,
    ) -> Summary:
        return summarise(
            plan,
            journal.trials.values(),
            status=ending.value,
            session_started=started,
            now=time.time(),
            models=models,
            history=journal.history,
            confirmation=confirmation.summary() if confirmation else None,
            confirmation_history=confirmation.journal.history if confirmation else (),
        )

    def _print(
        self, plan: SearchPlan, journal: Journal, summary: Summary, ending: SearchStatus, link: str | None
    ) -> None:
        """Write the summary, and print the results and where they are."""
        out, storage = self.frontend.console, self.session.storage
        try:
            file = write_summary(storage, summary)
            self.views.print_summary(summary, journal.trials.values(), plan, out)
            if summary.confirmation is not None:
                print_confirmation(summary.confirmation, out)
            print_models(summary, out)
            report = storage.uri(REPORT_FILE) if storage.exists(REPORT_FILE) else None
            print_locations(
                summary, out, ui=ui_command(plan.tracking_uri), summary_file=file, runs=link, report_file=report
            )
        finally:  # also where the disk is full
            if shows_ending(ending, self.ended, summary.confirmation):
                print_ending(ending, self._resume_command(), out)

    def _resume_command(self) -> str:
        return self.frontend.resume_command(self.session.name, self.session.job.storage, self.address, score=self.score)


def shows_ending(ending: SearchStatus, earlier: SearchStatus | None, confirmation: ConfirmationSummary | None) -> bool:
    """Return whether to print how a session ended, and how it is resumed.

    Args:
        ending: how it ended; where it only confirms a search and has done so, as the search did.
        earlier: how the search had ended where the session only confirms it; ``None`` where it runs trials.
        confirmation: the confirmation's results so far.
    """
    return earlier is None or ending is not earlier or confirmation is None or not confirmation.complete


def print_ending(status: SearchStatus, resume: str, console: Console) -> None:
    """Print how to resume a search that was stopped, or that there is nothing to resume; nothing where it is complete.

    Args:
        status: how the search ended.
        resume: the command or call that resumes it.
        console: the user's.
    """
    if status is SearchStatus.FAILED:
        console.print(
            "\nno trial could be evaluated: there is nothing to resume. Once the reason below is mended, "
            "start anew under another name (--name).",
            highlight=False,
            soft_wrap=True,
        )
    elif status is not SearchStatus.COMPLETE:
        raised = ", with a larger budget (--budget-…)," if status is SearchStatus.OUT_OF_BUDGET else ""
        _print_resume(f"{status.value.replace('_', ' ')}; resume{raised}", resume, console)


def _print_resume(why: str, resume: str, console: Console) -> None:
    console.print(f"\n{why} with:", highlight=False)
    console.print(Text(resume, style="bold"), soft_wrap=True)  # "[x]" in a name is no markup


def _sampler(session: Session, prepared: SearchInputs) -> TrialSampler:
    job = session.job
    return TrialSampler(
        job.weights,
        session.space,
        job.search.algorithm,
        job.training,
        job.seed,
        job.search.num_samples,
        prepared.facts,
        len(job.search.objective),
        job.search.budget.trials,
        by_time=job.search.budget.limits_time,
    )


def _pruners(session: Session) -> TaskPruners:
    job = session.job
    return TaskPruners(job.weights, job.search.scheduler, max_epochs(job.training, session.space), job.seed)


def _plan(session: Session, prepared: SearchInputs, sampler: TrialSampler, resources: str) -> SearchPlan:
    return make_plan(
        session.name,
        session.job,
        session.space,
        prepared,
        sampler,
        session.storage,
        places.tracking_uri(session.job),
        resources,
    )
