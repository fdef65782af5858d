"""How a session is shown: as a search over many trials, or as one run."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from rich.console import Console

from gluetune.config import PublishedConfig
from gluetune.events import SearchPlan, TrialRecord, TrialStatus, winners
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

_FAILED = (TrialStatus.DIVERGED, TrialStatus.OUT_OF_MEMORY, TrialStatus.FAILED)


class ViewFactory(Protocol):
    """What is shown while a session runs, and at its end."""

    def live(self, plan: SearchPlan, console: Console, trials: dict[int, TrialRecord]) -> LiveTable | ProgressLog:
        """Follows the session's events."""

    def print_summary(
        self, summary: Summary, trials: Iterable[TrialRecord], plan: SearchPlan, console: Console
    ) -> None:
        """Prints the results at the end of the session."""


class SearchViews:
    """A table of tasks that renews itself, and the winners."""

    def live(self, plan: SearchPlan, console: Console, trials: dict[int, TrialRecord]) -> LiveTable | ProgressLog:
        """A table of the tasks' progress that is redrawn with each event."""
        return LiveTable(plan, console, trials)

    def print_summary(
        self, summary: Summary, trials: Iterable[TrialRecord], plan: SearchPlan, console: Console
    ) -> None:
        """Prints the table of winners and how the trials ended."""
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

    def live(self, plan: SearchPlan, console: Console, trials: dict[int, TrialRecord]) -> LiveTable | ProgressLog:
        """A log with one line for each evaluation."""
        return ProgressLog(console)

    def print_summary(
        self, summary: Summary, trials: Iterable[TrialRecord], plan: SearchPlan, console: Console
    ) -> None:
        """Prints the measured figures beside the published ones, and fills `failed`."""
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
