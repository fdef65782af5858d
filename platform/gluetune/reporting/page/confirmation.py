"""What the HTML report says of a confirmation: configurations that were trained again with fresh seeds, and tests."""

from __future__ import annotations

from html import escape

from gluetune.events import format_params
from gluetune.reporting import formatting
from gluetune.reporting.confirmation_schema import ConfirmationSummary, ConfirmedTask
from gluetune.reporting.confirmation_words import configuration_name, format_interval, format_mean, format_p
from gluetune.reporting.page.parts import Plot
from gluetune.reporting.page.plots import Figure
from gluetune.reporting.page.tables import Table

_METHODS = {"bca": "BCa", "percentile": "percentile"}
_AGAINST = {"second": "the second-best configuration", "default": "the default"}


def confirmed_task(confirmation: ConfirmationSummary | None, task: str) -> ConfirmedTask | None:
    """Return the part of a confirmation that is of a task; ``None`` where there is none."""
    parts = confirmation.tasks if confirmation else []
    return next((part for part in parts if part.task == task and part.configurations), None)


def confirmed_interval(confirmation: ConfirmationSummary | None, task: str, trial: str) -> str:
    """Return the mean over fresh seeds of a trial's configuration, with its 95% interval; ``–`` where unknown."""
    part = confirmed_task(confirmation, task)
    found = [each for each in part.configurations if each.trial == trial] if part else []
    return f"{format_mean(found[0])} ({format_interval(found[0])})" if found and found[0].mean is not None else "–"


def confirmation_plot(part: ConfirmedTask) -> Plot:
    """Plot each seed's metric by configuration, with the mean and its interval, and what the search had selected by."""
    label = formatting.metric(part.metric)
    methods = sorted({_METHODS[each.interval_method] for each in part.configurations if each.interval_method})
    by = f", with its 95% interval over seeds and rows ({' and '.join(methods)})" if methods else ""
    note = f"Points are seeds, the mark is their mean{by}. {_rows(part)}"
    return Plot(
        f"{label} of configurations that were trained again with fresh seeds",
        confirmation_figure(part, label),
        note,
        table=configurations_table(part),
        wide=True,
    )


def confirmation_figure(part: ConfirmedTask, label: str) -> Figure:
    """Return the plotly figure of a task's confirmation.

    Args:
        part: the task's part of the confirmation.
        label: what the axis calls its metric.
    """
    names = [escape(configuration_name(each, no_rank="")) for each in part.configurations]
    seeds = [(name, seed) for name, each in zip(names, part.configurations, strict=True) for seed in each.seeds]
    scored = [(name, seed) for name, seed in seeds if seed.value is not None]
    known = [(name, each) for name, each in zip(names, part.configurations, strict=True) if each.mean is not None]
    points = {
        "type": "scatter",
        "mode": "markers",
        "name": "seeds",
        "x": [name for name, _ in scored],
        "y": [seed.value for _, seed in scored],
        "text": [f"seed {seed.seed}" for _, seed in scored],
        "hovertemplate": "%{text}: %{y:.4f}<extra>%{x}</extra>",
        "marker": {"color": "palette:7", "size": 7, "symbol": "circle-open"},
    }
    means = {
        "type": "scatter",
        "mode": "markers",
        "name": "mean and 95% interval",
        "x": [name for name, _ in known],
        "y": [each.mean for _, each in known],
        "text": [escape(format_params(each.params)) for _, each in known],
        "hovertemplate": "%{text}<br>mean %{y:.4f}<extra>%{x}</extra>",
        "marker": {"color": "palette:0", "size": 10, "symbol": "diamond"},
        "error_y": {
            "type": "data",
            "symmetric": False,
            "array": [None if each.high is None else each.high - (each.mean or 0.0) for _, each in known],
            "arrayminus": [None if each.low is None else (each.mean or 0.0) - each.low for _, each in known],
            "color": "palette:0",
        },
    }
    axis = {"type": "category", "categoryorder": "array", "categoryarray": names}
    return {"data": [points, means], "layout": {"xaxis": axis, "yaxis": {"title": {"text": label}}}}


def configurations_table(part: ConfirmedTask) -> Table:
    """Return the configurations of a task's confirmation, with the selection scores of search and fresh seeds."""
    rows = [
        (
            configuration_name(each, no_rank=""),
            format_params(each.params),
            format_mean(each),
            format_interval(each),
            formatting.score(each.minimum),
            formatting.score(each.maximum),
            str(each.scored),
            str(each.failed),
            formatting.score(each.search_selection),
            formatting.score(each.fresh_selection),
            "–" if each.selection_bias is None else f"{each.selection_bias:+.4f}",
        )
        for each in part.configurations
    ]
    header = (
        *("configuration", "settings", "mean ± sd", "95% interval", "minimum", "maximum", "seeds", "failed"),
        *("selection, search", "selection, fresh seeds", "luck of the search"),
    )
    return Table(f"Confirmation: {formatting.metric(part.metric)} on the {part.split} rows", header, rows)


def tests_table(part: ConfirmedTask) -> Table | None:
    """Return the tests of the first configuration against others; ``None`` where there are none."""
    rows = [
        (
            f"against {_AGAINST[test.against]}",
            f"{test.difference:+.4f}",
            f"{test.low:.4f} to {test.high:.4f}",
            format_p(test.p_value),
            format_p(test.adjusted_p_value),
            test.verdict,
        )
        for test in part.tests
    ]
    header = ("the first configuration", "difference", "95% interval", "p", "p with Holm's correction", "verdict")
    return Table("Paired tests over rows and seeds", header, rows) if rows else None


def _rows(part: ConfirmedTask) -> str:
    which = "chose nothing" if part.chose_nothing else "chose the best configuration, so that its score is too good"
    return f"The {part.rows:,} {part.split} rows {which}."
