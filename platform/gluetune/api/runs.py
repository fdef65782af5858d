"""A session from its folder to its results: its log, Ray, the run itself and how it is shown, and the folder's lock."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Protocol

from rich.console import Console

from gluetune.api.frontend import Frontend
from gluetune.api.session import Session
from gluetune.config import PublishedConfig
from gluetune.events import JournalEvent, SearchPlan, TrialRecord, TrialStatus, winners
from gluetune.reporting import (
    LiveTable,
    ProgressLog,
    Summary,
    print_batch_metrics,
    print_metrics,
    print_results,
    row_counts,
    trial_metrics,
)

if TYPE_CHECKING:
    from gluetune.api.pretraining_run import PretrainSession
    from gluetune.api.search_run import FinishedSearch


def search_session(
    session: Session,
    address: str | None,
    frontend: Frontend,
    views: ViewFactory,
    *,
    score: bool = True,
    accept_inputs: bool = False,
    confirm_only: bool = False,
) -> FinishedSearch:
    """Connect to Ray, run a search or a single run to its end, and unlock its folder.

    Args:
        session: what to run.
        address: the Ray cluster's; ``None`` is Ray's own default.
        frontend: the program around the run.
        views: how progress and results are shown.
        score: whether winners are scored on the official rows; they are saved in any case.
        accept_inputs: whether a run whose rows or encoder have changed starts anew.
        confirm_only: whether the search is confirmed as it is, without further trials.

    Raises:
        UserError: data, model, cluster or MLflow store cannot be used, or no trial could be evaluated.
    """
    from gluetune.api.ray_session import ray_session
    from gluetune.lanes.prestart import PrestartedLanes

    prestarted = PrestartedLanes(session.job, session.space, session.storage)
    try:
        with (
            frontend.logging_to(session.log),
            ray_session(session.job, address, session.log, frontend, prestarted),
        ):
            from gluetune.api.search_run import run_search

            return run_search(
                session,
                address,
                frontend,
                views,
                prestarted.pool,
                score=score,
                accept_inputs=accept_inputs,
                confirm_only=confirm_only,
            )
    finally:
        session.unlock()


def pretraining_session(
    session: PretrainSession, address: str | None, frontend: Frontend, *, accept_inputs: bool = False
) -> TrialRecord | None:
    """Connect to Ray, run a pre-training to its end, and unlock its folder.

    Args:
        session: what to run.
        address: the Ray cluster's; ``None`` is Ray's own default.
        frontend: the program around the run.
        accept_inputs: whether a run whose text has changed starts anew.

    Returns:
        The run's trial; ``None`` where it was stopped before it began.

    Raises:
        UserError: text, tokenizer, cluster or MLflow store cannot be used.
    """
    from gluetune.api.pretraining_run import run_pretraining
    from gluetune.api.ray_session import ray_session

    try:
        with (
            frontend.logging_to(session.log),
            ray_session(session.job, address, session.log, frontend),
        ):
            return run_pretraining(session, address, frontend, accept_inputs=accept_inputs)
    finally:
        session.unlock()


_FAILED = (TrialStatus.DIVERGED, TrialStatus.OUT_OF_MEMORY, TrialStatus.FAILED)


class ViewFactory(Protocol):
    """What is shown while a session runs, and at its end."""

    def live(
        self,
        plan: SearchPlan,
        console: Console,
        trials: dict[int, TrialRecord],
        history: Iterable[JournalEvent] = (),
        confirmation_history: Iterable[JournalEvent] = (),
    ) -> LiveTable | ProgressLog:
        """Follow the session's events."""

    def print_summary(
        self, summary: Summary, trials: Iterable[TrialRecord], plan: SearchPlan, console: Console
    ) -> None:
        """Print the results at the end of the session."""


class SearchViews:
    """A table of tasks that renews itself, and the winners."""

    def live(
        self,
        plan: SearchPlan,
        console: Console,
        trials: dict[int, TrialRecord],
        history: Iterable[JournalEvent] = (),
        confirmation_history: Iterable[JournalEvent] = (),
    ) -> LiveTable | ProgressLog:
        """Return a table of the tasks' progress that is redrawn with each event."""
        return LiveTable(plan, console, trials, history, confirmation_history)

    def print_summary(
        self, summary: Summary, trials: Iterable[TrialRecord], plan: SearchPlan, console: Console
    ) -> None:
        """Print the table of winners and how the trials ended."""
        print_results(summary, console)


class RunViews:
    """One line for each evaluation, and all figures with the published ones beside them.

    Args:
        published: figures of others.

    Attributes:
        failed: after `print_summary`, trials that did not come to their end by a fault of their own.
    """

    def __init__(self, published: PublishedConfig | None) -> None:
        self._published = published
        self.failed: list[TrialRecord] = []

    def live(
        self,
        plan: SearchPlan,
        console: Console,
        trials: dict[int, TrialRecord],
        history: Iterable[JournalEvent] = (),
        confirmation_history: Iterable[JournalEvent] = (),
    ) -> LiveTable | ProgressLog:
        """Return a log with one line for each evaluation."""
        return ProgressLog(console)

    def print_summary(
        self, summary: Summary, trials: Iterable[TrialRecord], plan: SearchPlan, console: Console
    ) -> None:
        """Print the measured figures beside the published ones, and fill `failed`."""
        known = list(trials)
        tasks = {task.task: task for task in plan.tasks}
        self.failed = [trial for trial in known if trial.status in _FAILED]
        for trial in winners(known, tasks) or known:
            task = tasks[trial.task]
            print_metrics(
                trial_metrics(trial),
                row_counts(task, trial),
                self._published,
                console,
                source=task.source,
                synthetic=task.synthetic,
                same_rows=task.same_rows,
            )
            if trial.winner:
                print_batch_metrics(
                    task.metric, trial.winner.batch_scores, int(trial.training["eval_batch_size"] or 0), console
                )
