"""Terminal output of recorded runs: their list, one run, its trials, and two runs side by side."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from typing import Any

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table
from rich.text import Text

from gluetune.config import without_password
from gluetune.events import SPACE_FILE, TrialRecord, TrialStatus, format_epochs, winner_folder
from gluetune.reporting import formatting
from gluetune.reporting.confirmation_view import print_confirmation
from gluetune.reporting.costs import recorded_cost_lines
from gluetune.reporting.progress import FAILED
from gluetune.reporting.recorded_runs import RecordedRun, RecordedTask, best_value, ranked, trial_seconds
from gluetune.reporting.run_comparison import RunComparison
from gluetune.reporting.run_files import RunFiles, RunState

_STYLES: dict[RunState, str] = {
    "running": "cyan",
    "complete": "green",
    "out_of_time": "yellow",
    "out_of_budget": "yellow",
    "interrupted": "yellow",
    "unfinished": "yellow",
    "failed": "red",
    "unreadable": "red",
}
UNENDED: tuple[RunState, ...] = ("running", "unfinished")
"""States of runs that may go on at this moment."""
_WIDE = 130  # columns from which the list shows the best trials' configurations


def print_runs(runs: Sequence[RecordedRun], console: Console) -> None:
    """Print the list of runs, one line for each of their tasks."""
    narrow = console.width < formatting.NARROW
    table = Table(box=SIMPLE, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("run", style="bold", overflow="fold")
    for name in ("state", *(() if narrow else ("started",)), "task"):
        table.add_column(name, no_wrap=True)
    table.add_column("trials", justify="right", no_wrap=True)
    if not narrow:
        table.add_column("metric", no_wrap=True)
    for name in ("best", "dev"):
        table.add_column(name, justify="right", no_wrap=True)
    if console.width >= _WIDE:
        table.add_column("configuration")
    for run in runs:
        own: tuple[str | Text, ...] = (run.name, _state(run.state), *(() if narrow else (moment(run.started),)))
        for cells in [_list_cells(task, narrow) for task in run.tasks] or [("–",) * 6]:
            table.add_row(*(*own, *cells)[: len(table.columns)])
            own = ("",) * len(own)
    console.print(table)
    for run in runs:
        if run.message:
            console.print(Text(f"{run.name}: {run.message}", style="red"), soft_wrap=True)


def print_run(files: RunFiles, run: RecordedRun, resume: str | None, console: Console) -> None:
    """Print what one run is, where it is, how far it is, and the trials that run at this moment.

    Args:
        files: the run's folder.
        run: what it records.
        resume: the command that resumes it; ``None`` where there is nothing to resume.
        console: output.
    """
    console.print(_settings(files, run, resume))
    if run.message:
        console.print(Text(run.message, style="red"), soft_wrap=True)
        return
    narrow = console.width < formatting.NARROW
    console.print(_tasks(run.tasks, narrow))
    if narrow:
        for task in run.tasks:
            if task.best_trial is not None:
                console.print(Text(f"  {task.best_trial}: {formatting.format_params(task.params)}"))
    if run.state in UNENDED:
        _print_running(files, console)
    for task in run.tasks:
        if task.dev:
            line = Text.assemble((f"{task.title} checkpoint  ", "bold"), files.folder.uri(winner_folder(task.task)))
            console.print(line, soft_wrap=True)
    _print_confirmation(files, console)


def _print_confirmation(files: RunFiles, console: Console) -> None:
    """Print the confirmation of a search, and how far one is that runs or was killed."""
    known = files.confirmation
    ended, left = (sum(seed.status.final is final for seed in files.seeds) for final in (True, False))
    if left or (files.seeds and known is None):
        text = f"confirmation: {formatting.count(ended, 'seed')} done, {left} begun"
        console.print(Text(text), soft_wrap=True)
    if known is not None:
        print_confirmation(known, console)


def print_trials(files: RunFiles, tasks: Iterable[RecordedTask], console: Console) -> None:
    """Print the trials of some tasks, best first."""
    table = _table(("trial", "bold"), "status", "metric", right=("best", "epoch", "time"))
    table.add_column("configuration")
    for task in tasks:
        for trial in ranked(files.trials, task.task):
            table.add_row(
                trial.name,
                _status(trial.status),
                formatting.metric(task.metric),
                formatting.score(best_value(trial, task.metric)),
                _epoch(trial),
                formatting.duration(trial_seconds(trial)),
                Text(formatting.format_params(trial.params) or formatting.error_line(trial.message)),
            )
    console.print(table)


def print_comparison(comparison: RunComparison, console: Console) -> None:
    """Print the settings in which two runs differ, and their results by task."""
    first, second = comparison.names
    settings = _table(("setting", "bold"))
    for name in (first, second):
        settings.add_column(name, overflow="fold")
    for key, values in comparison.settings.items():
        settings.add_row(key, *(Text(value) for value in values))
    console.print(settings if comparison.settings else Text("the jobs are equal"))
    results = _table(("task", "bold"), "metric", right=(first, second, "difference"))
    for name in ("dev", "trials", "time"):
        results.add_column(name, justify="right", no_wrap=True)
    for task in comparison.tasks:
        results.add_row(
            task.title,
            formatting.metric(task.metric),
            *map(formatting.score, task.best),
            "–" if task.difference is None else Text(f"{task.difference:+.4f}", style=_gain(task.improves)),
            " / ".join(_dev(dev) for dev in task.dev),
            " / ".join(map(str, task.trials)),
            " / ".join(map(formatting.duration, task.seconds)),
        )
    console.print(results)
    for note in comparison.notes:
        console.print(Text(note, style="yellow"), soft_wrap=True)


def moment(seconds: float | None) -> str:
    """Format a time, in seconds since the epoch, as local date and time to the minute; ``–`` for ``None``."""
    return "–" if seconds is None else time.strftime("%Y-%m-%d %H:%M", time.localtime(seconds))


def _table(first: tuple[str, str], *names: str, right: Sequence[str] = ()) -> Table:
    """Return a table with a styled first column, further ones, and right-aligned ones."""
    table = Table(box=SIMPLE, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column(first[0], style=first[1], no_wrap=True)
    for name in names:
        table.add_column(name, no_wrap=True)
    for name in right:
        table.add_column(name, justify="right", no_wrap=True)
    return table


def _list_cells(task: RecordedTask, narrow: bool) -> tuple[str | Text, ...]:
    return (
        task.title,
        _counted(task),
        *(() if narrow else (formatting.metric(task.metric),)),
        formatting.score(task.best),
        _dev(task.dev.values()),
        Text(formatting.format_params(task.params)),
    )


def _settings(files: RunFiles, run: RecordedRun, resume: str | None) -> Table:
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    table.add_row("run", Text(f"{run.name} ({run.kind})"))
    table.add_row("state", _state(run.state))
    if run.started is not None and run.updated is not None:
        last = f"last event {formatting.duration(max(0.0, time.time() - run.updated))} ago"
        span = f"{moment(run.started)}, last event {moment(run.updated)}"
        table.add_row("started", f"{moment(run.started)}, {last}" if run.state in UNENDED else span)
    lines = () if run.message else (*_job_lines(files), *_cost_lines(files))
    for name, value in lines:
        table.add_row(name, Text(value))
    table.add_row("folder", Text(run.folder))
    if resume is not None:
        table.add_row("resume with", Text(resume))
    return table


def _job_lines(files: RunFiles) -> Iterable[tuple[str, str]]:
    """Yield what the job says, as far as it says it."""
    job = files.job
    sections: dict[str, dict[str, Any]] = {name: job.get(name) or {} for name in ("model", "search", "tracking")}
    model, search, tracking = sections.values()
    space = {} if files.kind == "pre-training" else files.mapping(SPACE_FILE)
    if names := space.get("encoders") or model.get("name_or_path"):
        yield ("model", names) if isinstance(names, str) else ("models", ", ".join(map(str, names)))
    if files.kind == "search":
        scheduler = (search.get("scheduler") or {}).get("name", "none")
        yield "space", str(space.get("name") or search.get("space", ""))
        yield "algorithm", f"{search.get('algorithm', '')}, scheduler {scheduler}"
    yield "seed", str(job.get("seed", ""))
    store = files.summary.get("tracking_uri") or tracking.get("uri")
    if store:
        yield "MLflow", f"{without_password(str(store))}, experiment {tracking.get('experiment') or ''}"


def _cost_lines(files: RunFiles) -> Iterable[tuple[str, str]]:
    return recorded_cost_lines(files.journal.history, files.job, files.session_now, files.confirmation_history)


def _tasks(tasks: Sequence[RecordedTask], narrow: bool) -> Table:
    table = _table(("task", "bold"), right=("trials", "running", "pruned", "failed"))
    table.add_column("metric", no_wrap=True)
    for name in ("best", "dev", "time"):
        table.add_column(name, justify="right", no_wrap=True)
    if not narrow:
        table.add_column("best trial", no_wrap=True)
        table.add_column("configuration")
    for task in tasks:
        failed = sum(task.trials.get(status, 0) for status in FAILED)
        cells: tuple[str | Text, ...] = (
            task.title,
            _counted(task),
            *(str(task.trials.get(status, 0)) for status in (TrialStatus.RUNNING, TrialStatus.PRUNED)),
            str(failed),
            formatting.metric(task.metric),
            formatting.score(task.best),
            _dev(task.dev.values()),
            formatting.duration(task.seconds),
            task.best_trial or "–",
            Text(formatting.format_params(task.params)),
        )
        table.add_row(*cells[: len(table.columns)])
    return table


def _print_running(files: RunFiles, console: Console) -> None:
    """Print the trials that have started and not ended."""
    metrics = {task: labels.metric for task, labels in files.labels.items()}
    running = [trial for trial in files.trials if trial.status is TrialStatus.RUNNING]
    table = _table(("running trial", "bold"), right=("step", "epoch", "best"))
    table.add_column("configuration")
    for trial in running:
        table.add_row(
            trial.name,
            _step(trial),
            _epoch(trial, last=True),
            formatting.score(best_value(trial, metrics[trial.task])),
            Text(formatting.format_params(trial.params)),
        )
    if running:
        console.print(table)


def _state(state: RunState) -> Text:
    return Text(state.replace("_", " "), style=_STYLES[state])


def _status(status: TrialStatus) -> Text:
    return Text(status.replace("_", " "), style="red" if status in FAILED else "")


def _counted(task: RecordedTask) -> str:
    """Return the number of trials, with that of planned ones: ``8/18``."""
    number = sum(task.trials.values())
    return f"{number:,}" if task.planned is None else f"{number:,}/{task.planned:,}"


def _dev(values: Iterable[float]) -> str:
    return " ".join(map(formatting.score, values)) or "–"


def _epoch(trial: TrialRecord, *, last: bool = False) -> str:
    """Return the epoch of a trial's best evaluation, or of its last one."""
    ends = trial.evaluations[-1:] or trial.pretraining[-1:]
    best = ends[-1] if last and ends else trial.best or (ends[-1] if ends else None)
    return "–" if best is None else format_epochs(best.epoch)


def _step(trial: TrialRecord) -> str:
    """Return the last step that is recorded of a trial, with that of its end where it is known: ``50/150``.

    Of a cross-validation, return the fold instead.
    """
    if trial.folds:
        return f"fold {min(trial.complete_folds + 1, trial.folds)} of {trial.folds}"
    last = trial.pretraining[-1] if trial.pretraining else trial.evaluations[-1] if trial.evaluations else None
    step = max(last.step if last else 0, trial.logs[-1].step if trial.logs else 0)
    return f"{step:,}/{last.total_steps:,}" if last else f"{step:,}"


def _gain(improves: bool | None) -> str:
    return "" if improves is None else "green" if improves else "red"
