"""From the journal's events to what MLflow shows. Pure: no MLflow, no clock, so a replay gives the same entries.

The tree is search → task → trial. A metric's step is the trial's optimizer step; on the search and task runs, which
gather many trials, it is the number of evaluations of that task so far (``trial_score``: the trial's number).

Trials are ranked by ``best_score``. Metrics of single evaluations have the prefix ``eval_``, as those of
``transformers.Trainer``: ``eval_score`` is the task's primary one.
"""

from __future__ import annotations

import getpass
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import singledispatchmethod

from gluetune import __version__
from gluetune.events import (
    Evaluated,
    Event,
    SearchPlan,
    StepLogged,
    TaskPlan,
    TrialEnded,
    TrialRecord,
    TrialStarted,
    WinnerEvaluated,
    format_epochs,
)
from gluetune.tracking.descriptions import (
    NOTE,
    Rows,
    rows_read,
    rows_scored,
    run_name,
    search_note,
    task_note,
    trial_note,
)

RUN_STATUS = {
    "finished": "FINISHED",
    "pruned": "FINISHED",
    "stopped": "KILLED",
    "diverged": "FAILED",
    "out_of_memory": "FAILED",
    "failed": "FAILED",
}
EVALUATED = {
    name: name
    for name in (
        "eval_loss",
        "train_loss",
        "learning_rate",
        "epoch",
        "train_seconds",
        "eval_seconds",
        "train_examples",
        "train_tokens",
    )
} | {"eval_score": "score"}
LONGEST_TAG = 4000  # characters; stores refuse tags of more than 5,000 to 8,000, and with them the run's end


@dataclass(frozen=True, slots=True)
class Run:
    """A run of the tree. ``key`` names it within the search: ``search``, ``task:cola``, ``trial:7``."""

    key: str
    name: str
    started: float  # seconds since the epoch
    parent: Run | None = None


@dataclass(frozen=True, slots=True)
class Point:
    """One metric value. ``time`` is the event's, so writing it again after a crash changes nothing."""

    key: str
    value: float
    time: float
    step: int


@dataclass(frozen=True, slots=True)
class Entry:
    """What one event adds to one run.

    ``status`` is MLflow's, ``None`` to leave it; ``files`` are artifacts; ``datasets`` are the rows that the run reads.
    """

    run: Run
    time: float
    points: tuple[Point, ...] = ()
    params: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    files: dict[str, str | bytes] = field(default_factory=dict)
    status: str | None = None
    datasets: tuple[Rows, ...] = ()


class EventMapper:
    """Turns events, in journal order, into entries.

    Args:
        plan: the search.
        started: when it began, in seconds since the epoch.
    """

    def __init__(self, plan: SearchPlan, started: float) -> None:
        self._plan = plan
        self._search = Run("search", plan.name, started)
        self._plans = {task.task: task for task in plan.tasks}
        self._tasks = {
            name: Run(f"task:{name}", task.title, started, self._search) for name, task in self._plans.items()
        }
        self._best: dict[str, float] = {}
        self._evaluations: Counter[str] = Counter()
        self._ended: set[int] = set()
        self._winners: dict[str, TrialRecord] = {}
        self._everywhere = {
            "gluetune.search": plan.name,
            "gluetune.model": plan.model,
            "mlflow.user": _user(),
            "mlflow.source.name": f"gluetune {__version__}",
        }

    def opening(self, job: str) -> list[Entry]:
        """The search's and tasks' runs, before the first trial; ``job`` is the job file's text."""
        time = self._search.started
        tags = {"gluetune.level": "search", NOTE: search_note(self._plan, {})} | self._everywhere
        entries = [Entry(self._search, time, params=_search_params(self._plan), tags=tags, files={"job.yaml": job})]
        for task in self._plan.tasks:
            tags = {
                "gluetune.level": "task",
                "gluetune.task": task.task,
                "gluetune.data": task.source,
            } | self._everywhere
            entries.append(
                Entry(
                    self._tasks[task.task],
                    time,
                    params=_task_params(task),
                    tags=tags,
                    points=(Point("baseline", task.baseline, time, 0),),
                    datasets=rows_read(task),
                )
            )
        return entries

    def reopening(self) -> list[Entry]:
        """The search's and tasks' runs go on."""
        return [Entry(run, run.started, status="RUNNING") for run in (self._search, *self._tasks.values())]

    def ending(self, time: float, status: str) -> list[Entry]:
        """The search's and tasks' runs end."""
        return [Entry(run, time, status=status) for run in (*self._tasks.values(), self._search)]

    @property
    def root(self) -> Run:
        """The search's own run."""
        return self._search

    def trial_run(self, trial: TrialRecord) -> Run:
        """The run of a trial."""
        return Run(f"trial:{trial.number}", run_name(trial), trial.started, self._tasks[trial.task])

    def entries(self, event: Event, trial: TrialRecord) -> list[Entry]:
        """What an event adds, after it was applied to ``trial``."""
        return self._entries(event, trial)

    @singledispatchmethod
    def _entries(self, event: Event, trial: TrialRecord) -> list[Entry]:
        raise TypeError(f"event must be one of the journal's, but got {type(event).__name__}")

    @_entries.register
    def _(self, event: TrialStarted, trial: TrialRecord) -> list[Entry]:
        params = {"task": event.task, "model": self._plan.model, **event.training, **event.params, "seed": event.seed}
        tags = {
            "gluetune.level": "trial",
            "gluetune.task": event.task,
            "gluetune.trial": str(event.number),
            "gluetune.seed": str(event.seed),
            "gluetune.status": "running",
            "gluetune.data": self._plans[event.task].source,
        } | self._everywhere
        status = self._reopened(event.number)
        return [
            Entry(
                self.trial_run(trial),
                event.time,
                params=_text(params),
                tags=tags,
                status=status,
                datasets=rows_read(self._plans[event.task]),
            )
        ]

    @_entries.register
    def _(self, event: Evaluated, trial: TrialRecord) -> list[Entry]:
        values = _ranking_values(event, trial)  # first: MLflow's page that compares runs opens on the first metric
        values |= {name: float(getattr(event, attribute)) for name, attribute in EVALUATED.items()}
        values |= self.metrics(event, trial.task)
        if event.train_accuracy is not None:
            values["train_accuracy"] = event.train_accuracy
        if event.idle_seconds_before is not None:
            values["idle_seconds_before"] = event.idle_seconds_before
        points = tuple(Point(name, value, event.time, event.step) for name, value in values.items())
        tags = {"gluetune.lane": event.lane, "gluetune.status": "running"}
        entry = Entry(self.trial_run(trial), event.time, points, tags=tags, status=self._reopened(event.number))
        return [entry, *self._improved(event, trial)]

    @_entries.register
    def _(self, event: StepLogged, trial: TrialRecord) -> list[Entry]:
        values = {
            "running_loss": event.loss,
            "running_accuracy": event.accuracy,
            "learning_rate": event.learning_rate,
            "examples_per_second": event.examples_per_second,
        }
        points = tuple(
            Point(name, value, event.time, event.step) for name, value in values.items() if value is not None
        )
        return [Entry(self.trial_run(trial), event.time, points, status=self._reopened(event.number))]

    @_entries.register
    def _(self, event: TrialEnded, trial: TrialRecord) -> list[Entry]:
        tags: dict[str, str] = {"gluetune.status": event.status}
        if event.message:
            tags["gluetune.message"] = event.message[:LONGEST_TAG]
        files: dict[str, str | bytes] = {"message.txt": event.message} if len(event.message) > LONGEST_TAG else {}
        if event.status == "pruned" and trial.evaluations:
            tags["gluetune.pruned_at"] = format_epochs(trial.evaluations[-1].epoch)
        self._ended.add(event.number)
        run, best = self.trial_run(trial), trial.best
        tags[NOTE] = trial_note(trial, self._plans[trial.task])
        entry = Entry(run, event.time, tags=tags, files=files, status=RUN_STATUS[event.status])
        if best is None:
            return [entry]
        score = Point("trial_score", best.score, event.time, trial.number)
        return [entry, Entry(self._tasks[trial.task], event.time, (score,))]

    @_entries.register
    def _(self, event: WinnerEvaluated, trial: TrialRecord) -> list[Entry]:
        saved = {"selection": event.selection_scores} | event.scores  # the former where evaluations were not in fp32
        points = tuple(
            Point(f"{split}.{name}", value, event.time, 0)
            for split, metrics in saved.items()
            for name, value in metrics.items()
        )
        plan = self._plans[event.task]
        run, task, metric = self.trial_run(trial), self._tasks[event.task], plan.metric
        rows = rows_scored(plan) if event.scores else ()
        ranked = [
            Point(f"dev_score/{event.task}", metrics[metric], event.time, 0)
            for metrics in list(event.scores.values())[:1]
            if metric in metrics
        ]
        beaten = self._beaten(event, trial)
        tags = {"gluetune.winner": "true", "gluetune.folder": event.folder, NOTE: trial_note(trial, plan)}
        return [
            *beaten,
            Entry(run, event.time, points, tags=tags, datasets=rows),
            Entry(task, event.time, points, tags={"gluetune.winner": trial.name, NOTE: task_note(trial, plan)}),
            Entry(self._search, event.time, tuple(ranked), tags={NOTE: search_note(self._plan, self._winners)}),
        ]

    def metrics(self, event: Evaluated, task: str) -> dict[str, float]:
        """The task's metrics by their names in MLflow, those of ``transformers.Trainer``: ``eval_accuracy``.

        A run of pre-training, which has no task's metric, keeps the names of its own.
        """
        prefix = "eval_" if self._plans[task].metric in event.metrics else ""
        return {f"{prefix}{name}": value for name, value in event.metrics.items()}

    def _beaten(self, event: WinnerEvaluated, trial: TrialRecord) -> list[Entry]:
        """The end of an earlier winner's time as such: a resumed search found a better trial."""
        before, self._winners[event.task] = self._winners.get(event.task), trial
        if before is None or before.number == trial.number:
            return []
        # the task's folder holds the new one's weights
        tags = {"gluetune.winner": "false", "gluetune.folder": "", NOTE: trial_note(before, self._plans[event.task])}
        return [Entry(self.trial_run(before), event.time, tags=tags)]

    def _reopened(self, number: int) -> str | None:
        """The status to set on a trial that goes on after its end; a new run has it already."""
        if number not in self._ended:
            return None
        self._ended.discard(number)
        return "RUNNING"

    def _improved(self, event: Evaluated, trial: TrialRecord) -> list[Entry]:
        """Entries of the search and task where the task has a new best score."""
        self._evaluations[trial.task] += 1
        if not event.score > self._best.get(trial.task, float("-inf")):
            return []
        self._best[trial.task] = event.score
        step = self._evaluations[trial.task]
        task, search = Point("best_score", event.score, event.time, step), f"best_score/{trial.task}"
        return [
            Entry(self._tasks[trial.task], event.time, (task,), tags={"gluetune.best_trial": trial.name}),
            Entry(self._search, event.time, (replace(task, key=search),)),
        ]


def _ranking_values(event: Evaluated, trial: TrialRecord) -> dict[str, float]:
    """What trials are ranked by, where an evaluation is the best of its trial so far."""
    best = trial.best
    return {"best_score": best.score, "best_score_epoch": best.epoch} if best and best.index == event.index else {}


def _search_params(plan: SearchPlan) -> dict[str, str]:
    return _text(
        {
            "seed": plan.seed,
            "model": plan.model,
            "parameters": plan.parameters,
            "space": plan.space,
            "space_source": plan.space_source,
            "fields": ", ".join(plan.fields),
            "algorithm": plan.algorithm,
            "scheduler": plan.scheduler,
            "lanes": plan.lanes,
            "workers_per_lane": plan.workers_per_lane,
            "resources": plan.resources,
            "tasks": ", ".join(task.task for task in plan.tasks),
            "time_budget_s": plan.time_budget_s,
            "folder": plan.folder,
        }
    )


def _task_params(task: TaskPlan) -> dict[str, str]:
    return _text(
        {
            "task": task.task,
            "source": task.source,
            "metric": task.metric,
            "train_rows": task.train_rows,
            "selection_rows": task.selection_rows,
            "dev_rows": task.dev_rows,
            "planned": task.planned,
        }
    )


def _text(values: Mapping[str, object]) -> dict[str, str]:
    return {name: str(value) for name, value in values.items()}


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        return "unknown"
