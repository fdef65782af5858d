"""Comparisons of a search's trials by encoder, and by score and speed: tables, and the picture of a Pareto front."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import PurePosixPath
from typing import Any

from rich.box import SIMPLE
from rich.table import Table
from rich.text import Text

from gluetune.events import EncoderPlan, SearchPlan, TaskPlan, TrialRecord, ranking, row_times, short_name, winners
from gluetune.reporting import formatting
from gluetune.reporting.schema import EncoderScore, ParetoPoint, Summary, TaskSummary
from gluetune.tasks.metrics import value_of_score

PARETO_NAME = "pareto.png"
_MILLISECONDS = "ms/row"


def compare_encoders(plan: SearchPlan, task: str, trials: Iterable[TrialRecord]) -> list[EncoderScore]:
    """Return how each encoder did on a task, the best first; empty where the search does not choose among encoders.

    Args:
        plan: the search.
        task: name of the task.
        trials: its trials; those of other tasks are ignored.
    """
    own = [trial for trial in trials if trial.task == task]
    scores = [
        _score(encoder, task, [trial for trial in own if trial.model == encoder.name]) for encoder in plan.encoders
    ]
    return sorted(scores, key=lambda each: float("inf") if each.score is None else -each.score)


def _score(encoder: EncoderPlan, task: str, trials: Sequence[TrialRecord]) -> EncoderScore:
    best = next(iter(winners(trials, [task])), None)
    times = [trial.ms_per_row for trial in trials if trial.ms_per_row is not None]
    return EncoderScore(
        model=encoder.name,
        parameters=encoder.parameters,
        trials=sum(bool(trial.evaluations) for trial in trials),
        best_trial=best.name if best else None,
        score=best.best_score if best else None,
        ms_per_row=min(times, default=None),
    )


def pareto_front(task: str, trials: Iterable[TrialRecord]) -> list[ParetoPoint]:
    """Return the ended trials of a task that no other trial beats in both score and milliseconds per row.

    Args:
        task: name of the task.
        trials: the trials; those of other tasks are ignored.

    Returns:
        The trials, the best score and so the longest time first; of trials that are equal in both, the first.
    """
    ended = [trial for trial in trials if trial.ended is not None]
    front: list[ParetoPoint] = []
    fastest = float("inf")
    for score, time, _, name in sorted(_timed(task, ended), key=lambda point: (-point[0], *point[1:])):
        if time < fastest:
            front.append(ParetoPoint(trial=name, score=score, ms_per_row=time))
            fastest = time
    return front


def _timed(task: str, trials: Iterable[TrialRecord]) -> list[tuple[float, float, int, str]]:
    """Return score, milliseconds per row, number and name of a task's trials."""
    known = ranking(trials, task)
    times = row_times(known)
    return [(t.best_score or 0.0, times[t.number], t.number, t.name) for t in known if t.number in times]


def comparison_tables(summary: Summary) -> Iterator[Table]:
    """Yield the table of the encoders, where there are several, and the Pareto front of each task that has one."""
    if any(task.encoders for task in summary.tasks):
        yield _encoder_table(summary.tasks)
    yield from (_pareto_table(summary, task) for task in summary.tasks if task.pareto)


def _encoder_table(tasks: Sequence[TaskSummary]) -> Table:
    """Return the table of the encoders of each task, the best first."""
    table = Table(box=SIMPLE, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("task", style="bold", no_wrap=True)
    table.add_column("encoder", overflow="fold")
    for name in ("weights", "trials", "selection", _MILLISECONDS):
        table.add_column(name, justify="right", no_wrap=True)
    for task in tasks:
        names = distinct_names(each.model for each in task.encoders)
        for place, each in enumerate(task.encoders):
            table.add_row(
                "" if place else task.title,
                Text(names[each.model]),
                formatting.millions(each.parameters),
                str(each.trials),
                formatting.ranking_metric(task.metric, each.score),
                milliseconds(each.ms_per_row),
            )
    return table


def distinct_names(encoders: Iterable[str]) -> dict[str, str]:
    """Return short names of encoders; of those with the same name, with as many of their folders as tell them apart."""
    names = {encoder: short_name(encoder) for encoder in encoders}
    for depth in range(2, max((len(PurePosixPath(encoder).parts) for encoder in names), default=0) + 1):
        counts = Counter(names.values())
        parts = {encoder: PurePosixPath(encoder).parts[-depth:] for encoder in names}
        names = {each: name if counts[name] == 1 else "/".join(parts[each]) for each, name in names.items()}
    return names


def _pareto_table(summary: Summary, task: TaskSummary) -> Table:
    """Return the table of the trials of a task that no other beats in score and time."""
    trials = {trial.name: trial for trial in summary.trials}
    table = Table(box=SIMPLE, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column(f"{task.title}: Pareto front", style="bold", no_wrap=True)
    for name in (formatting.metric(task.metric), _MILLISECONDS):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("configuration", overflow="fold")
    for point in task.pareto:
        score, params = formatting.ranking_metric(task.metric, point.score), trials[point.trial].params
        table.add_row(point.trial, score, milliseconds(point.ms_per_row), Text(formatting.format_params(params)))
    return table


def milliseconds(value: float | None) -> str:
    """Return milliseconds with three digits; ``–`` for ``None``."""
    return "–" if value is None else f"{value:#.3g}".rstrip(".")


def pareto_file(task: str) -> str:
    """Path of the picture of a task's Pareto front, relative to the search's folder."""
    return f"report/{task}_{PARETO_NAME}"


def pareto_picture(task: TaskPlan, trials: Iterable[TrialRecord]) -> bytes:
    """Draw the score of each trial of a task against its milliseconds per row, and the Pareto front.

    Args:
        task: the task.
        trials: its trials; those of other tasks are ignored.

    Returns:
        The bytes of a PNG file.
    """
    from matplotlib.figure import Figure  # slow to import
    from matplotlib.ticker import LogLocator, NullFormatter, ScalarFormatter

    known = list(trials)
    times = row_times(known)
    figure = Figure(figsize=(7, 4.5), layout="constrained")
    axes = figure.subplots()
    names = distinct_names(trial.model for trial in known)
    for model in names:
        own = [trial for trial in ranking(known, task.task) if trial.model == model and trial.number in times]
        values = [value_of_score(task.metric, trial.best_score or 0.0) for trial in own]
        axes.scatter([times[trial.number] for trial in own], values, label=names[model] or None)
    front = pareto_front(task.task, known)
    line = [value_of_score(task.metric, point.score or 0.0) for point in front]
    style: dict[str, Any] = {"color": "0.4", "markersize": 10, "fillstyle": "none", "drawstyle": "steps-pre"}
    axes.plot([point.ms_per_row for point in front], line, "o-", label="Pareto front", **style)
    metric = formatting.metric(task.metric)
    axes.set(xlabel="milliseconds per row", ylabel=metric, title=f"{task.title}: score and speed")
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter(ScalarFormatter())
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.legend()
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=120)
    return file.getvalue()
