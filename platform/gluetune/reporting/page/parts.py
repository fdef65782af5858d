"""The parts of the HTML report: plots, tables and facts, by run and task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from gluetune.config import SearchSpace, Value
from gluetune.events import TrialRecord
from gluetune.reporting.page.plots import Figure
from gluetune.reporting.page.tables import Table
from gluetune.reporting.recorded_runs import RecordedRun
from gluetune.statistics import ExpectedBest


class HyperparameterPlots(Protocol):
    """Plots of a task's trials by Optuna, as `gluetune.search.study.StudyFigures` has them."""

    @property
    def slices(self) -> Mapping[str, Figure]:
        """Score against the values of each field, the most important field first."""

    @property
    def importances(self) -> Mapping[str, float]:
        """Importance of each field."""

    @property
    def importance(self) -> Figure | None:
        """Plot of the importances."""

    @property
    def contours(self) -> Mapping[tuple[str, str], Figure]:
        """Score by two fields."""

    @property
    def pareto(self) -> Figure | None:
        """Score and milliseconds per row."""


class PlotMaker(Protocol):
    """Makes the plots of a task's hyperparameters."""

    def __call__(
        self, trials: Sequence[TrialRecord], space: SearchSpace, metric: str, label: str, names: Mapping[Value, str]
    ) -> HyperparameterPlots:
        """Plot the trials of one task.

        Args:
            trials: the trials.
            space: the search space.
            metric: the task's primary metric.
            label: what axes call it.
            names: short names of encoders.
        """


@dataclass(frozen=True)
class Plot:
    """A plot with its caption.

    Attributes:
        title: what it shows.
        figure: the plotly figure.
        note: how to read it, in a sentence; may be empty.
        height: pixels.
        table: the same in text; ``None`` where another table of the page has it.
        wide: whether it takes the whole width.
        min_width: pixels; on a narrower screen the plot is scrolled sideways.
    """

    title: str
    figure: Figure
    note: str = ""
    height: int = 340
    table: Table | None = None
    wide: bool = False
    min_width: int = 0


@dataclass
class TaskReport:
    """What one run says of one task.

    Attributes:
        title: the task's name.
        sentences: its results in words.
        groups: plots by heading, in the order of the page.
        tables: tables that belong to no plot.
        card: the data card, as Markdown; empty where there is none.
    """

    title: str
    sentences: list[str]
    groups: dict[str, list[Plot]] = field(default_factory=dict)
    tables: list[Table] = field(default_factory=list)
    card: str = ""


@dataclass
class RunReport:
    """What the report says of one run.

    Attributes:
        run: what the run's folder records.
        facts: names and values of its heading.
        winners: the table of winners.
        sentences: what the run found, in words.
        tasks: by task.
        lanes: the timeline of its lanes; ``None`` before the first evaluation.
        compute: tables of the compute that it used.
        compute_notes: the same in words.
        settings: texts of the files that repeat it, by file name.
        versions: tables of versions, seeds and fingerprints.
        curves: points of expected validation performance by task.
        trials: by task.
    """

    run: RecordedRun
    facts: list[tuple[str, str]]
    winners: Table
    sentences: list[str]
    tasks: dict[str, TaskReport]
    lanes: Plot | None
    compute: list[Table]
    compute_notes: list[str]
    settings: dict[str, str]
    versions: list[Table]
    curves: dict[str, list[ExpectedBest]]
    trials: dict[str, list[TrialRecord]]

    def of(self, task: str) -> RunReport:
        """Return the report with the part of one task only."""
        return replace(self, tasks={task: self.tasks[task]})


@dataclass
class Page:
    """The report of one or several runs.

    Attributes:
        title: the page's title.
        runs: the runs.
        tasks: titles by task, of all runs.
        together: plots that show all runs, by task; empty for one run.
        comparison: tables of what differs between two runs; empty otherwise.
        notes: what must be known of a comparison.
        written: when the page was made.
    """

    title: str
    runs: list[RunReport]
    tasks: dict[str, str]
    together: dict[str, list[Plot]]
    comparison: list[Table]
    notes: tuple[str, ...]
    written: str

    def having(self, task: str) -> list[tuple[str, TaskReport]]:
        """Return the names of the runs that have a task, each with what it says of the task."""
        return [(report.run.name, report.tasks[task]) for report in self.runs if task in report.tasks]

    def groups(self, task: str) -> list[str]:
        """Return the headings of a task's plots, of all runs."""
        return list(dict.fromkeys(heading for _, report in self.having(task) for heading in report.groups))
