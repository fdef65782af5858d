"""What a search's lanes spent their time on, by trial, task and search, from the journal alone.

Each session of a search counts as having all its lanes from the start of its first lane to its end. That time is
divided among the classes of `ClassSeconds`; what no trial accounts for is idle. Of a session whose driver was killed,
the last event is taken as its end.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from typing import Literal

from gluetune.events.schema import (
    Evaluated,
    PretrainingEvaluated,
    SeedScored,
    StepLogged,
    TrialEnded,
    TrialStarted,
    WinnerEvaluated,
)
from gluetune.events.search_events import JournalEvent, LaneLost, SessionEnded, SessionStarted, Spent, TaskEnded
from gluetune.events.search_requests import ENDED_BY_REQUEST, RequestHandled

CostClass = Literal["training", "evaluation", "idle", "start", "lost"]


@dataclass(frozen=True, slots=True)
class ClassSeconds:
    """Seconds by what they were spent on; ``None`` where the journal does not say.

    Attributes:
        training: training that an evaluation or the divergence of a trial followed, and that of final models.
        evaluation: evaluations of trials, and the saving and scoring of winners.
        idle: waiting: for a trial, for checkpoints to be written, or for the end of the search.
        start: from the start of a lane to its first step.
        lost: training since the last evaluation of a trial whose lane or driver was killed, or that was stopped or
            failed.
    """

    training: float | None
    evaluation: float | None
    idle: float | None
    start: float | None
    lost: float | None

    @property
    def total(self) -> float | None:
        """The sum of all classes; ``None`` where one is not known."""
        values = [getattr(self, each.name) for each in fields(self)]
        return None if None in values else sum(values)


@dataclass(frozen=True, slots=True)
class ResourceUse:
    """What a trial, a task or a search used.

    Attributes:
        lanes: seconds of lanes.
        cpus: seconds of CPU cores.
        gpus: seconds of GPUs.
    """

    lanes: ClassSeconds
    cpus: ClassSeconds
    gpus: ClassSeconds


@dataclass(frozen=True, slots=True)
class SearchCosts:
    """What a search used.

    Attributes:
        total: what the whole search used, with the idle time of lanes that belongs to no trial.
        tasks: what the trials of each task used, by task.
        trials: what each trial used, by number.
        task_of: the task of each trial, by number.
        spent: what all lanes used, for as long as the search had them; ``None`` where the journal of a session does not
            say.
        sessions: number of sessions that gave lanes trials, or had winners to score.
    """

    total: ResourceUse
    tasks: dict[str, ResourceUse]
    trials: dict[int, ResourceUse]
    task_of: dict[int, str]
    spent: Spent | None
    sessions: int


def search_costs(history: Iterable[JournalEvent], *, now: float | None = None) -> SearchCosts:
    """Return what a search used.

    Args:
        history: all events of its journal, in order.
        now: current time, in seconds since the epoch, of a search that runs: what its lanes are doing then counts as
            training; ``None`` for a search whose driver has ended.
    """
    fold = _CostFold()
    for event in history:
        fold.add(event)
    return fold.result(now)


_ALL: tuple[CostClass, ...] = ("training", "evaluation", "idle", "start", "lost")


class _Tally:
    """Seconds so far, of a trial or of what belongs to none."""

    def __init__(self) -> None:
        self.lanes, self.cpus, self.gpus = (dict.fromkeys(_ALL, 0.0) for _ in range(3))
        self.complete = True  # whether all sessions were recorded with their lanes

    def add(self, kind: CostClass, seconds: float, session: SessionStarted | None) -> None:
        self.lanes[kind] += seconds
        if session is None:
            self.complete = False
        else:
            self.cpus[kind] += seconds * session.cpus_per_lane
            self.gpus[kind] += seconds * session.gpus_per_lane

    def use(self) -> ResourceUse:
        if self.complete:
            return ResourceUse(ClassSeconds(**self.lanes), ClassSeconds(**self.cpus), ClassSeconds(**self.gpus))
        unknown = ClassSeconds(None, None, None, None, None)
        busy = ClassSeconds(self.lanes["training"], self.lanes["evaluation"], None, None, None)
        return ResourceUse(busy, unknown, unknown)


def _sum(tallies: Iterable[_Tally]) -> _Tally:
    whole = _Tally()
    for tally in tallies:
        whole.complete = whole.complete and tally.complete
        for mine, other in ((whole.lanes, tally.lanes), (whole.cpus, tally.cpus), (whole.gpus, tally.gpus)):
            for kind in _ALL:
                mine[kind] += other[kind]
    return whole


@dataclass(slots=True)
class _Attempt:
    """What a session has done of one trial.

    Attributes:
        since: up to when its time is accounted for: its start in this session, its last evaluation, or the loss of its
            lane; ``None`` where it was started in an earlier session.
        lane: the lane of its last evaluation in this session; ``None`` before that, and after the loss of the lane.
        first_step: estimated time of its first step, where it has logged steps but was not evaluated.
        deaths: how often the workers of its lane had died over it.
        moved: whether it has lost a lane since its last evaluation.
    """

    since: float | None = None
    lane: str | None = None
    first_step: float | None = None
    deaths: int = 0
    moved: bool = False

    @property
    def working_since(self) -> float | None:
        """Since when it has trained without an evaluation, as far as the journal says."""
        return self.first_step if self.lane is None else self.since


class _SessionFold:
    """One session.

    Args:
        started: its lanes; ``None`` for a session of a version that did not record them.
        tallies: those of all trials, by number.
    """

    def __init__(self, started: SessionStarted | None, tallies: defaultdict[int, _Tally]) -> None:
        self.started, self.tallies = started, tallies
        self.ended = 0.0 if started is None else started.time
        self._accounted = 0.0  # seconds of lanes
        self._attempts = defaultdict[int, _Attempt](_Attempt)
        self._lanes: dict[str, float] = {}  # when the last trial on a lane was evaluated or ended, by lane

    def add(self, number: int, kind: CostClass, seconds: float) -> None:
        seconds = max(0.0, seconds)  # clocks of nodes differ a little
        self._accounted += seconds
        self.tallies[number].add(kind, seconds, self.started)

    def trial_started(self, event: TrialStarted) -> None:
        self._attempts[event.number] = _Attempt(event.time)

    def logged(self, event: StepLogged, rows: float) -> None:
        attempt = self._attempts[event.number]
        if attempt.lane is None and attempt.first_step is None and event.examples_per_second > 0:
            earliest = attempt.since or (0.0 if self.started is None else self.started.held_since)
            attempt.first_step = max(earliest, event.time - rows / event.examples_per_second)

    def evaluated(self, event: Evaluated | PretrainingEvaluated) -> None:
        attempt = self._attempts[event.number]
        before = 0.0  # seconds; negative where the lane trained on while its last evaluation was reported
        if self.started is not None:
            kind, since = self._before(attempt, event, self.started)
            began = event.time - event.train_seconds - event.eval_seconds
            before = 0.0 if since is None else began - since
            self.add(event.number, kind, before)
        self.add(event.number, "training", event.train_seconds + min(0.0, before))
        self.add(event.number, "evaluation", event.eval_seconds)
        self._attempts[event.number] = _Attempt(event.time, event.lane, None, event.worker_deaths)
        self._lanes[event.lane] = event.time

    def _before(
        self, attempt: _Attempt, event: Evaluated | PretrainingEvaluated, session: SessionStarted
    ) -> tuple[CostClass, float | None]:
        """Return what a trial's lane did before the training that an evaluation ends, and since when."""
        used = event.lane in self._lanes
        if attempt.moved:
            return "idle" if used else "start", attempt.since
        if event.worker_deaths > attempt.deaths or attempt.lane not in (None, event.lane):
            return "lost", attempt.since
        if used:
            return "idle", self._lanes[event.lane]
        return "start", session.held_since if len(self._lanes) < session.lanes else attempt.since

    def seed_scored(self, event: SeedScored) -> None:
        """Account for the scoring of a confirmation's trial, which follows its last evaluation."""
        attempt = self._attempts[event.number]
        if attempt.lane is not None and attempt.since is not None:
            self.add(event.number, "evaluation", event.time - attempt.since)
            attempt.since = self._lanes[attempt.lane] = event.time

    def lane_lost(self, event: LaneLost) -> None:
        attempt = self._attempts[event.number]
        since = attempt.working_since or attempt.since
        if since is not None:
            self.add(event.number, "lost", event.time - since)
        self._attempts[event.number] = _Attempt(event.time, moved=True)

    def trial_ended(self, event: TrialEnded) -> None:
        attempt = self._attempts.pop(event.number, None)
        if attempt is None:  # it ran in an earlier session
            return
        if event.status in ("finished", "pruned"):
            return
        self._unevaluated(event, attempt)
        if attempt.lane is not None:
            self._lanes[attempt.lane] = event.time

    def _unevaluated(self, event: TrialEnded, attempt: _Attempt) -> None:
        """Account for a trial's time between its last evaluation and its end."""
        since = attempt.working_since
        if since is not None:
            self.add(event.number, "training" if event.status == "diverged" else "lost", event.time - since)
        elif attempt.since is not None:  # it is not known to have trained
            self.add(event.number, "start" if event.status == "stopped" else "lost", event.time - attempt.since)

    def close(self, at: float, idle: _Tally, *, running: bool) -> None:
        """Account for the trials that run at the session's end, and for the rest of the lanes' time."""
        self.ended = at
        if self.started is None:
            idle.complete = False
            return
        for number, attempt in self._attempts.items():
            if attempt.working_since is not None:
                self.add(number, "training" if running else "lost", at - attempt.working_since)
            elif attempt.since is not None:  # its lane, or the next one, is not known to have begun a step
                self.add(number, "start", at - attempt.since)
        idle.add("idle", max(0.0, self.started.lanes * self.spent.seconds - self._accounted), self.started)

    @property
    def spent(self) -> Spent:
        """What the session's lanes used."""
        return Spent() if self.started is None else self.started.spent(max(0.0, self.ended - self.started.held_since))


def last_of_session(event: JournalEvent, before: float) -> float:
    """Return up to when a session is known to have had lanes, in seconds since the epoch.

    Requests are also handled, and tasks and trials ended, between the kill of a driver and the next session. A session
    may run on another machine, whose clock is behind that of the earlier ones.

    Args:
        event: the next event of the journal.
        before: what was known before it.
    """
    if isinstance(event, SessionStarted):
        return event.time
    by_request = isinstance(event, TrialEnded) and event.message == ENDED_BY_REQUEST
    return before if by_request or isinstance(event, TaskEnded | RequestHandled) else max(before, event.time)


def _logged_step(event: Evaluated | PretrainingEvaluated) -> int:
    """Return the step of an evaluation as logs count it: of a cross-validation, with the steps of earlier folds."""
    earlier = 0 if isinstance(event, PretrainingEvaluated) or event.fold is None else event.fold - 1
    return earlier * event.total_steps + event.step


@dataclass
class _CostFold:
    """All sessions of a search."""

    tallies: defaultdict[int, _Tally] = field(default_factory=lambda: defaultdict(_Tally))
    idle: _Tally = field(default_factory=_Tally)
    tasks: dict[int, str] = field(default_factory=dict)
    sessions: list[_SessionFold] = field(default_factory=list)
    _open: _SessionFold | None = None
    _last: float = 0.0  # time of the last event of the session
    _steps: dict[int, tuple[int, float]] = field(default_factory=dict)  # last step and batch size, by trial

    def add(self, event: JournalEvent) -> None:
        """Take the next event of the journal."""
        if isinstance(event, SessionStarted):
            self._close(self._last)
            self._begin(event)
        elif isinstance(event, SessionEnded):
            self._close(event.time)
        elif not isinstance(event, TaskEnded | RequestHandled):
            if self._open is None and not self.sessions:
                self._begin(None)
            self._add_to_session(event)
        self._last = last_of_session(event, self._last)

    def _begin(self, started: SessionStarted | None) -> None:
        self._open = _SessionFold(started, self.tallies)
        self.sessions.append(self._open)

    def _close(self, at: float, *, running: bool = False) -> None:
        if self._open is not None:
            self._open.close(at, self.idle, running=running)
        self._open = None

    def _add_to_session(self, event: JournalEvent) -> None:
        session = self._open
        if isinstance(event, TrialStarted):
            self.tasks[event.number] = event.task
            self._steps[event.number] = 0, float(event.training.get("batch_size") or 0)
        if session is None:  # after the last session: without lanes
            return
        if isinstance(event, TrialStarted):
            session.trial_started(event)
        elif isinstance(event, StepLogged):
            step, batch = self._steps[event.number]
            session.logged(event, (event.step - step) * batch)
        elif isinstance(event, Evaluated | PretrainingEvaluated):
            self._steps[event.number] = _logged_step(event), self._steps[event.number][1]
            session.evaluated(event)
        elif isinstance(event, TrialEnded):
            session.trial_ended(event)
        elif isinstance(event, LaneLost):
            session.lane_lost(event)
        elif isinstance(event, SeedScored):
            session.seed_scored(event)
        elif isinstance(event, WinnerEvaluated):
            session.add(event.number, "training", event.refit_seconds or 0.0)
            session.add(event.number, "evaluation", event.seconds or 0.0)

    def result(self, now: float | None) -> SearchCosts:
        """Return what the events say."""
        self._close(self._last if now is None else max(now, self._last), running=now is not None)
        by_task = defaultdict[str, list[_Tally]](list)
        for number, task in self.tasks.items():
            by_task[task].append(self.tallies[number])
        recorded = all(session.started is not None for session in self.sessions)
        return SearchCosts(
            _sum([self.idle, *self.tallies.values()]).use(),
            {task: _sum(tallies).use() for task, tallies in by_task.items()},
            {number: self.tallies[number].use() for number in self.tasks},
            self.tasks,
            sum((session.spent for session in self.sessions), Spent()) if recorded else None,
            len(self.sessions),
        )
