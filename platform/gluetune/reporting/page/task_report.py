"""What the HTML report says of one task of a run: its results in words, its plots, and its tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from gluetune.config import MIN_GAIN_TRIALS, MODEL_FIELD, SearchSpace, Value
from gluetune.events import TrialRecord, format_params, winners
from gluetune.reporting import formatting
from gluetune.reporting.confirmation_schema import ConfirmedTask
from gluetune.reporting.encoders import distinct_names
from gluetune.reporting.page import plots, tables
from gluetune.reporting.page.confirmation import confirmation_plot, tests_table
from gluetune.reporting.page.parallel_plot import parallel_coordinates
from gluetune.reporting.page.parts import HyperparameterPlots, Plot, PlotMaker, TaskReport
from gluetune.reporting.progress import busy_seconds
from gluetune.reporting.run_files import TaskLabels
from gluetune.reporting.schema import TaskSummary
from gluetune.statistics import ExpectedBest, count_scored, expected_best

_SLICES = "Later trials have a stronger colour; a cross did not train to its last epoch."
_AXIS_WIDTH = 120  # pixels of each axis of parallel coordinates, at least


@dataclass(frozen=True)
class TaskInputs:
    """What a task's part of the report is made from.

    Attributes:
        labels: title and metric of the task.
        trials: its trials, best first.
        summary: its part of ``summary.json``; ``None`` where there is none.
        current: whether no event was recorded since that was written.
        curve: points of expected validation performance.
        space: the search space; ``None`` where it is not known.
        card: the data card, as Markdown; empty where there is none.
        confirmed: what fresh seeds say of its best configurations; ``None`` where there is no confirmation.
    """

    labels: TaskLabels
    trials: Sequence[TrialRecord]
    summary: TaskSummary | None
    current: bool
    curve: Sequence[ExpectedBest]
    space: SearchSpace | None
    card: str
    confirmed: ConfirmedTask | None = None

    @property
    def metric(self) -> str:
        """Name of the primary metric."""
        return self.labels.metric

    @property
    def label(self) -> str:
        """What axes and columns call the metric."""
        return formatting.metric(self.labels.metric)

    @property
    def evaluated(self) -> list[TrialRecord]:
        """The trials that have an evaluation."""
        return [trial for trial in self.trials if trial.evaluations]


def task_report(inputs: TaskInputs, make_plots: PlotMaker) -> TaskReport:
    """Collect what the report says of one task of a run.

    Args:
        inputs: trials and settings.
        make_plots: makes the plots of hyperparameters.
    """
    report = TaskReport(inputs.labels.title, list(_sentences(inputs)), card=inputs.card)
    best = next(iter(winners(inputs.trials, [trial.task for trial in inputs.trials[:1]])), None)
    if inputs.confirmed is not None:
        report.groups["Confirmation with fresh seeds"] = [confirmation_plot(inputs.confirmed)]
        tests = tests_table(inputs.confirmed)
        report.tables += [] if tests is None else [tests]
    if inputs.evaluated:
        report.groups |= _hyperparameters(inputs, make_plots) | _progress(inputs, best)
    if best is not None and best.winner is not None:
        report.tables += tables.class_tables(best.winner.classes, best.winner.thresholds)
    if inputs.trials:
        report.tables.append(tables.trials_table(inputs.trials, inputs.metric, inputs.label))
    return report


def expected_points(trials: Sequence[TrialRecord], summary: TaskSummary | None) -> list[ExpectedBest]:
    """Return the points of a task's expected validation performance; none for too few evaluated trials.

    Args:
        trials: its trials.
        summary: its part of a summary of all these trials; ``None`` where there is none.
    """
    if summary is not None:
        return [
            ExpectedBest(point.trials, point.seconds, point.score, point.low, point.high)
            for point in summary.expected_best
        ]
    ended = [trial for trial in trials if trial.status.final]
    scores = [trial.best_score for trial in ended]
    if count_scored(scores) < MIN_GAIN_TRIALS:
        return []
    return expected_best(scores, seconds=list(map(busy_seconds, ended)))


def _hyperparameters(inputs: TaskInputs, make_plots: PlotMaker) -> dict[str, list[Plot]]:
    """Return the plots of searched fields by heading."""
    space = inputs.space
    if space is None or not space.fields:
        return {}
    models = distinct_names(dict.fromkeys(trial.model for trial in inputs.trials if trial.model))
    names: dict[Value, str] = dict(models.items())
    made = make_plots(inputs.trials, space, inputs.metric, inputs.label, names)
    found: dict[str, list[Plot]] = {}
    if made.slices:
        found["Score by hyperparameter"] = [
            Plot(f"{inputs.label} by {name}", figure, _SLICES, height=300) for name, figure in made.slices.items()
        ]
    if which := _importances(made, inputs.label):
        found["Importances and interactions"] = which
    if made.pareto is not None:
        found["Score and speed"] = [Plot(f"{inputs.label} and milliseconds per row", made.pareto, wide=True)]
    labels: dict[str, Mapping[Value, str]] = {MODEL_FIELD: names} if names else {}
    figure = parallel_coordinates(inputs.evaluated, space, inputs.metric, inputs.label, labels)
    note = "Each line is a trial: the stronger its colour, the better."
    width = _AXIS_WIDTH * (len(space.fields) + 1)
    found["All hyperparameters"] = [Plot("Parallel coordinates", figure, note, height=380, wide=True, min_width=width)]
    return found


def _importances(made: HyperparameterPlots, label: str) -> list[Plot]:
    found = []
    if made.importance is not None:
        note = "What separates the best tenth of the trials from all of them, by PED-ANOVA (Watanabe et al. 2023)."
        table = tables.importance_table(made.importances)
        found.append(Plot("Importance of each hyperparameter", made.importance, note, table=table))
    return found + [Plot(f"{label} by {x} and {y}", figure) for (x, y), figure in made.contours.items()]


def _progress(inputs: TaskInputs, best: TrialRecord | None) -> dict[str, list[Plot]]:
    """Return the plots over epochs and over trials by heading."""
    metric, label = inputs.metric, inputs.label
    curves = Plot(
        f"{label} on the selection rows at each evaluation",
        plots.learning_curves(inputs.evaluated, metric, label, best),
        "One line for each trial; a cross marks where the scheduler pruned one.",
        wide=True,
    )
    search = [Plot(f"Best {label} so far", plots.best_so_far({"": inputs.trials}, metric, label))]
    if inputs.curve:
        figure = plots.expected_performance({"": inputs.curve}, metric, label)
        note = "The best that so many of the trials find on average (Tang et al. 2020), with its 95% interval."
        table = tables.expected_table(inputs.curve, metric, label)
        search.append(Plot("Expected validation performance", figure, note, table=table))
    return {"Learning curves": [curves], "Progress of the search": search}


def _sentences(inputs: TaskInputs) -> Iterator[str]:
    """Yield what is known of a task in words."""
    summary = inputs.summary
    if summary is not None:
        rows = f"{summary.train_rows:,} training rows, {summary.selection_rows:,} selection rows"
        yield f"{rows}; {summary.source}."
    best = inputs.trials[0] if inputs.trials else None
    if best is None or best.best is None:
        yield "No trial has been evaluated yet."
        return
    value = formatting.ranking_metric(inputs.metric, best.best_score)
    by = f"{best.name} ({format_params(best.params)})" if best.params else best.name
    yield f"The best {inputs.label} on the selection rows is {value}, by {by}."
    if summary is not None and inputs.current and summary.further_trials is not None:
        further = summary.further_trials
        gain = f"{further.gain:.4f}" if further.gain >= 0.00005 else "less than 0.0001"
        count = formatting.count(further.trials, "further trial")
        yield f"{count} like those so far would be expected to gain {gain} {inputs.label} on the selection rows."
