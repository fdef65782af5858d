"""``gluetune list``, ``show``, ``trials`` and ``compare``: what has been run, how far it is, and what it found.

The commands read the runs' folders alone, so that they work from any machine that reaches these, also while another
process runs a search.
"""

from __future__ import annotations

import csv
import io
import json
import math
import shlex
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from gluetune.cli.flags import ParsedArguments
from gluetune.cli.options import Option, Program
from gluetune.cli.process import OK, run
from gluetune.cli.terminal import Terminal
from gluetune.config import StorageConfig
from gluetune.errors import ConfigError, ConfigIssue, did_you_mean
from gluetune.events import TrialRecord, TrialStatus
from gluetune.reporting.recorded_runs import (
    RecordedRun,
    RecordedTask,
    find_run,
    recorded_run,
    runs,
    trial_seconds,
)
from gluetune.reporting.run_comparison import compare_runs
from gluetune.reporting.run_files import RunFiles
from gluetune.reporting.runs_view import UNENDED, print_comparison, print_run, print_runs, print_trials
from gluetune.storage import Storage
from gluetune.supervisor import report

NAME = Option("NAME", "", "the run's name, or its folder by path or URI")
FIRST = Option("FIRST", "", "a run's name, or its folder")
SECOND = Option("SECOND", "", "another run's")
STORAGE = Option("--storage-path", "PATH", f"folder or bucket that the runs lie in (default: {StorageConfig().path})")
AS_JSON = Option("--json", "", "print JSON, for other programs")
AS_CSV = Option("--csv", "", "print CSV, one line for each trial in the order of their numbers")
TASK = Option("--task", "NAME", "the trials of one task only")
COLUMNS = (
    "number", "name", "task", "status", "best_score", "best_epoch", "seconds", "started", "ended", "message",
)  # fmt: skip
_RESUMED_BY = {"search": "tune", "fine-tuning": "finetune", "pre-training": "pretrain"}
_RESUMABLE = ("interrupted", "out_of_time", "out_of_budget", "unfinished")


def _needs(*positionals: Option) -> Callable[[ParsedArguments], Iterator[ConfigIssue]]:
    """Return a check that the positional arguments are given, and that one form of output is chosen."""

    def check(arguments: ParsedArguments) -> Iterator[ConfigIssue]:
        for each in positionals:
            if each.name not in arguments.options:
                yield ConfigIssue(each.name, f"must be given: {each.help}")
        if {AS_JSON.name, AS_CSV.name} <= arguments.switches:
            yield ConfigIssue(AS_CSV.name, f"prints the trials, and so does {AS_JSON.name}: leave out one of them")

    return check


LIST = Program(
    "gluetune list",
    "List the runs of a folder or bucket, the latest first: what was searched, the state, and the best trial of each "
    "task. A search that another process runs at this moment is shown as far as it is.",
    None,
    options=(STORAGE, AS_JSON),
    usage="%(prog)s [--storage-path PATH] [--json]",
    epilog="States: running, complete, out of time, interrupted (stopped or killed), failed; unfinished in a bucket, "
    "which has no locks: it runs or was killed.",
    stray="a run is shown by gluetune show NAME; list takes flags only",
)
SHOW = Program(
    "gluetune show",
    "Show one run: its settings, state, trials and best trial by task, and the trials that run at this moment.",
    None,
    options=(STORAGE, AS_JSON),
    positionals=(NAME,),
    usage="%(prog)s NAME [--storage-path PATH] [--json]",
    epilog="",
    check=_needs(NAME),
)
TRIALS = Program(
    "gluetune trials",
    "List the trials of a run, best first.",
    None,
    options=(TASK, AS_CSV, AS_JSON, STORAGE),
    positionals=(NAME,),
    usage="%(prog)s NAME [--task NAME] [--csv | --json] [--storage-path PATH]",
    epilog="The columns of the CSV are those of SearchResult.to_pandas().",
    check=_needs(NAME),
)
COMPARE = Program(
    "gluetune compare",
    "Compare two runs: the settings in which they differ, and their results by task.",
    None,
    options=(STORAGE, AS_JSON),
    positionals=(FIRST, SECOND),
    usage="%(prog)s FIRST SECOND [--storage-path PATH] [--json]",
    epilog="",
    check=_needs(FIRST, SECOND),
)


def list_main(argv: Sequence[str] | None = None) -> int:
    """Run ``gluetune list``; return the exit code."""
    return run(LIST, _list, argv)


def show_main(argv: Sequence[str] | None = None) -> int:
    """Run ``gluetune show``; return the exit code."""
    return run(SHOW, _show, argv)


def trials_main(argv: Sequence[str] | None = None) -> int:
    """Run ``gluetune trials``; return the exit code."""
    return run(TRIALS, _trials, argv)


def compare_main(argv: Sequence[str] | None = None) -> int:
    """Run ``gluetune compare``; return the exit code."""
    return run(COMPARE, _compare, argv)


def _list(arguments: ParsedArguments, terminal: Terminal) -> int:
    report(starting=False)
    path = _storage_path(arguments)
    found = runs(path)
    if AS_JSON.name in arguments.switches:
        _print_json([asdict(each) for each in found], terminal)
    elif found:
        print_runs(found, terminal.out)
    else:
        terminal.note(f"no runs in {Storage(path).uri()}; name another folder by --storage-path")
    return OK


def _show(arguments: ParsedArguments, terminal: Terminal) -> int:
    report(starting=False)
    files = find_run(arguments.options[NAME.name], _storage_path(arguments))
    shown = recorded_run(files)
    resume = _resume_command(shown) if shown.state in _RESUMABLE else None
    if AS_JSON.name in arguments.switches:
        job = files.job if shown.state != "unreadable" else {}
        more = {"resume": resume, "job": job, "running": _running(files, shown)}
        confirmation = files.summary.get("confirmation") if job else None
        _print_json(asdict(shown) | more | {"confirmation": confirmation}, terminal)
    else:
        print_run(files, shown, resume, terminal.out)
    return OK


def _trials(arguments: ParsedArguments, terminal: Terminal) -> int:
    report(starting=False)
    files = find_run(arguments.options[NAME.name], _storage_path(arguments))
    tasks = _chosen(recorded_run(files, strict=True).tasks, arguments.options.get(TASK.name))
    names = {task.task for task in tasks}
    trials = [trial for trial in files.trials if trial.task in names]
    if AS_CSV.name in arguments.switches:
        _print_data(_csv(trials), terminal)
    elif AS_JSON.name in arguments.switches:
        _print_json([_row(trial) | {"params": trial.params} for trial in trials], terminal)
    else:
        print_trials(files, tasks, terminal.out)
    return OK


def _compare(arguments: ParsedArguments, terminal: Terminal) -> int:
    report(starting=False)
    path = _storage_path(arguments)
    first, second = (find_run(arguments.options[each.name], path) for each in (FIRST, SECOND))
    comparison = compare_runs(first, second)
    if AS_JSON.name in arguments.switches:
        _print_json(asdict(comparison), terminal)
    else:
        print_comparison(comparison, terminal.out)
    return OK


def _storage_path(arguments: ParsedArguments) -> str:
    return arguments.options.get(STORAGE.name, StorageConfig().path)


def _resume_command(shown: RecordedRun) -> str:
    """Return the shell command that resumes a run."""
    folder = shown.folder.rstrip("/").rpartition("/")[0]
    return shlex.join(["gluetune", _RESUMED_BY[shown.kind], "--resume", shown.name, "--storage-path", folder])


def _running(files: RunFiles, shown: RecordedRun) -> list[dict[str, Any]]:
    """Return the trials that run at this moment, as far as the journal says."""
    if shown.state not in UNENDED:
        return []
    return [_row(trial) | {"params": trial.params} for trial in files.trials if trial.status is TrialStatus.RUNNING]


def _chosen(tasks: Sequence[RecordedTask], name: str | None) -> Sequence[RecordedTask]:
    """Return the tasks of a run, or the one that is named.

    Raises:
        ConfigError: the run has no such task.
    """
    chosen = [task for task in tasks if name in (None, task.task)]
    if tasks and not chosen:
        known = [task.task for task in tasks]
        rule = f"must be a task of the run, one of {', '.join(known)}, but got {name!r}{did_you_mean(str(name), known)}"
        raise ConfigError([ConfigIssue(TASK.name, rule)])
    return chosen


def _row(trial: TrialRecord) -> dict[str, Any]:
    """Return a trial without its configuration, by the columns of ``SearchResult.to_pandas()``."""
    values = (
        trial.number,
        trial.name,
        trial.task,
        str(trial.status),
        trial.best_score,
        trial.best.epoch if trial.best else None,
        trial_seconds(trial),
        _utc(trial.started),
        None if trial.ended is None else _utc(trial.ended),
        trial.message,
    )
    return dict(zip(COLUMNS, values, strict=True))


def _csv(trials: Sequence[TrialRecord]) -> str:
    fields = dict.fromkeys(name for trial in trials for name in trial.params)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    rows = [_row(trial) for trial in trials]
    writer.writerow([*COLUMNS, *(f"params_{name}" for name in fields)])
    for trial, row in zip(trials, rows, strict=True):
        writer.writerow([*row.values(), *(trial.params.get(name) for name in fields)])
    return text.getvalue()


def _utc(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()


def _print_json(value: Any, terminal: Terminal) -> None:
    _print_data(json.dumps(_finite(value), indent=2) + "\n", terminal)


def _print_data(text: str, terminal: Terminal) -> None:
    terminal.out.print(text, end="", soft_wrap=True, highlight=False, markup=False, emoji=False)


def _finite(value: Any) -> Any:
    """Replace every number that is not finite, which JSON does not have, by ``None``."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _finite(each) for key, each in value.items()}
    return [_finite(each) for each in value] if isinstance(value, list | tuple) else value
