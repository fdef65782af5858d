"""The timeline of the lanes: which trial each trained when, and when it was idle."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape

from gluetune.events import TrialRecord
from gluetune.reporting.page.plots import Figure, hover_text

_MINUTE = 60.0


def lane_timeline(trials: Sequence[TrialRecord], titles: Mapping[str, str]) -> Figure:
    """Plot what each lane did over time, one bar for each trial; between bars the lane was idle.

    Args:
        trials: the trials of all tasks.
        titles: names of the tasks in the legend.
    """
    spans = lane_spans(trials)
    lanes = {lane: f"lane {place}" for place, lane in enumerate(dict.fromkeys(span.lane for span in spans), 1)}
    begin = min((span.start for span in spans), default=0.0)
    data = []
    for place, (task, title) in enumerate(titles.items()):
        own = [span for span in spans if span.trial.task == task]
        if own:
            data.append(
                {
                    "type": "bar",
                    "orientation": "h",
                    "name": escape(title),
                    "y": [lanes[span.lane] for span in own],
                    "base": [(span.start - begin) / _MINUTE for span in own],
                    "x": [(span.end - span.start) / _MINUTE for span in own],
                    "text": [hover_text(span.trial) for span in own],
                    "textposition": "none",
                    "hovertemplate": "%{text}<br>%{x:.2f} min from %{base:.2f}<extra>%{y}</extra>",
                    "marker": {"color": f"palette:{place}", "line": {"width": 0.5, "color": "background"}},
                    "width": 0.7,
                }
            )
    layout = {
        "barmode": "overlay",
        "xaxis": {"title": {"text": "minutes since the first trial"}},
        "yaxis": {"autorange": "reversed", "type": "category"},
    }
    return {"data": data, "layout": layout}


@dataclass
class LaneSpan:
    """Time that a lane spent with a trial, in seconds since the epoch.

    Attributes:
        lane: the lane's name.
        trial: the trial.
        start: when its training began.
        end: when its last evaluation was reported.
    """

    lane: str
    trial: TrialRecord
    start: float
    end: float


def lane_spans(trials: Iterable[TrialRecord]) -> list[LaneSpan]:
    """Return what lanes did, in the order of time; a trial that two sessions or lanes trained has a span for each."""
    spans: list[LaneSpan] = []
    for trial in trials:
        own: dict[str, LaneSpan] = {}
        for each in trial.all_evaluations:
            start = each.time - each.train_seconds - each.eval_seconds
            span = own.get(each.lane)
            if span is None:
                own[each.lane] = LaneSpan(each.lane, trial, start, each.time)
            else:
                span.end = max(span.end, each.time)
        spans += own.values()
    return sorted(spans, key=lambda span: span.start)
