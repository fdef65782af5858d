"""Maps the journal's events to updates of MLflow runs.

Pure functions of the events, without MLflow and without a clock: replaying a journal gives the same updates.

The tree is search → task → trial. A metric's step is the trial's optimizer step; on the search and task runs, which
gather many trials, it is the number of evaluations of that task so far (``trial_score``: the trial's number).

The evaluations of a cross-validation have the prefix ``fold_<number>/``. The metrics without it are those of the mean
over folds, recorded when the trial has ended.

Trials are ranked by ``best_score``. Metrics of single evaluations have the prefix ``eval_``, as those of
``transformers.Trainer``: ``eval_score`` is the task's primary one. A score is always better if it is higher: it is the
metric with its sign changed where less of that is better. Metrics of a pre-training run keep their own names.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from functools import singledispatchmethod

from gluetune import __version__
from gluetune.events import (
    EncoderSaved,
    Evaluated,
    Event,
    PretrainingEvaluated,
    SearchPlan,
    StepLogged,
    TrialEnded,
    TrialRecord,
    TrialStarted,
    WinnerEvaluated,
    deviation,
    format_epochs,
)
from gluetune.tasks.metrics import score_sign
from gluetune.tracking.display import (
    NOTE,
    class_tables,
    pretraining_note,
    rows_read,
    rows_scored,
    run_name,
    search_note,
    task_note,
    trial_note,
    user_name,
)
from gluetune.tracking.run_updates import MetricPoint, Run, RunUpdate, as_text, search_params, task_params

RUN_STATUS = {
    "finished": "FINISHED",
    "pruned": "FINISHED",
    "stopped": "KILLED",
    "diverged": "FAILED",
    "out_of_memory": "FAILED",
    "failed": "FAILED",
}
EVALUATION_METRICS = {
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
PRETRAINING_METRICS = {name: name for name in ("learning_rate", "epoch", "train_seconds", "eval_seconds")} | {
    "train_examples": "pairs",
    "train_tokens": "tokens",
}
MAX_TAG_CHARS = 4000  # stores refuse an update with a tag of more than 5,000 to 8,000 characters


class EventMapper:
    """Maps events, given in journal order, to updates of MLflow runs.

    Args:
        plan: the search.
        started: when the search began, in seconds since the epoch.

    Attributes:
        result: sentences about the search's result, for the description of its run at its end.
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
        self._status: dict[int, str] = {}
        self.result: tuple[str, ...] = ()
        self._winners: dict[str, TrialRecord] = {}
        self._common_tags = {
            "gluetune.search": plan.name,
            "gluetune.model": plan.model,
            "mlflow.user": user_name(),
            "mlflow.source.name": f"gluetune {__version__}",
        }

    def start_updates(self, job: str) -> list[RunUpdate]:
        """Create the runs of the search and its tasks, before the first trial; ``job`` is the job file's text."""
        time = self._search.started
        tags = {"gluetune.level": "search", NOTE: search_note(self._plan, {})} | self._common_tags
        updates = [RunUpdate(self._search, time, params=search_params(self._plan), tags=tags, files={"job.yaml": job})]
        for task in self._plan.tasks:
            tags = {
                "gluetune.level": "task",
                "gluetune.task": task.task,
                "gluetune.data": task.source,
            } | self._common_tags
            updates.append(
                RunUpdate(
                    self._tasks[task.task],
                    time,
                    params=task_params(task),
                    tags=tags,
                    points=(MetricPoint("baseline", task.baseline, time, 0),),
                    datasets=rows_read(task),
                    files={"data_card.md": task.card} if task.card else {},
                )
            )
        return updates

    def resume_updates(self) -> list[RunUpdate]:
        """Set the runs of the search and its tasks to RUNNING again, when a search is resumed."""
        return [RunUpdate(run, run.started, status="RUNNING") for run in (self._search, *self._tasks.values())]

    def finish_updates(self, time: float, status: str) -> list[RunUpdate]:
        """Set the final status of the runs of the search and its tasks, and say how the trials ended."""
        note = search_note(self._plan, self._winners, Counter(self._status.values()), self.result)
        return [
            *(RunUpdate(run, time, status=status) for run in self._tasks.values()),
            RunUpdate(self._search, time, status=status, tags={NOTE: note}),
        ]

    @property
    def root(self) -> Run:
        """The run of the search, parent of all others."""
        return self._search

    def task_run(self, task: str) -> Run:
        """Return the run of a task."""
        return self._tasks[task]

    def trial_run(self, trial: TrialRecord) -> Run:
        """Return the run of a trial."""
        return Run(f"trial:{trial.number}", run_name(trial), trial.started, self._tasks[trial.task])

    def updates(self, event: Event, trial: TrialRecord) -> list[RunUpdate]:
        """Return the updates that follow from an event which has been applied to ``trial``."""
        return self._updates(event, trial)

    @singledispatchmethod
    def _updates(self, event: Event, trial: TrialRecord) -> list[RunUpdate]:
        raise TypeError(f"event must be one of the journal's, but got {type(event).__name__}")

    @_updates.register
    def _(self, event: TrialStarted, trial: TrialRecord) -> list[RunUpdate]:
        model = trial.model or self._plan.model
        self._status[event.number] = "running"
        params = {"task": event.task, "model": model, **event.training, **event.params, "seed": event.seed}
        tags = self._common_tags | {
            "gluetune.model": model,
            "gluetune.level": "trial",
            "gluetune.task": event.task,
            "gluetune.trial": str(event.number),
            "gluetune.seed": str(event.seed),
            "gluetune.status": "running",
            "gluetune.data": self._plans[event.task].source,
        }
        status = self._resumed_status(event.number)
        return [
            RunUpdate(
                self.trial_run(trial),
                event.time,
                params=as_text(params),
                tags=tags,
                status=status,
                datasets=rows_read(self._plans[event.task]),
            )
        ]

    @_updates.register
    def _(self, event: Evaluated, trial: TrialRecord) -> list[RunUpdate]:
        if event.fold is not None:
            values = {f"fold_{event.fold}/{name}": value for name, value in _evaluation_values(event).items()}
            return [self._evaluation_update(event, trial, values)]
        values = _ranking_values(event, trial)  # first: MLflow's page for comparing runs opens on the first metric
        values |= _evaluation_values(event)
        return [self._evaluation_update(event, trial, values), *self._best_score_updates(event, trial)]

    @_updates.register
    def _(self, event: PretrainingEvaluated, trial: TrialRecord) -> list[RunUpdate]:
        values = event.metrics
        values |= {name: float(getattr(event, attribute)) for name, attribute in PRETRAINING_METRICS.items()}
        return [self._evaluation_update(event, trial, values)]

    @_updates.register
    def _(self, event: StepLogged, trial: TrialRecord) -> list[RunUpdate]:
        values = {
            "running_loss": event.loss,
            "running_accuracy": event.accuracy,
            "learning_rate": event.learning_rate,
            "examples_per_second": event.examples_per_second,
        }
        points = tuple(
            MetricPoint(name, value, event.time, event.step) for name, value in values.items() if value is not None
        )
        return [RunUpdate(self.trial_run(trial), event.time, points, status=self._resumed_status(event.number))]

    @_updates.register
    def _(self, event: TrialEnded, trial: TrialRecord) -> list[RunUpdate]:
        tags: dict[str, str] = {"gluetune.status": event.status}
        if event.message:
            tags["gluetune.message"] = event.message[:MAX_TAG_CHARS]
        files: dict[str, str | bytes] = {"message.txt": event.message} if len(event.message) > MAX_TAG_CHARS else {}
        if event.status == "pruned" and trial.evaluations:
            epochs = format_epochs(trial.evaluations[-1].epoch)
            tags["gluetune.pruned_at"] = f"fold {trial.complete_folds}" if trial.folds else epochs
        self._ended.add(event.number)
        self._status[event.number] = event.status
        run, best = self.trial_run(trial), trial.best
        tags[NOTE] = pretraining_note(trial) if trial.pretraining else trial_note(trial, self._plans[trial.task])
        update = RunUpdate(run, event.time, tags=tags, files=files, status=RUN_STATUS[event.status])
        if best is None:
            return [update]
        score = MetricPoint("trial_score", best.score, event.time, trial.number)
        folds = self._fold_updates(event, trial, best) if trial.folds else []
        return [update, *folds, RunUpdate(self._tasks[trial.task], event.time, (score,))]

    @_updates.register
    def _(self, event: WinnerEvaluated, trial: TrialRecord) -> list[RunUpdate]:
        saved = {
            "selection": event.selection_scores
        } | event.scores  # selection scores are there where evaluations were not in fp32
        points = tuple(
            MetricPoint(f"{split}.{name}", value, event.time, 0)
            for split, metrics in saved.items()
            for name, value in metrics.items()
        )
        plan = self._plans[event.task]
        run, task, metric = self.trial_run(trial), self._tasks[event.task], plan.metric
        rows = rows_scored(plan) if event.scores else ()
        ranked = [
            MetricPoint(f"dev_score/{event.task}", score_sign(metric) * metrics[metric], event.time, 0)
            for metrics in list(event.scores.values())[:1]
            if metric in metrics
        ]
        previous = self._demote_previous_best(event, trial)
        tags = {"gluetune.winner": "true", "gluetune.folder": event.folder, NOTE: trial_note(trial, plan)}
        return [
            *previous,
            RunUpdate(run, event.time, points, tags=tags, files=class_tables(event.classes), datasets=rows),
            RunUpdate(
                task,
                event.time,
                points,
                tags={"gluetune.winner": trial.name, NOTE: task_note(trial, plan)},
                datasets=rows,
            ),
            RunUpdate(self._search, event.time, tuple(ranked), tags={NOTE: search_note(self._plan, self._winners)}),
        ]

    @_updates.register
    def _(self, event: EncoderSaved, trial: TrialRecord) -> list[RunUpdate]:
        scores = trial.pretraining[-1].validation if trial.pretraining else {}
        points = tuple(MetricPoint(f"validation.{name}", value, event.time, 0) for name, value in scores.items())
        tags = {"gluetune.folder": event.folder, NOTE: pretraining_note(trial)}
        return [
            RunUpdate(run, event.time, points, tags=tags) for run in (self.trial_run(trial), self._tasks[trial.task])
        ]

    def _evaluation_update(
        self, event: Evaluated | PretrainingEvaluated, trial: TrialRecord, values: Mapping[str, float]
    ) -> RunUpdate:
        points = tuple(MetricPoint(name, value, event.time, event.step) for name, value in values.items())
        tags = {"gluetune.lane": event.lane, "gluetune.status": "running"}
        status = self._resumed_status(event.number)
        params = as_text(trial.parameters) if event.index == 1 else {}
        return RunUpdate(self.trial_run(trial), event.time, points, params=params, tags=tags, status=status)

    def _fold_updates(self, event: TrialEnded, trial: TrialRecord, best: Evaluated) -> list[RunUpdate]:
        """Return the updates with the mean curve of a cross-validation, and the deviation of its folds' scores."""
        spread, scores = deviation(trial.fold_scores), dict(enumerate(trial.fold_scores, 1))
        ranked = {"best_score": best.score, "best_score_epoch": best.epoch}
        ranked |= {} if spread is None else {"best_score_deviation": spread}
        points = [MetricPoint(name, value, event.time, best.step) for name, value in ranked.items()]
        points += [MetricPoint("fold_score", value, event.time, fold) for fold, value in scores.items()]
        points += [
            MetricPoint(name, value, event.time, mean.step)
            for mean in trial.evaluations
            for name, value in _evaluation_values(mean).items()
        ]
        tags = {"gluetune.folds": f"{trial.complete_folds} of {trial.folds}"}
        update = RunUpdate(self.trial_run(trial), event.time, tuple(points), tags=tags)
        complete = trial.complete_folds == trial.folds
        return [update, *(self._best_score_updates(best, trial) if complete else ())]

    def _demote_previous_best(self, event: WinnerEvaluated, trial: TrialRecord) -> list[RunUpdate]:
        """Remove the winner's tags from the previous winner, when a resumed search has found a better trial."""
        before, self._winners[event.task] = self._winners.get(event.task), trial
        if before is None or before.number == trial.number:
            return []
        # the task's folder now holds the new winner's weights
        tags = {"gluetune.winner": "false", "gluetune.folder": "", NOTE: trial_note(before, self._plans[event.task])}
        return [RunUpdate(self.trial_run(before), event.time, tags=tags)]

    def _resumed_status(self, number: int) -> str | None:
        """Return the status of a trial that is resumed after it ended; ``None`` for others, which are RUNNING."""
        if number not in self._ended:
            return None
        self._ended.discard(number)
        return "RUNNING"

    def _best_score_updates(self, event: Evaluated, trial: TrialRecord) -> list[RunUpdate]:
        """Return the updates of the search's and the task's run, where the task has a new best score."""
        self._evaluations[trial.task] += 1
        if not event.score > self._best.get(trial.task, float("-inf")):
            return []
        self._best[trial.task] = event.score
        step = self._evaluations[trial.task]
        task, search = MetricPoint("best_score", event.score, event.time, step), f"best_score/{trial.task}"
        return [
            RunUpdate(self._tasks[trial.task], event.time, (task,), tags={"gluetune.best_trial": trial.name}),
            RunUpdate(self._search, event.time, (replace(task, key=search),)),
        ]


def _evaluation_values(event: Evaluated) -> dict[str, float]:
    """Return the metrics of an evaluation by their names in MLflow."""
    values = {name: float(getattr(event, attribute)) for name, attribute in EVALUATION_METRICS.items()}
    values |= {f"eval_{name}": value for name, value in event.metrics.items()}
    if event.train_accuracy is not None:
        values["train_accuracy"] = event.train_accuracy
    if event.idle_seconds_before is not None:
        values["idle_seconds_before"] = event.idle_seconds_before
    return values


def _ranking_values(event: Evaluated, trial: TrialRecord) -> dict[str, float]:
    """Return the metrics by which trials are ranked, where this evaluation is the best of its trial so far."""
    best = trial.best
    return {"best_score": best.score, "best_score_epoch": best.epoch} if best and best.index == event.index else {}
