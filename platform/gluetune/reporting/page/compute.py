"""What the HTML report says of the compute that a run used: its lanes over time, what they did, and what it cost."""

from __future__ import annotations

from collections.abc import Iterator

from gluetune.reporting import formatting
from gluetune.reporting.costs import CostReport, cost_lines, price, recorded_cost_lines
from gluetune.reporting.page import tables
from gluetune.reporting.page.lane_plot import lane_timeline
from gluetune.reporting.page.parts import Plot
from gluetune.reporting.page.tables import Table
from gluetune.reporting.recorded_runs import RecordedRun
from gluetune.reporting.run_files import RunFiles
from gluetune.reporting.schema import CostsSummary, Summary

_BAR = 34  # pixels of a lane


def lanes_plot(files: RunFiles) -> Plot | None:
    """Return the timeline of a run's lanes; ``None`` before the first evaluation."""
    evaluated = [trial for trial in files.trials if trial.evaluations]
    if not evaluated:
        return None
    titles = {task: labels.title for task, labels in files.labels.items()}
    table = tables.lanes_table(evaluated)
    note = "One bar for each trial, from its first step to its last evaluation; the lane was idle between bars."
    figure = lane_timeline(evaluated, titles)
    return Plot("What each lane did", figure, note, 150 + _BAR * len(table.rows), table, wide=True)


def compute_tables(files: RunFiles, run: RecordedRun, summary: Summary | None) -> list[Table]:
    """Return what the lanes spent their time on by task, and how well they were used.

    Args:
        files: the run's folder.
        run: what it records.
        summary: its summary, of all its trials; ``None`` where there is none.
    """
    found = []
    prices = (files.job.get("lanes") or {}).get("cost_per_hour")
    costs = CostReport.of(files.journal.history, prices, files.session_now)
    tasks = [(task.title, costs.task(task.task), sum(task.trials.values())) for task in run.tasks]
    rows = [_row(title, number, used) for title, used, number in tasks if used is not None]
    if rows:
        rows.append(_row("whole run", costs.trials, costs.total))
        header = ("task", "trials", "training", "evaluation", "idle", "start", "lost", "lanes", "CPUs", "GPUs", "cost")
        keep = [place for place in range(len(header)) if any(row[place] != "–" for row in rows)]
        cells = [tuple(row[place] for place in keep) for row in rows]
        caption = "Time of the lanes by what they spent it on, of their CPUs and GPUs, and cost"
        found.append(Table(caption, tuple(header[place] for place in keep), cells))
    return found + ([] if summary is None else [_lane_use(summary)])


def compute_notes(files: RunFiles, summary: Summary | None) -> Iterator[str]:
    """Yield in words what a run used and cost, how good its estimate was, and what is left of its budget.

    Args:
        files: the run's folder.
        summary: its summary, of all its trials; ``None`` where there is none.
    """
    if summary is not None:
        yield from cost_lines(summary)
        return
    history, confirmation = files.journal.history, files.confirmation_history
    for name, text in recorded_cost_lines(history, files.job, files.session_now, confirmation):
        yield f"{name}: {text}"


def _row(title: str, trials: int, costs: CostsSummary) -> tuple[str, ...]:
    lanes = costs.lane_seconds
    seconds = (lanes.training, lanes.evaluation, lanes.idle, lanes.start, lanes.lost, lanes.total)
    whole = (costs.cpu_seconds.total, costs.gpu_seconds.total or None)
    cost = "–" if costs.cost is None else price(costs.cost)
    return (title, f"{trials:,}", *map(formatting.duration, seconds), *map(formatting.duration, whole), cost)


def _lane_use(summary: Summary) -> Table:
    use = summary.lane_use
    share = "–" if use.utilisation is None else f"{use.utilisation:.0%}"
    gap = "–" if use.median_gap_seconds is None else f"{use.median_gap_seconds:.2f} s"
    header = ("lanes", "session", "in training and evaluation", "median gap between trials")
    cells = (str(use.lanes), formatting.duration(use.wall_seconds), share, gap)
    return Table("Use of the lanes in the last session", header, [cells])
