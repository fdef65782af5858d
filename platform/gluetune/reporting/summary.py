"""Builds ``summary.json``: the results of a search and the record of every trial, for other programs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from statistics import median
from typing import TYPE_CHECKING

from gluetune.events import Evaluated, SearchPlan, TaskPlan, TrialRecord, winners
from gluetune.reporting.progress import busy_seconds
from gluetune.reporting.schema import (
    EvaluationSummary,
    LaneSummary,
    SearchStatus,
    Summary,
    TaskSummary,
    TrialSummary,
    WinnerSummary,
)

if TYPE_CHECKING:
    from gluetune.storage import Storage
    from gluetune.tracking import Registration

FILE = "summary.json"


def summarise(
    plan: SearchPlan,
    trials: Iterable[TrialRecord],
    *,
    status: SearchStatus,
    session_started: float,
    now: float,
    models: Mapping[str, Registration] | None = None,
) -> Summary:
    """Builds the summary of a search.

    Args:
        plan: the search.
        trials: all its trials.
        status: state of the search.
        session_started: when this session requested its lanes, in seconds since the epoch.
        now: current time, in seconds since the epoch.
        models: result of registering the winner in MLflow, by task.
    """
    known = sorted(trials, key=lambda trial: trial.number)
    return Summary(
        name=plan.name,
        status=status,
        seed=plan.seed,
        model=plan.model,
        parameters=plan.parameters,
        space=plan.space,
        space_source=plan.space_source,
        fields=list(plan.fields),
        algorithm=plan.algorithm,
        scheduler=plan.scheduler,
        folder=plan.folder,
        tracking_uri=plan.tracking_uri,
        experiment=plan.experiment,
        started=min((trial.started for trial in known), default=None),
        written=now,
        lane_use=_lane_use(plan.lanes, known, session_started, now),
        tasks=[_task(task, known, (models or {}).get(task.task)) for task in plan.tasks],
        trials=[_trial(trial) for trial in known],
    )


def write_summary(folder: Storage, summary: Summary) -> str:
    """Writes ``summary.json`` to the search's folder and returns its path or URI."""
    folder.write(FILE, (summary.model_dump_json(indent=2) + "\n").encode())
    return folder.uri(FILE)


def _lane_use(lanes: int, trials: list[TrialRecord], started: float, now: float) -> LaneSummary:
    session = [e for trial in trials for e in trial.evaluations if e.time >= started]
    gaps = [e.idle_seconds_before for trial in trials for e in trial.evaluations if e.idle_seconds_before is not None]
    busy, wall = sum(e.train_seconds + e.eval_seconds for e in session), now - started
    return LaneSummary(
        lanes=lanes,
        wall_seconds=wall,
        busy_seconds=busy,
        utilisation=busy / (lanes * wall) if wall > 0 else None,
        median_gap_seconds=median(gaps) if gaps else None,
        gaps=len(gaps),
    )


def _task(plan: TaskPlan, trials: list[TrialRecord], model: Registration | None) -> TaskSummary:
    own = [trial for trial in trials if trial.task == plan.task]
    best = next(iter(winners(own, [plan.task])), None)
    return TaskSummary(
        task=plan.task,
        title=plan.title,
        source=plan.source,
        synthetic=plan.synthetic,
        fingerprints=plan.fingerprints,
        same_rows=plan.same_rows,
        metric=plan.metric,
        train_rows=plan.train_rows,
        selection_rows=plan.selection_rows,
        dev_rows=plan.dev_rows,
        baseline=plan.baseline,
        planned=plan.planned,
        trials=dict(Counter(str(trial.status) for trial in own)),
        seconds=sum(map(busy_seconds, own)),
        winner=_winner(best, best.best, model) if best and best.best else None,
    )


def _winner(trial: TrialRecord, best: Evaluated, model: Registration | None) -> WinnerSummary:
    scored = trial.winner
    model = model if scored else None
    dev: dict[str, dict[str, float | None]] = {s: dict(m) for s, m in scored.scores.items()} if scored else {}
    return WinnerSummary(
        trial=trial.number,
        name=trial.name,
        score=best.score,
        precision=best.precision,
        selection_scores=dict(trial.selection_scores),
        params=trial.params,
        epochs=trial.evaluations[-1].epoch,
        best_epoch=best.epoch,
        seconds=busy_seconds(trial),
        dev_scores=dev,
        folder=scored.folder if scored else None,
        model_uri=model.uri if model else None,
        champion=model.champion if model else None,
        registration=model.outcome if model else None,
    )


def _trial(trial: TrialRecord) -> TrialSummary:
    return TrialSummary(
        number=trial.number,
        name=trial.name,
        task=trial.task,
        params=trial.params,
        training=trial.training,
        seed=trial.seed,
        status=str(trial.status),
        message=trial.message,
        started=trial.started,
        ended=trial.ended,
        seconds=busy_seconds(trial),
        best_score=trial.best_score,
        best_epoch=trial.best.epoch if trial.best else None,
        evaluations=[EvaluationSummary(**event.model_dump()) for event in trial.evaluations],
    )
