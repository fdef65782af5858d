"""What the HTML report says of a run as a whole, and of two runs side by side."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from gluetune.config import SearchSpace, parse_space, without_password
from gluetune.errors import UserError
from gluetune.events import (
    JOB_FILE,
    PRETRAINING_FILE,
    SPACE_FILE,
    TrialRecord,
    format_params,
    load_environments,
    winners,
)
from gluetune.reporting import formatting
from gluetune.reporting.confirmation_schema import ConfirmationSummary
from gluetune.reporting.page import plots, tables
from gluetune.reporting.page.compute import compute_notes, compute_tables, lanes_plot
from gluetune.reporting.page.confirmation import confirmed_interval, confirmed_task
from gluetune.reporting.page.parts import Page, Plot, PlotMaker, RunReport
from gluetune.reporting.page.tables import Table, sentence
from gluetune.reporting.page.task_report import TaskInputs, expected_points, task_report
from gluetune.reporting.progress import busy_seconds
from gluetune.reporting.recorded_runs import RecordedRun, ranked, recorded_run
from gluetune.reporting.run_comparison import compare_runs
from gluetune.reporting.run_files import RunFiles
from gluetune.reporting.runs_view import moment
from gluetune.reporting.schema import Summary, TaskSummary
from gluetune.tasks.metrics import value_of_score


def run_report(files: RunFiles, make_plots: PlotMaker, summary: Summary | None = None) -> RunReport:
    """Collect what the report says of one run.

    Args:
        files: the run's folder.
        make_plots: makes the plots of hyperparameters.
        summary: the run's summary where it is not yet in its folder.

    Raises:
        UserError: the run cannot be read.
    """
    run = recorded_run(files, strict=True)
    if summary is None:
        summary = _saved_summary(files)
    else:  # the process that reads the folder has its lock
        run = replace(run, state=summary.status)
    current = summary is not None and summary.written >= (files.updated or 0.0)
    known = {task.task: task for task in summary.tasks} if summary else {}
    trials = {task: ranked(files.trials, task) for task in files.labels}
    curves = {task: expected_points(own, known.get(task) if current else None) for task, own in trials.items()}
    space, confirmation = _space(files), summary.confirmation if summary else None
    titles = [labels.title for labels in files.labels.values()]
    tasks = {
        task: task_report(
            TaskInputs(
                labels,
                trials[task],
                known.get(task),
                current,
                curves[task],
                space,
                _card(files, task),
                confirmed_task(confirmation, task),
            ),
            make_plots,
        )
        for task, labels in files.labels.items()
    }
    return RunReport(
        run,
        list(_facts(files, run, summary)),
        _winners(files, known, confirmation),
        [sentence(line, titles) for line in confirmation.sentences] if confirmation else [],
        tasks,
        lanes_plot(files),
        compute_tables(files, run, summary if current else None),
        [sentence(line, titles) for line in compute_notes(files, summary if current else None)],
        _settings(files),
        [table for table in _records(files) if table],
        curves,
        trials,
    )


def page_of(runs: Sequence[tuple[RunFiles, RunReport]]) -> Page:
    """Put runs on one page.

    Args:
        runs: folder and report of each run, the first of them first.

    Raises:
        UserError: two runs that are compared cannot be read.
    """
    names = _distinct([report.run for _, report in runs])
    reports = [
        replace(report, run=replace(report.run, name=name)) for name, (_, report) in zip(names, runs, strict=True)
    ]
    _align(reports)
    titles = {task: each.title for report in reports for task, each in report.tasks.items()}
    comparison: list[Table] = []
    notes: tuple[str, ...] = ()
    if len(runs) == 2:
        compared = compare_runs(runs[0][0], runs[1][0])
        rows = [(key, *values) for key, values in compared.settings.items()]
        comparison = [Table("Settings in which the runs differ", ("setting", *names), rows)] if rows else []
        notes = compared.notes
    together = {task: list(_together(task, names, runs)) for task in titles} if len(runs) > 1 else {}
    written = time.strftime("%Y-%m-%d %H:%M:%S %Z", time.localtime())
    return Page(" and ".join(names), reports, titles, together, comparison, notes, written)


def _align(reports: Sequence[RunReport]) -> None:
    """Put the plots of each run in the order of the first one, so that those of one field stand side by side."""
    for task, first in reports[0].tasks.items():
        for other in (report.tasks[task] for report in reports[1:] if task in report.tasks):
            for heading, own in other.groups.items():
                titles = [plot.title for plot in first.groups.get(heading, ())]
                own.sort(key=lambda plot: titles.index(plot.title) if plot.title in titles else len(titles))


def _distinct(runs: Sequence[RecordedRun]) -> list[str]:
    names = [run.name for run in runs]
    return [run.folder if names.count(run.name) > 1 else run.name for run in runs]


def _together(task: str, names: Sequence[str], runs: Sequence[tuple[RunFiles, RunReport]]) -> Iterator[Plot]:
    """Yield plots of all runs of a task, where they have the same metric."""
    having = [(name, files, report) for name, (files, report) in zip(names, runs, strict=True) if task in report.tasks]
    metrics = {files.labels[task].metric for _, files, _ in having}
    if len(having) < 2 or len(metrics) > 1:
        return
    metric = metrics.pop()
    label = formatting.metric(metric)
    trials = {name: report.trials[task] for name, _, report in having}
    yield Plot(f"Best {label} so far", plots.best_so_far(trials, metric, label))
    curves = {name: report.curves[task] for name, _, report in having if report.curves[task]}
    if len(curves) > 1:
        figure = plots.expected_performance(curves, metric, label)
        yield Plot("Expected validation performance", figure, "Compare runs at an equal number of trials.")


def _saved_summary(files: RunFiles) -> Summary | None:
    try:
        return Summary.model_validate(files.summary) if files.summary else None
    except ValueError:  # of another version
        return None


def _space(files: RunFiles) -> SearchSpace | None:
    """Return the search space; ``None`` where a run has none, or that of another version cannot be read."""
    data = files.folder.read(SPACE_FILE)
    try:
        return None if data is None else parse_space(data, files.folder.uri(SPACE_FILE))
    except UserError:
        return None


def _card(files: RunFiles, task: str) -> str:
    """Return a task's data card, as Markdown; empty where it has none."""
    data = files.folder.read(f"report/{task}_data_card.md")
    return data.decode(errors="replace") if data else ""


def _facts(files: RunFiles, run: RecordedRun, summary: Summary | None) -> Iterator[tuple[str, str]]:
    if run.started is not None and run.updated is not None:
        yield "started", moment(run.started)
        yield "last event", f"{moment(run.updated)}, {formatting.duration(run.updated - run.started)} later"
    job = files.job
    search: dict[str, Any] = job.get("search") or {}
    names = (job.get("model") or {}).get("name_or_path")
    if summary is not None:
        yield "encoder", f"{summary.model} ({formatting.millions(summary.parameters)} weights)"
    elif names:
        yield "encoder", names if isinstance(names, str) else ", ".join(map(str, names))
    if run.kind == "search":
        scheduler = (search.get("scheduler") or {}).get("name", "none")
        yield "algorithm", f"{search.get('algorithm', '')}, scheduler {scheduler}"
        if summary is not None:
            source = f" ({summary.space_source})" if summary.space_source else ""
            yield "search space", f"{summary.space}: {', '.join(summary.fields)}{source}"
    yield "trials", tables.status_words(files.trials)
    yield "seed", str(job.get("seed", ""))
    yield "folder", run.folder
    if summary is not None:
        yield "MLflow", f"{without_password(summary.tracking_uri)}, experiment {summary.experiment}"


def _winners(files: RunFiles, known: Mapping[str, TaskSummary], confirmation: ConfirmationSummary | None) -> Table:
    best = {trial.task: trial for trial in winners(files.trials, files.labels)}
    rows: list[tuple[str, ...]] = []
    for task, labels in files.labels.items():
        trial, summary = best.get(task), known.get(task)
        baseline = formatting.score(summary.baseline if summary else None)
        if trial is None or trial.best is None:
            rows.append(
                (labels.title, formatting.metric(labels.metric), "–", baseline, "–", "–", "–", "–", "none yet", "")
            )
            continue
        scored = trial.winner.scores if trial.winner else {}
        dev = [f"{split} {formatting.score(values.get(labels.metric))}" for split, values in scored.items()]
        rows.append(
            (
                labels.title,
                formatting.metric(labels.metric),
                formatting.score(trial.selection_scores.get(labels.metric, _value(trial, labels.metric))),
                baseline,
                (", ".join(dev) or "–") if len(dev) != 1 else dev[0].rpartition(" ")[2],
                confirmed_interval(confirmation, task, trial.name),
                f"{trial.best.epoch:.3g} of {trial.evaluations[-1].epoch:.3g}",
                formatting.duration(busy_seconds(trial)),
                trial.name,
                format_params(trial.params),
            )
        )
    header: tuple[str, ...] = (
        *("task", "metric", "selection", "baseline", "dev/test", "fresh seeds (95% interval)"),
        *("epochs", "time", "winner", "configuration"),
    )
    if confirmation is None:
        place = header.index("fresh seeds (95% interval)")
        header, rows = (*header[:place], *header[place + 1 :]), [row[:place] + row[place + 1 :] for row in rows]
    return Table("Winners: the best trial of each task", header, rows)


def _value(trial: TrialRecord, metric: str) -> float | None:
    return None if trial.best_score is None else value_of_score(metric, trial.best_score)


def _settings(files: RunFiles) -> dict[str, str]:
    """Return the texts of the files that repeat a run."""
    found = {}
    for name in (JOB_FILE, SPACE_FILE, PRETRAINING_FILE):
        data = files.folder.read(name)
        if data is not None:
            found[name] = data.decode(errors="replace")
    return found


def _seeds(files: RunFiles) -> Table | None:
    seeds = sorted({trial.seed for trial in files.trials})
    if not seeds:
        return None
    shown = ", ".join(map(str, seeds[:10])) + (f", … {len(seeds) - 10:,} more" if len(seeds) > 10 else "")
    rows = [("the job", str(files.job.get("seed", "–"))), ("trials: head, data order, dropout", shown)]
    return Table("Seeds", ("of", "seed"), rows)


def _records(files: RunFiles) -> Iterator[Table | None]:
    """Yield what repeats a run beside its files: requests to it, seeds, versions, and fingerprints of the data."""
    yield tables.requests_table(files.journal.history)
    yield _seeds(files)
    yield from _versions(files)
    yield tables.fingerprint_table(files.inputs)


def _versions(files: RunFiles) -> Iterator[Table]:
    """Yield the versions that each session of a run was computed with, where they are recorded."""
    for session in load_environments(files.folder):
        rows = [("Python", session.python), *session.packages.items()]
        where = f"{session.platform}, {formatting.count(session.cpus, 'CPU')}"
        yield Table(f"Versions from {moment(session.started)} on ({where})", ("package", "version"), rows)
