"""Plotly figures of trials over epochs and over trials: learning curves, best so far, expected performance.

A figure has few traces however many trials there are, because a browser is slow with a thousand of them: the lines of
many trials are one trace with gaps. Colours are positions in the page's palette, so that they suit light and dark.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

from gluetune.events import TrialRecord, TrialStatus, format_params
from gluetune.statistics import ExpectedBest
from gluetune.tasks.metrics import value_of_score

Figure = dict[str, Any]
"""A plotly figure: ``data`` and ``layout``."""
BEST, FINISHED, PRUNED, FAILED = "best trial", "finished", "pruned", "not finished"
_COLOURS = {BEST: "palette:1", FINISHED: "palette:0", PRUNED: "palette:7", FAILED: "palette:3"}
_MAX_POINTS = 400  # of curves, up to which each evaluation is a point
_BUNDLE = 50  # trials of a trace: the lines of one do not show through each other, those of several do


def learning_curves(trials: Sequence[TrialRecord], metric: str, label: str, best: TrialRecord | None) -> Figure:
    """Plot the metric of each evaluation over the epochs, one trace for each way in which trials end.

    Args:
        trials: the trials of one task.
        metric: its primary metric.
        label: what the axis calls it.
        best: the best trial, drawn above the others.
    """
    groups: dict[str, list[TrialRecord]] = {FINISHED: [], PRUNED: [], FAILED: [], BEST: []}
    for trial in trials:
        if trial.evaluations:
            groups[BEST if best is not None and trial.number == best.number else _group(trial)].append(trial)
    few = sum(len(trial.evaluations) for trial in trials) <= _MAX_POINTS  # else a trial of one evaluation has none
    data = [
        _lines(name, own[begin : begin + _BUNDLE], metric, first=begin == 0, points=few)
        for name, own in groups.items()
        for begin in range(0, len(own), _BUNDLE)
    ]
    if groups[PRUNED]:
        data.append(_ends(groups[PRUNED], metric))
    return {"data": data, "layout": {"xaxis": {"title": {"text": "epoch"}}, "yaxis": {"title": {"text": label}}}}


def _group(trial: TrialRecord) -> str:
    if trial.status is TrialStatus.PRUNED:
        return PRUNED
    return FINISHED if trial.status in (TrialStatus.FINISHED, TrialStatus.RUNNING) else FAILED


def _lines(name: str, trials: Iterable[TrialRecord], metric: str, *, first: bool, points: bool) -> dict[str, Any]:
    """Return the curves of several trials as one trace, with points or without; one of a kind is in the legend."""
    xs: list[float | None] = []
    ys: list[float | None] = []
    texts: list[str | None] = []
    for trial in trials:
        hover = hover_text(trial)
        for each in trial.evaluations:
            xs.append(each.epoch)
            ys.append(finite(value_of_score(metric, each.score)))
            texts.append(hover)
        xs.append(None)
        ys.append(None)
        texts.append(None)
    thick = name == BEST
    return {
        "type": "scatter",
        "mode": "lines+markers" if thick or points else "lines",
        "name": name,
        "legendgroup": name,
        "showlegend": first,
        "x": xs,
        "y": ys,
        "text": texts,
        "hovertemplate": "%{text}<br>epoch %{x:.2~f}: %{y:.4f}<extra></extra>",
        "line": {"color": _COLOURS[name], "width": 3 if thick else 1},
        "marker": {"color": _COLOURS[name], "size": 7 if thick else 4},
        "opacity": 1 if thick else 0.5,
    }


def _ends(trials: Iterable[TrialRecord], metric: str) -> dict[str, Any]:
    """Return a cross where each pruned trial was stopped."""
    last = [(trial, trial.evaluations[-1]) for trial in trials]
    return {
        "type": "scatter",
        "mode": "markers",
        "name": "stopped here",
        "x": [each.epoch for _, each in last],
        "y": [finite(value_of_score(metric, each.score)) for _, each in last],
        "text": [hover_text(trial) for trial, _ in last],
        "hovertemplate": "%{text}<br>pruned after epoch %{x:.2~f}: %{y:.4f}<extra></extra>",
        "marker": {"symbol": "x-thin-open", "color": _COLOURS[PRUNED], "size": 7},
    }


def expected_performance(curves: Mapping[str, Sequence[ExpectedBest]], metric: str, label: str) -> Figure:
    """Plot the expected best metric by number of trials, with its 95% interval, for one or several runs.

    Args:
        curves: the points by name of the run.
        metric: the task's primary metric.
        label: what the axis calls it.
    """
    data: list[dict[str, Any]] = []
    for place, (name, points) in enumerate(curves.items()):
        colour, trials = f"palette:{place}", [point.trials for point in points]
        values = [(value_of_score(metric, each.low), value_of_score(metric, each.high)) for each in points]
        band = [*(max(pair) for pair in values), *(min(pair) for pair in reversed(values))]
        data += [
            {
                "type": "scatter",
                "mode": "lines",
                "name": f"{escape(name)}: 95% interval",
                "x": [*trials, *reversed(trials)],
                "y": band,
                "fill": "toself",
                "fillcolor": f"{colour}:0.2",
                "line": {"width": 0, "color": colour},
                "hoverinfo": "skip",
                "showlegend": False,
            },
            {
                "type": "scatter",
                "mode": "lines+markers",
                "name": escape(name),
                "x": trials,
                "y": [value_of_score(metric, point.score) for point in points],
                "line": {"color": colour, "width": 2},
                "marker": {"color": colour, "size": 5},
                "hovertemplate": "%{x} trials: %{y:.4f}<extra></extra>",
                "showlegend": len(curves) > 1,
            },
        ]
    axis = {"title": {"text": "trials"}, "type": "log" if _many(curves.values()) else "linear"}
    return {"data": data, "layout": {"xaxis": axis, "yaxis": {"title": {"text": f"expected best {label}"}}}}


def _many(curves: Iterable[Sequence[ExpectedBest]]) -> bool:
    return max((points[-1].trials for points in curves if points), default=0) > 100


def best_so_far(runs: Mapping[str, Sequence[TrialRecord]], metric: str, label: str) -> Figure:
    """Plot the best metric so far by number of ended trials, in the order in which they ended.

    Args:
        runs: the trials of one task by name of the run.
        metric: the task's primary metric.
        label: what the axis calls it.
    """
    data = []
    for place, (name, trials) in enumerate(runs.items()):
        ended = sorted((t for t in trials if t.ended is not None), key=lambda trial: trial.ended or 0.0)
        best, hover = -math.inf, ""
        ys: list[float | None] = []
        texts: list[str] = []
        for trial in ended:
            if trial.best_score is not None and trial.best_score > best:
                best, hover = trial.best_score, hover_text(trial)
            ys.append(finite(value_of_score(metric, best)))
            texts.append(hover)
        data.append(
            {
                "type": "scatter",
                "mode": "lines",
                "name": escape(name),
                "x": list(range(1, len(ended) + 1)),
                "y": ys,
                "text": texts,
                "line": {"shape": "hv", "width": 2, "color": f"palette:{place}"},
                "hovertemplate": "after %{x} trials: %{y:.4f}<br>%{text}<extra></extra>",
                "showlegend": len(runs) > 1,
            }
        )
    axes = {"xaxis": {"title": {"text": "ended trials"}}, "yaxis": {"title": {"text": f"best {label} so far"}}}
    return {"data": data, "layout": axes}


def hover_text(trial: TrialRecord) -> str:
    """Return the name and the configuration of a trial, as plotly shows them: without meaning to its markup."""
    params = format_params(trial.params, ", ")
    return escape(f"{trial.name}: {params}" if params else trial.name)


def finite(value: float) -> float | None:
    """Return a number; ``None``, which JSON has, for one that is not finite."""
    return value if math.isfinite(value) else None
