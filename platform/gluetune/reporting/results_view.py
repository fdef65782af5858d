"""Output at the end of a search: winners, use of the lanes, places of the results. ``summary.json`` holds the same."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table
from rich.text import Text

from gluetune.events import format_epochs
from gluetune.reporting import formatting
from gluetune.reporting.curve import curve_file
from gluetune.reporting.schema import LaneSummary, Summary, TaskSummary, WinnerSummary
from gluetune.tasks import TASKS
from gluetune.tracking import store_address


def print_results(summary: Summary, console: Console) -> None:
    """Prints the table of winners, the number of trials, and how well the lanes were used."""
    narrow = console.width < formatting.NARROW
    console.print(_winners(summary.tasks, narrow))
    if narrow:
        for task in summary.tasks:
            if task.winner is not None:
                console.print(Text(f"  {task.winner.name}: {formatting.format_params(task.winner.params)}"))
        console.print()
    for task in summary.tasks:
        for line in formatting.same_rows_notes(task.same_rows if task.winner else {}):
            console.print(Text(f"{task.title}: {line}", style="yellow"), soft_wrap=True)
    if any(task.winner is not None and task.winner.precision == "bf16" for task in summary.tasks):
        console.print(Text("trials were ranked by scores in bfloat16; above are the saved models' scores in float32"))
    console.print(Text(_counts(summary)))
    console.print(Text(_lane_line(summary.lane_use)))


def print_locations(summary: Summary, console: Console, *, ui: str, summary_file: str, runs: str | None = None) -> None:
    """Prints where the results are, and the command that opens the MLflow UI.

    Args:
        summary: the search.
        console: output.
        ui: command or address of the MLflow UI, from `gluetune.tracking.ui_command`.
        summary_file: path or URI of ``summary.json``.
        runs: address of the page with the search's trials, from `gluetune.tracking.Tracker.link`.
    """
    console.print()
    for name, value in [*_places(summary, ui, summary_file), *([("MLflow runs", runs)] if runs else [])]:
        console.print(Text.assemble((f"{name:<18}", "bold"), value), soft_wrap=True)


def print_models(summary: Summary, console: Console) -> None:
    """Prints Python code that loads the winners from MLflow; its comments say what was done in the registry.

    The code names the store, so that it works in any folder.
    """
    won = {task.task: task.winner for task in summary.tasks if task.winner is not None and task.winner.model_uri}
    if won:
        console.print("\nThe winners' models, in Python:", highlight=False)
        for line in _model_code(store_address(summary.tracking_uri), won):
            console.print(Text(line), soft_wrap=True)


def _model_code(store: str, won: dict[str, WinnerSummary]) -> Iterator[str]:
    """Yields the lines of the code."""
    yield "import mlflow"
    yield f"mlflow.set_tracking_uri({store!r})"
    for task, winner in won.items():
        yield f"{task} = mlflow.pyfunc.load_model({winner.model_uri!r})  # {winner.registration}"
    task = next(iter(won))
    texts = {column: ["A text.", "Another text."] for column in TASKS[task].columns}
    yield f"print({task}.predict({texts}))"


def _places(summary: Summary, ui: str, summary_file: str) -> list[tuple[str, str]]:
    won = [(task.title, task.winner) for task in summary.tasks if task.winner is not None]
    learnt = [(task.title, task.task) for task in summary.tasks if task.winner is not None and task.winner.folder]
    return [
        *((f"{title} checkpoint", winner.folder) for title, winner in won if winner.folder),
        *((f"{title} curve", f"{summary.folder}/{curve_file(task)}") for title, task in learnt),
        ("summary", summary_file),
        ("MLflow UI", ui),
    ]


def _winners(tasks: list[TaskSummary], narrow: bool) -> Table:
    table = Table(box=SIMPLE, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("task", style="bold", no_wrap=True)
    table.add_column("metric", no_wrap=True)
    for name in ("selection", "baseline", "dev", "epochs", "time"):
        table.add_column(name, justify="right", no_wrap=True)
    if not narrow:
        table.add_column("winner", no_wrap=True)
        table.add_column("configuration")
    for task in tasks:
        row = _no_winner(task) if task.winner is None else _winner(task, task.winner)
        table.add_row(*row[: len(table.columns)])
    return table


def _no_winner(task: TaskSummary) -> tuple[str | Text, ...]:
    baseline = formatting.score(task.baseline)
    return task.title, formatting.metric(task.metric), "–", baseline, "–", "–", "–", "none", "no trial was evaluated"


def _winner(task: TaskSummary, winner: WinnerSummary) -> tuple[str | Text, ...]:
    score = winner.selection_scores.get(task.metric, winner.score)
    above = score is not None and task.baseline is not None and score > task.baseline
    best, all_epochs = format_epochs(winner.best_epoch), format_epochs(winner.epochs)
    trained = all_epochs if best == all_epochs else f"{best} of {all_epochs}"
    return (
        task.title,
        formatting.metric(task.metric),
        Text(formatting.score(score), style="green" if above else "red"),
        formatting.score(task.baseline),
        _dev(task, winner),
        trained,
        formatting.duration(winner.seconds),
        winner.name,
        Text(formatting.format_params(winner.params)),
    )


def _dev(task: TaskSummary, winner: WinnerSummary) -> str:
    """The primary metric of every development split, with names if there are several (MNLI's two, and AX)."""
    scores = {
        split: formatting.score(metrics.get(TASKS[split].primary if split in TASKS else task.metric))
        for split, metrics in winner.dev_scores.items()
    }
    if len(scores) == 1:
        return next(iter(scores.values()))
    return "\n".join(f"{formatting.SPLITS.get(split, split)} {value}" for split, value in scores.items()) or "–"


def _counts(summary: Summary) -> str:
    number = Counter(trial.status for trial in summary.trials)
    parts = [f"{count} {status.replace('_', ' ')}" for status, count in number.most_common()]
    counts = f"{formatting.count(len(summary.trials), 'trial')}: {', '.join(parts)}" if parts else "no trials"
    return counts if summary.status == "complete" else f"{summary.status.replace('_', ' ')}; {counts}"


def _lane_line(use: LaneSummary) -> str:
    parts = [f"{formatting.count(use.lanes, 'lane')}, {formatting.duration(use.wall_seconds)}"]
    if use.utilisation is not None:
        parts.append(f"{use.utilisation:.0%} of their time in training and evaluation")
    if use.median_gap_seconds is not None:
        parts.append(
            f"median {use.median_gap_seconds:.2f} s on a lane from a trial's last evaluation to the next's first step"
        )
    return ", ".join(parts)
