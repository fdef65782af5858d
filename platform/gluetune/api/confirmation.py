"""The confirmation of a search in a session: its journal, its record in MLflow, and its results."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gluetune.api.session import Session
from gluetune.config import JobConfig, SearchSpace
from gluetune.errors import UserError
from gluetune.events import (
    CONFIRMATION_FOLDER,
    SELECTION,
    Event,
    Journal,
    Listener,
    SearchPlan,
    SeedScored,
    TrialEnded,
    TrialRecord,
    seed_name,
)
from gluetune.reporting import ConfirmedSearch, formatting, summarise_confirmation
from gluetune.reporting.confirmation_schema import ConfirmationSummary, ConfirmedConfigurationSummary
from gluetune.storage import Storage
from gluetune.tasks import Task

if TYPE_CHECKING:
    from gluetune.tracking import Tracker

logger = logging.getLogger(__name__)
_LOGGED = ("mean", "standard_deviation", "minimum", "maximum", "low", "high", "fresh_selection", "scored", "failed")


@dataclass(frozen=True)
class ConfirmationRecord:
    """The confirmation of a search, in its session.

    Attributes:
        journal: its journal.
        folder: its folder.
        job: the search's job, with ``confirm``.
        space: the search space.
        plan: the search.
        tasks: the tasks by name.
        trials: the trials of the search by number.
    """

    journal: Journal
    folder: Storage
    job: JobConfig
    space: SearchSpace
    plan: SearchPlan
    tasks: Mapping[str, Task]
    trials: Mapping[int, TrialRecord]

    @classmethod
    def open(
        cls, session: Session, plan: SearchPlan, tasks: Mapping[str, Task], trials: Mapping[int, TrialRecord]
    ) -> ConfirmationRecord | None:
        """Open the confirmation of a session's search; ``None`` where its job asks for none.

        Args:
            session: the session, which holds the search's lock.
            plan: the search.
            tasks: the tasks by name.
            trials: the trials of the search by number.

        Raises:
            StorageError: its journal is damaged, or a newer version of gluetune wrote it.
        """
        if session.job.confirm is None:
            return None
        folder = session.storage.sub(CONFIRMATION_FOLDER)
        return cls(Journal(folder), folder, session.job, session.space, plan, tasks, trials)

    def listeners(self, tracker: Tracker, say: Callable[[str], None]) -> list[Listener]:
        """Return what receives its events: the record in MLflow, and lines that show its progress.

        Args:
            tracker: records the search.
            say: shows a line.
        """
        done = sum(run.scored is not None for run in self.journal.trials.values())
        progress = ConfirmationProgress(self.plan, say, done)
        return [tracker.confirmation(self.trials, list(self.journal.events)), progress]

    def summary(self) -> ConfirmationSummary | None:
        """Return its results; ``None`` where there are none, or where they cannot be read, which is logged."""
        trials, runs = self.trials.values(), self.journal.trials.values()
        search = ConfirmedSearch(self.job, self.space, self.plan.tasks, self.tasks, trials, runs, self.folder)
        try:
            return summarise_confirmation(search)
        except UserError as error:
            logger.error(f"the results of the confirmation cannot be shown: {error}")
            return None

    def log(self, summary: ConfirmationSummary | None, tracker: Tracker) -> None:
        """Record its results in MLflow, as metrics of the runs of the trials that it confirms."""
        by_name = {trial.name: trial for trial in self.trials.values()}
        last = max((run.ended or run.started for run in self.journal.trials.values()), default=0.0)
        for each in (each for task in summary.tasks for each in task.configurations) if summary else ():
            if each.trial is not None:
                tracker.log_confirmed(by_name[each.trial], _logged(each), last)


def _logged(each: ConfirmedConfigurationSummary) -> dict[str, float | None]:
    return {name: getattr(each, name) for name in _LOGGED}


class ConfirmationProgress:
    """Says after each seed what it has scored.

    Args:
        plan: the search.
        say: shows a line.
        done: number of seeds that earlier sessions have scored.
    """

    def __init__(self, plan: SearchPlan, say: Callable[[str], None], done: int = 0) -> None:
        self._titles = {task.task: task.title for task in plan.tasks}
        self._metrics = {task.task: task.metric for task in plan.tasks}
        self._say, self._done = say, done

    def on_event(self, event: Event, trial: TrialRecord) -> None:
        """Show the end of a seed, or its scores."""
        if isinstance(event, TrialEnded) and event.status != "finished":
            why = f" ({formatting.error_line(event.message)})" if event.message else ""
            self._say(f"{seed_name(trial)} {event.status.replace('_', ' ')}{why}")
        if not isinstance(event, SeedScored):
            return
        self._done += 1
        metric = self._metrics[trial.task]
        by_split = event.scores or {SELECTION: event.selection_scores}
        scores = [
            f"{split} {formatting.score(values[metric])}" for split, values in by_split.items() if metric in values
        ]
        self._say(
            f"{self._titles[trial.task]}: {seed_name(trial)} has {formatting.metric(metric)} {', '.join(scores)} "
            f"({formatting.count(self._done, 'seed')} scored)"
        )
