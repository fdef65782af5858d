"""The plot of all searched fields at once: each trial is a line over them to its score."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from gluetune.config import MODEL_FIELD, Choice, Distribution, Float, Int, SearchSpace, Value
from gluetune.events import TrialRecord
from gluetune.reporting.page.plots import Figure, hover_text
from gluetune.tasks.metrics import value_of_score

_SHADES = 6  # groups of lines, by score
_MAX_TICKS = 12  # of an axis of listed values


def parallel_coordinates(
    trials: Sequence[TrialRecord],
    space: SearchSpace,
    metric: str,
    label: str,
    labels: Mapping[str, Mapping[Value, str]],
) -> Figure:
    """Plot each trial as a line over all searched fields to its metric, the better ones darker and above.

    Optuna's own plot has a trace for each trial.

    Args:
        trials: the trials of one task.
        space: the search space.
        metric: the task's primary metric.
        label: what the last axis is called.
        labels: text of each value by field, for fields whose values are not numbers.
    """
    scored = sorted((t for t in trials if t.best_score is not None), key=lambda trial: trial.best_score or 0.0)
    axes = [
        _Axis([trial.params.get(name) for trial in scored], _specs(space, name), labels.get(name, {}))
        for name in space.fields
    ]
    axes.append(_Axis([value_of_score(metric, trial.best_score or 0.0) for trial in scored], (), {}))
    data = [_lines(scored, axes, shade) for shade in range(_SHADES)]
    return {"data": data, "layout": _layout(axes, [*space.fields, label])}


def _lines(scored: Sequence[TrialRecord], axes: Sequence[_Axis], shade: int) -> dict[str, Any]:
    """Return the trace of the lines of one group of trials, with a gap between two lines.

    Args:
        scored: all trials, the lowest score first.
        axes: the axes.
        shade: number of the group, from 0 for the lowest scores.
    """
    own = range(len(scored) * shade // _SHADES, len(scored) * (shade + 1) // _SHADES)
    return {
        "type": "scatter",
        "mode": "lines",
        "x": [x for _ in own for x in (*range(len(axes)), None)],
        "y": [y for i in own for y in (*(axis.heights[i] for axis in axes), None)],
        "text": [text for i in own for text in ([hover_text(scored[i])] * len(axes) + [None])],
        "hovertemplate": "%{text}<extra></extra>",
        "line": {"color": f"scale:{shade / (_SHADES - 1):.2f}", "width": 1 + shade / _SHADES},
        "opacity": 0.75,
        "showlegend": False,
    }


def _layout(axes: Sequence[_Axis], names: Sequence[str]) -> dict[str, Any]:
    """Return the layout: a vertical line for each axis, with its name below and its ticks to the left."""
    places = list(range(len(axes)))
    return {
        "xaxis": {
            "tickvals": places,
            "ticktext": list(names),
            "showgrid": False,
            "zeroline": False,
            "range": [-0.05, len(axes) - 0.9],
        },
        "yaxis": {"visible": False, "range": [-0.06, 1.06], "fixedrange": True},
        "shapes": [
            {"type": "line", "x0": place, "x1": place, "y0": 0, "y1": 1, "line": {"width": 1, "color": "grid"}}
            for place in places
        ],
        "annotations": [_tick(place, height, text) for place, axis in enumerate(axes) for height, text in axis.ticks()],
        "hovermode": "closest",
        "margin": {"l": 90},
    }


def _tick(place: int, height: float, text: str) -> dict[str, Any]:
    return {
        "x": place,
        "y": height,
        "text": text,
        "showarrow": False,
        "xanchor": "right",
        "xshift": -3,
        "font": {"size": 10},
        "bgcolor": "background",
        "opacity": 0.85,
    }


def _specs(space: SearchSpace, name: str) -> list[Distribution]:
    """Return the distributions of a field, which encoders may have with different values."""
    if name == MODEL_FIELD:
        return [Choice(values=tuple(space.encoders))]
    return [part.space[name] for part in space.parts.values() if name in part.space]


class _Axis:
    """One axis of the plot of all fields: the height of each trial's value, from 0 to 1, and ticks.

    Args:
        values: the value of each trial; ``None`` for one that does not have the field.
        specs: the distributions of the field; without any, the values are numbers.
        labels: texts of values.
    """

    def __init__(
        self, values: Sequence[Value | None], specs: Sequence[Distribution], labels: Mapping[Value, str]
    ) -> None:
        known = [value for value in values if value is not None]
        numbers = [float(value) for value in known if not isinstance(value, bool | str)]
        self._labels = labels
        self._listed = any(isinstance(spec, Choice) for spec in specs) or len(numbers) < len(known)
        if self._listed:
            numeric = len(numbers) == len(known)
            self._values: list[Value] = [*sorted(set(numbers))] if numeric else list(dict.fromkeys(known))
            last = max(1, len(self._values) - 1)
            self.heights = [None if value is None else self._values.index(value) / last for value in values]
            return
        low, high = min(numbers, default=0.0), max(numbers, default=0.0)
        self._log = low > 0 and any(isinstance(spec, Float | Int) and spec.log for spec in specs)
        self._low, self._high = self._scale(low), self._scale(high)
        self.heights = [None if value is None else self._height(float(value)) for value in values]

    def ticks(self) -> list[tuple[float, str]]:
        """Return heights and texts of five ticks of numbers, and of the first of listed values."""
        if self._listed:
            last = max(1, len(self._values) - 1)
            return [(i / last, self._text(value)) for i, value in enumerate(self._values[:_MAX_TICKS])]
        if self._low == self._high:
            return [(0.5, f"{self._value(0.5):.3g}")]
        return [(step / 4, f"{self._value(step / 4):.3g}") for step in range(5)]

    def _text(self, value: Value) -> str:
        return f"{value:.3g}" if isinstance(value, float) else escape(self._labels.get(value, str(value)))

    def _scale(self, value: float) -> float:
        return math.log(value) if self._log else value

    def _height(self, value: float) -> float:
        span = self._high - self._low
        return (self._scale(value) - self._low) / span if span else 0.5

    def _value(self, height: float) -> float:
        value = self._low + height * (self._high - self._low)
        return math.exp(value) if self._log else value
