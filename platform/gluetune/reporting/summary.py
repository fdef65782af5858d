"""The files of a search's results, for other programs: ``summary.json``, and learning curves as PNG pictures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from statistics import median
from typing import TYPE_CHECKING, Any

from gluetune.config import FURTHER_TRIALS, MIN_GAIN_TRIALS
from gluetune.events import Evaluated, JournalEvent, SearchPlan, TaskPlan, TrialRecord, deviation, winners
from gluetune.reporting.confirmation_schema import ConfirmationSummary
from gluetune.reporting.costs import CostReport
from gluetune.reporting.encoders import compare_encoders, pareto_front
from gluetune.reporting.estimate import first_estimate
from gluetune.reporting.progress import busy_seconds
from gluetune.reporting.schema import (
    EstimateSummary,
    EvaluationSummary,
    ExpectedBestSummary,
    FurtherTrialsSummary,
    LaneSummary,
    SearchStatus,
    Summary,
    TaskSummary,
    TrialSummary,
    WinnerSummary,
)
from gluetune.statistics import count_scored, expected_best, further_gain

if TYPE_CHECKING:
    from gluetune.storage import Storage
    from gluetune.tracking import Registration
import io

from gluetune.reporting import formatting

FILE = "summary.json"


def summarise(
    plan: SearchPlan,
    trials: Iterable[TrialRecord],
    *,
    status: SearchStatus,
    session_started: float,
    now: float,
    models: Mapping[str, Registration] | None = None,
    history: Iterable[JournalEvent] = (),
    confirmation: ConfirmationSummary | None = None,
    confirmation_history: Iterable[JournalEvent] = (),
) -> Summary:
    """Build the summary of a search.

    Args:
        plan: the search.
        trials: all its trials.
        status: state of the search.
        session_started: when this session requested its lanes, in seconds since the epoch.
        now: current time, in seconds since the epoch.
        models: result of registering the winner in MLflow, by task.
        history: all events of its journal, for what it used of its lanes; empty where that is not reported.
        confirmation: what fresh seeds say of the best configurations.
        confirmation_history: all events of the confirmation's journal; empty where there is none.
    """
    events, seeds = list(history), list(confirmation_history)
    costs = CostReport.of(events, plan.cost_per_hour)
    confirming = CostReport.of(seeds, plan.cost_per_hour)
    searched = min((event.time for event in seeds if event.time >= session_started), default=now)
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
        objectives=list(plan.objectives),
        folder=plan.folder,
        tracking_uri=plan.tracking_uri,
        experiment=plan.experiment,
        started=min((trial.started for trial in known), default=None),
        written=max([now, *(event.time for event in events)]),  # the clock of a lane's machine may be ahead
        lane_use=_lane_use(plan.lanes, known, session_started, searched),
        costs=costs.total if costs.trials else None,
        held_seconds=costs.costs.spent.seconds if costs.trials and costs.costs.spent else None,
        sessions=costs.costs.sessions if costs.trials else None,
        estimate=_estimate(plan, events, costs, complete=status == "complete"),
        budget=costs.budget(plan.budget, confirming.costs.spent),
        confirmation_costs=confirming.total if confirming.costs.sessions else None,
        tasks=[_task(plan, task, known, (models or {}).get(task.task), costs) for task in plan.tasks],
        trials=[_trial(trial, costs) for trial in known],
        confirmation=confirmation,
    )


def _estimate(
    plan: SearchPlan, history: list[JournalEvent], costs: CostReport, *, complete: bool
) -> EstimateSummary | None:
    """Return the first estimate of a search, with its error where all planned trials were run."""
    first, used = first_estimate(plan, history), costs.costs.spent
    if first is None:
        return None
    seconds, all_run = first.total.seconds, complete and not costs.ended
    error = None if used is None or not all_run else (used.seconds - seconds) / seconds
    return EstimateSummary(at=first.at, **asdict(first.total), error=error)


def write_summary(folder: Storage, summary: Summary) -> str:
    """Write ``summary.json`` to the search's folder and return its path or URI."""
    folder.write(FILE, (summary.model_dump_json(indent=2) + "\n").encode())
    return folder.uri(FILE)


def _lane_use(lanes: int, trials: list[TrialRecord], started: float, now: float) -> LaneSummary:
    evaluations = [e for trial in trials for e in trial.all_evaluations]
    session = [e for e in evaluations if e.time >= started]
    gaps = [e.idle_seconds_before for e in evaluations if e.idle_seconds_before is not None]
    busy, wall = sum(e.train_seconds + e.eval_seconds for e in session), now - started
    return LaneSummary(
        lanes=lanes,
        wall_seconds=wall,
        busy_seconds=busy,
        utilisation=busy / (lanes * wall) if wall > 0 else None,
        median_gap_seconds=median(gaps) if gaps else None,
        gaps=len(gaps),
    )


def _task(
    search: SearchPlan, plan: TaskPlan, trials: list[TrialRecord], model: Registration | None, costs: CostReport
) -> TaskSummary:
    own = [trial for trial in trials if trial.task == plan.task]
    best = next(iter(winners(own, [plan.task])), None)
    return TaskSummary(
        task=plan.task,
        title=plan.title,
        source=plan.source,
        synthetic=plan.synthetic,
        fingerprints=plan.fingerprints,
        same_rows=plan.same_rows,
        columns=list(plan.columns),
        metric=plan.metric,
        folds=plan.folds,
        train_rows=plan.train_rows,
        selection_rows=plan.selection_rows,
        dev_rows=plan.dev_rows,
        baseline=plan.baseline,
        planned=plan.planned,
        trials=dict(Counter(str(trial.status) for trial in own)),
        seconds=sum(map(busy_seconds, own)),
        encoders=compare_encoders(search, plan.task, own),
        pareto=pareto_front(plan.task, own) if len(search.objectives) > 1 else [],
        winner=_winner(best, best.best, model) if best and best.best else None,
        ended_early=costs.ended_early(plan, search.budget.get("trials")),
        costs=costs.task(plan.task),
        **_expected(plan, [trial for trial in own if trial.status.final]),
    )


def _expected(plan: TaskPlan, ended: list[TrialRecord]) -> dict[str, Any]:
    """Return the fields of a task's summary on expected validation performance; none for too few evaluated trials."""
    scores = [trial.best_score for trial in ended]
    if count_scored(scores) < MIN_GAIN_TRIALS:
        return {}
    curve = expected_best(scores, seconds=list(map(busy_seconds, ended)))
    further = further_gain(
        scores, further=FURTHER_TRIALS, min_trials=MIN_GAIN_TRIALS, configurations=plan.configurations
    )
    return {
        "expected_best": [ExpectedBestSummary(**asdict(point)) for point in curve],
        "further_trials": None if further is None else FurtherTrialsSummary(**asdict(further)),
    }


def _winner(trial: TrialRecord, best: Evaluated, model: Registration | None) -> WinnerSummary:
    scored = trial.winner
    model = model if scored else None
    dev, untuned = (
        {split: dict[str, float | None](metrics) for split, metrics in scores.items()}
        for scores in ((scored.scores, scored.untuned_scores) if scored else ({}, {}))
    )
    return WinnerSummary(
        trial=trial.number,
        name=trial.name,
        score=best.score,
        precision=best.precision,
        selection_scores=dict(trial.selection_scores),
        params=trial.params,
        epochs=trial.evaluations[-1].epoch,
        best_epoch=best.epoch,
        fold_scores=trial.fold_scores,
        score_deviation=deviation(trial.fold_scores),
        refit_rows=scored.refit_rows if scored else None,
        refit_epochs=scored.refit_epochs if scored else None,
        members=scored.members if scored else None,
        seconds=busy_seconds(trial),
        dev_scores=dev,
        thresholds=dict(scored.thresholds) if scored else {},
        untuned_dev_scores=untuned,
        tuned_selection_scores=dict(scored.tuned_selection_scores) if scored else {},
        classes=dict(scored.classes) if scored else {},
        folder=scored.folder if scored else None,
        model_uri=model.uri if model else None,
        champion=model.champion if model else None,
        registration=model.outcome if model else None,
    )


def _trial(trial: TrialRecord, costs: CostReport) -> TrialSummary:
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
        fold_scores=trial.fold_scores,
        ms_per_row=trial.ms_per_row,
        **trial.parameters,
        costs=costs.trial(trial.number),
        evaluations=[EvaluationSummary(**event.model_dump()) for event in trial.evaluations],
    )


CURVE_NAME = "learning_curve.png"
MAX_CURVES = 4  # metrics in a picture


def curve_file(task: str) -> str:
    """Path of the learning curve of a task's winner, relative to the search's folder."""
    return f"report/{task}_{CURVE_NAME}"


def learning_curve(trial: TrialRecord) -> bytes:
    """Draw the losses and score of training and validation over the epochs.

    Args:
        trial: a trial with at least one evaluation.

    Returns:
        The bytes of a PNG file.
    """
    from matplotlib.figure import Figure  # slow to import

    figure = Figure(figsize=(9, 4), layout="constrained")
    losses, scores = figure.subplots(1, 2)
    epochs = [evaluation.epoch for evaluation in trial.evaluations]
    if trial.logs and not trial.folds:
        losses.plot(
            [log.epoch for log in trial.logs], [log.loss for log in trial.logs], color="0.8", label="training, running"
        )
    losses.plot(epochs, [e.train_loss for e in trial.evaluations], "C0-o", label="training")
    losses.plot(epochs, [e.eval_loss for e in trial.evaluations], "C1-o", label="validation")
    losses.set(xlabel="epoch", ylabel="loss", title=f"{trial.name}: loss")
    losses.legend()
    if trial.evaluations[0].train_accuracy is not None:
        accuracies = [e.train_accuracy for e in trial.evaluations]
        scores.plot(epochs, accuracies, "C0-o", label="training accuracy")
    for color, (name, values) in enumerate(_series(trial).items(), 1):
        scores.plot(epochs, values, f"C{color}-o", label=f"validation {formatting.metric(name)}")
    scores.set(xlabel="epoch", title=f"{trial.name}: scores")
    scores.legend()
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=120)
    return file.getvalue()


def _series(trial: TrialRecord) -> dict[str, list[float]]:
    names = list(trial.evaluations[0].metrics)[:MAX_CURVES]  # the one that ranks comes first in tasks from files
    return {name: [e.metrics[name] for e in trial.evaluations] for name in names}
