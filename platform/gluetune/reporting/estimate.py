"""How much a search will use, estimated from the first steps that it measures on, and how wrong the estimate was."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from gluetune.events import (
    Evaluated,
    Event,
    JournalEvent,
    SearchEvent,
    SearchPlan,
    SessionEnded,
    SessionStarted,
    Spent,
    StepLogged,
    TaskEnded,
    TaskPlan,
    TrialEnded,
    TrialRecord,
    TrialStatus,
    apply_event,
    last_of_session,
)

_EVALUATION_SHARE = 1 / 3  # of a training step's time that the evaluation of as many rows takes, before it is measured


@dataclass(frozen=True, slots=True)
class SearchEstimate:
    """What a search is expected to use in all, with what it has used so far.

    Attributes:
        at: seconds for which the search had lanes when the estimate was made.
        total: what it uses until its planned trials have ended.
    """

    at: float
    total: Spent


@dataclass(slots=True)
class _Rates:
    """Measured speed of a task's trials.

    Attributes:
        train_rows, train_seconds: rows trained on up to evaluations, and the seconds that took.
        evaluations, eval_seconds: number of evaluations, and the seconds that they took.
        logged: seconds per row of the last logged steps.
    """

    train_rows: int = 0
    train_seconds: float = 0.0
    evaluations: int = 0
    eval_seconds: float = 0.0
    logged: float | None = None

    @property
    def seconds_per_row(self) -> float | None:
        return self.train_seconds / self.train_rows if self.train_rows else self.logged


@dataclass(slots=True)
class _Ended:
    """A task's ended trials: their number, that of the evaluated ones, and the seconds that those took."""

    trials: int = 0
    evaluated: int = 0
    seconds: float = 0.0


class CostEstimator:
    """Estimates what a search uses in all, and adds up what it has spent, from the events of its journal.

    A trial of a task is expected to take the mean of its ended trials, which may have been pruned. Before one has ended
    it takes what its planned rows and evaluations take at the speed measured so far, and without a measured speed what
    the other tasks' rows take.

    Args:
        plan: the search.

    Attributes:
        plan: the search; its numbers of planned trials may change.
    """

    def __init__(self, plan: SearchPlan) -> None:
        self.plan = plan
        self._session: SessionStarted | None = None
        self._earlier, self._last = Spent(), 0.0  # of earlier sessions; time of the last event of this one
        self._rates = defaultdict[str, _Rates](_Rates)
        self._open: dict[int, TrialRecord] = {}  # started, and without a result
        self._ended = {task.task: _Ended() for task in plan.tasks}
        self._closed: set[str] = set()  # tasks that get no further trials

    def replay(self, history: Iterable[JournalEvent]) -> None:
        """Take the events of earlier sessions, from the journal's beginning."""
        trials: dict[int, TrialRecord] = {}
        for event in history:
            if isinstance(event, SearchEvent):
                self.on_search_event(event)
            else:
                self.on_event(event, apply_event(trials, event))
        self._end_session(self._last)

    def on_search_event(self, event: SearchEvent) -> None:
        """Take an event of the whole search."""
        if isinstance(event, SessionStarted):
            self._end_session(self._last)
            self._session = event
        elif isinstance(event, SessionEnded):
            self._end_session(event.time)
        elif isinstance(event, TaskEnded):
            self._closed.add(event.task)
        self._last = last_of_session(event, self._last)

    def on_event(self, event: Event, trial: TrialRecord) -> None:
        """Take an event of a trial."""
        rates = self._rates[trial.task]
        if isinstance(event, Evaluated):
            rates.train_rows += event.train_examples
            rates.train_seconds += event.train_seconds
            rates.evaluations += 1
            rates.eval_seconds += event.eval_seconds
        elif isinstance(event, StepLogged) and event.examples_per_second > 0:
            rates.logged = 1 / event.examples_per_second
        if isinstance(event, TrialEnded) and TrialStatus(event.status).final:
            self._open.pop(trial.number, None)
            self._count_end(trial)
        elif not trial.status.final:
            self._open[trial.number] = trial
        self._last = last_of_session(event, self._last)

    def spent(self, now: float) -> Spent:
        """Return what all sessions have spent.

        Args:
            now: current time, in seconds since the epoch.
        """
        if self._session is None:
            return self._earlier
        return self._earlier + self._session.spent(max(0.0, now - self._session.held_since))

    def estimate(self, now: float) -> SearchEstimate | None:
        """Estimate what the search uses in all.

        Args:
            now: current time, in seconds since the epoch.

        Returns:
            The estimate; ``None`` before a step was measured, while no lane runs, and where a task has no planned
            number of trials.
        """
        left = [self._left(task) for task in self.plan.tasks]
        known = [seconds for seconds in left if seconds is not None]
        if self._session is None or len(known) < len(left):
            return None
        spent = self.spent(now)
        return SearchEstimate(spent.seconds, spent + self._session.spent(sum(known) / self._session.lanes))

    def _end_session(self, at: float) -> None:
        self._earlier, self._session = self.spent(at), None

    def _count_end(self, trial: TrialRecord) -> None:
        ended = self._ended[trial.task]
        ended.trials += 1
        if trial.evaluations:
            ended.evaluated += 1
            ended.seconds += trial.busy_seconds

    def _left(self, task: TaskPlan) -> float | None:
        """Return the seconds of lanes that a task's trials still need."""
        each = self._trial_seconds(task)
        running = [trial for trial in list(self._open.values()) if trial.task == task.task]
        if task.task in self._closed:
            further = 0
        elif task.planned is None:
            return None
        else:
            further = max(0, task.planned - self._ended[task.task].trials - len(running))
        if each is None:
            return None
        return further * each + sum(max(0.0, each - trial.busy_seconds) for trial in running)

    def _trial_seconds(self, task: TaskPlan) -> float | None:
        ended = self._ended[task.task]
        if ended.evaluated:
            return ended.seconds / ended.evaluated
        rates = self._rates[task.task]
        per_row = rates.seconds_per_row or self._mean_per_row()
        if per_row is None or not task.rows_per_trial:
            return None
        evaluation = rates.eval_seconds / rates.evaluations if rates.evaluations else None
        if evaluation is None:
            rows = task.selection_rows / (task.folds or 1)  # each fold is evaluated on its own rows
            evaluation = rows * per_row * _EVALUATION_SHARE
        return task.rows_per_trial * per_row + task.evaluations_per_trial * evaluation

    def _mean_per_row(self) -> float | None:
        """Return the mean seconds per row of the tasks that were measured."""
        known = [per_row for rates in self._rates.values() if (per_row := rates.seconds_per_row) is not None]
        return sum(known) / len(known) if known else None


def first_estimate(plan: SearchPlan, history: Iterable[JournalEvent]) -> SearchEstimate | None:
    """Return the first estimate that could be made in a search; ``None`` where none could.

    Args:
        plan: the search.
        history: all events of its journal, in order.
    """
    estimator = CostEstimator(plan)
    trials: dict[int, TrialRecord] = {}
    for event in history:
        if isinstance(event, SearchEvent):
            estimator.on_search_event(event)
            continue
        estimator.on_event(event, apply_event(trials, event))
        if isinstance(event, Evaluated | StepLogged):
            found = estimator.estimate(event.time)
            if found is not None:
                return found
    return None
