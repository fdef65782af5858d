"""Output at the end of a search (winners, use of the lanes, places of the results) and of a single run (metrics)."""

from __future__ import annotations

import keyword
import re
from collections import Counter
from collections.abc import Iterator, Mapping

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table
from rich.text import Text

from gluetune.config import PublishedConfig
from gluetune.events import TaskPlan, TrialRecord, format_epochs
from gluetune.reporting import formatting
from gluetune.reporting.class_view import describe_thresholds
from gluetune.reporting.costs import cost_lines
from gluetune.reporting.encoders import comparison_tables, pareto_file
from gluetune.reporting.schema import LaneSummary, Summary, TaskSummary, WinnerSummary
from gluetune.reporting.summary import curve_file
from gluetune.tasks import TASKS
from gluetune.tasks.metrics import score_sign
from gluetune.tracking import store_address

_PLACES_WIDTH = 18  # characters of the names of places


def print_results(summary: Summary, console: Console) -> None:
    """Print the table of winners, the number of trials, and how well the lanes were used."""
    narrow = console.width < formatting.NARROW
    console.print(_winners(summary.tasks, narrow))
    if narrow:
        for task in summary.tasks:
            if task.winner is not None:
                console.print(Text(f"  {task.winner.name}: {formatting.format_params(task.winner.params)}"))
        console.print()
    for table in comparison_tables(summary):
        console.print(table)
    _print_notes(summary, console)
    console.print(Text(_counts(summary)))
    if summary.lane_use.busy_seconds:  # a session that only confirms trains no trials of the search
        console.print(Text(_lane_line(summary.lane_use)))
    for line in cost_lines(summary):
        console.print(Text(line))


def _print_notes(summary: Summary, console: Console) -> None:
    """Print what must be known to read the table of winners."""
    for task in summary.tasks:
        for line in formatting.same_rows_notes(task.same_rows if task.winner else {}):
            console.print(Text(f"{task.title}: {line}", style="yellow"), soft_wrap=True)
    won = [task.winner for task in summary.tasks if task.winner is not None]
    if any(winner.precision == "bf16" and not winner.fold_scores for winner in won):
        console.print(Text("trials were ranked by scores in bfloat16; above are the saved models' scores in float32"))
    for task in summary.tasks:
        for line in (*_fold_notes(task), *_threshold_notes(task), *_further_notes(task)):
            console.print(Text(line), soft_wrap=True)


def print_locations(
    summary: Summary,
    console: Console,
    *,
    ui: str,
    summary_file: str,
    runs: str | None = None,
    report_file: str | None = None,
) -> None:
    """Print where the results are, and the command that opens the MLflow UI.

    Args:
        summary: the search.
        console: output.
        ui: command or address of the MLflow UI, from `gluetune.tracking.ui_command`.
        summary_file: path or URI of ``summary.json``.
        runs: address of the page with the search's trials, from `gluetune.tracking.Tracker.link`.
        report_file: path or URI of the HTML report; ``None`` where it could not be written.
    """
    console.print()
    places = [*_places(summary, ui, summary_file), *([("MLflow runs", runs)] if runs else [])]
    places += [("report", report_file)] if report_file else []
    width = max(_PLACES_WIDTH, *(len(name) + 2 for name, _ in places))
    for name, value in places:
        console.print(Text.assemble((f"{name:<{width}}", "bold"), value), soft_wrap=True)


def print_models(summary: Summary, console: Console) -> None:
    """Print Python code that loads the winners from MLflow; its comments say what was done in the registry.

    The code names the store, so that it works in any folder.
    """
    won = [(task, task.winner) for task in summary.tasks if task.winner is not None and task.winner.model_uri]
    if won:
        console.print("\nThe winners' models, in Python:", highlight=False)
        for line in _model_code(store_address(summary.tracking_uri), won):
            console.print(Text(line), soft_wrap=True)


def _model_code(store: str, won: list[tuple[TaskSummary, WinnerSummary]]) -> Iterator[str]:
    """Yield the lines of the code."""
    yield "import mlflow"
    yield f"mlflow.set_tracking_uri({store!r})"
    for task, winner in won:
        yield f"{_variable(task.task)} = mlflow.pyfunc.load_model({winner.model_uri!r})  # {winner.registration}"
    first = won[0][0]
    texts = {column: ["A text.", "Another text."] for column in first.columns}
    yield f"print({_variable(first.task)}.predict({texts}))"


def _variable(task: str) -> str:
    """Return a task's name as one that a Python variable can have."""
    name = re.sub(r"\W", "_", task)
    return f"task_{name}" if name[0].isdigit() or keyword.iskeyword(name) else name


def _places(summary: Summary, ui: str, summary_file: str) -> list[tuple[str, str]]:
    won = [(task.title, task.winner) for task in summary.tasks if task.winner is not None]
    learnt = [(task.title, task.task) for task in summary.tasks if task.winner is not None and task.winner.folder]
    pareto = [(task.title, task.task) for task in summary.tasks if task.pareto]
    return [
        *((f"{title} checkpoint", winner.folder) for title, winner in won if winner.folder),
        *((f"{title} curve", f"{summary.folder}/{curve_file(task)}") for title, task in learnt),
        *((f"{title} Pareto", f"{summary.folder}/{pareto_file(task)}") for title, task in pareto),
        ("summary", summary_file),
        ("MLflow UI", ui),
    ]


def _winners(tasks: list[TaskSummary], narrow: bool) -> Table:
    table = Table(box=SIMPLE, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("task", style="bold", no_wrap=True)
    table.add_column("metric", no_wrap=True)
    scored = formatting.scored_rows(split for task in tasks if task.winner for split in task.winner.dev_scores)
    for name in ("selection", "baseline", scored, "epochs", "time"):
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
    sign = score_sign(task.metric)
    ranked = None if winner.score is None else sign * winner.score
    score = winner.selection_scores.get(task.metric, ranked)
    above = score is not None and task.baseline is not None and sign * score > sign * task.baseline
    best, all_epochs = format_epochs(winner.best_epoch), format_epochs(winner.epochs)
    trained = all_epochs if best == all_epochs else f"{best} of {all_epochs}"
    return (
        task.title,
        formatting.metric(task.metric),
        Text(formatting.score(score) + _spread(winner), style="green" if above else "red"),
        formatting.score(task.baseline),
        _dev(task, winner),
        trained,
        formatting.duration(winner.seconds),
        winner.name,
        Text(formatting.format_params(winner.params)),
    )


def _spread(winner: WinnerSummary) -> str:
    """Return the standard deviation of the scores of a cross-validation's folds; empty without one."""
    return "" if winner.score_deviation is None else f" ± {formatting.score(winner.score_deviation)}"


def _fold_notes(task: TaskSummary) -> Iterator[str]:
    """Yield a line about a winner's cross-validation, and about the rows that its model was trained on."""
    winner = task.winner
    if winner is None or not winner.fold_scores:
        return
    scores = ", ".join(formatting.score(score_sign(task.metric) * score) for score in winner.fold_scores)
    of = "" if len(winner.fold_scores) == task.folds else f" of {task.folds}"
    final = ""
    if winner.members is not None:
        final = f"; its model averages the logits of the models of {winner.members} folds"
    elif winner.refit_rows is not None and winner.refit_epochs is not None:
        epochs = format_epochs(winner.refit_epochs)
        final = f"; its model was trained again on all {winner.refit_rows:,} train rows, for {epochs} epochs"
    yield (
        f"{task.title}: the selection score is the mean ± standard deviation of {len(winner.fold_scores)}{of} folds "
        f"({scores}){final}"
    )


def _threshold_notes(task: TaskSummary) -> Iterator[str]:
    """Yield a line about the winner's decision thresholds, and what the metric is with them and with 0.5."""
    winner = task.winner
    if winner is None or not winner.thresholds:
        return
    tuned_rows = {"selection": (winner.tuned_selection_scores, winner.selection_scores)}
    both = tuned_rows if winner.tuned_selection_scores else {}
    both |= {split: (found, winner.untuned_dev_scores.get(split, {})) for split, found in winner.dev_scores.items()}
    values = [
        f"{formatting.score(tuned.get(task.metric))} on {split} (with 0.5: {formatting.score(plain.get(task.metric))})"
        for split, (tuned, plain) in both.items()
    ]
    yield (
        f"{task.title}: {describe_thresholds(winner.thresholds)}, tuned on the selection rows: "
        f"{formatting.metric(task.metric)} {', '.join(values)}"
    )


def _further_notes(task: TaskSummary) -> Iterator[str]:
    """Yield a line about what further trials are expected to gain, where there are enough trials to say so."""
    further = task.further_trials
    if further is not None:
        gain = f"{further.gain:.4f}" if further.gain >= 0.00005 else "less than 0.0001"
        yield (
            f"{task.title}: {formatting.count(further.trials, 'further trial')} like those so far would be expected to "
            f"gain {gain} {formatting.metric(task.metric)} on the selection rows"
        )


def _dev(task: TaskSummary, winner: WinnerSummary) -> str:
    """Return the primary metric of every development split, with names if there are several (MNLI's two, and AX)."""
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


TRAIN, SELECTION = "train", "selection"


def trial_metrics(trial: TrialRecord) -> dict[str, float]:
    """Return the metrics of a trial, by ``<split>.<metric>``.

    ``train`` holds the training loss and accuracy of the last epoch or evaluation interval, and the speed over the
    whole trial. ``selection`` holds its best evaluation, in fp32 if its weights were saved. All other splits are those
    on which the saved weights were evaluated.
    """
    if trial.best is None:
        return {}
    last = trial.evaluations[-1]
    seconds = sum(evaluation.train_seconds for evaluation in trial.all_evaluations)
    rows = sum(evaluation.train_examples for evaluation in trial.all_evaluations)
    found = {f"{TRAIN}.loss": last.train_loss}
    if last.train_accuracy is not None:
        found[f"{TRAIN}.accuracy"] = last.train_accuracy
    if seconds > 0:
        found[f"{TRAIN}.examples_per_second"] = rows / seconds
    found |= {f"{SELECTION}.{name}": value for name, value in trial.selection_scores.items()}
    if trial.selection_loss is not None:
        found[f"{SELECTION}.loss"] = trial.selection_loss
    return found | split_metrics(trial.winner.scores if trial.winner else {})


def split_metrics(scores: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    """Flatten metrics by split to metrics by ``<split>.<metric>``."""
    return {f"{split}.{name}": value for split, metrics in scores.items() for name, value in metrics.items()}


def row_counts(plan: TaskPlan, trial: TrialRecord) -> dict[str, int]:
    """Return the number of rows by split."""
    scored = trial.winner.rows if trial.winner else {}
    return {TRAIN: plan.train_rows, SELECTION: plan.selection_rows} | plan.dev_rows | scored


def print_metrics(
    metrics: Mapping[str, float],
    rows: Mapping[str, int],
    published: PublishedConfig | None,
    console: Console,
    *,
    source: str,
    synthetic: bool = False,
    same_rows: Mapping[str, str] | None = None,
    untuned: Mapping[str, float] | None = None,
) -> None:
    """Print metrics, with the published values beside them.

    Args:
        metrics: measured values by ``<split>.<metric>``.
        rows: number of rows by split.
        published: the published values, if there are any.
        console: output.
        source: description of the data that the metrics were measured on.
        synthetic: whether gluetune generated that data.
        same_rows: splits that hold the texts of another split, by that one's name.
        untuned: where the model has decision thresholds, the values with 0.5.
    """
    known = published.figures if published else {}
    table = Table(box=SIMPLE, pad_edge=False)
    table.add_column("metric", style="bold", no_wrap=True)
    for name in ("rows", *(("published",) if known else ()), "measured", *(("with 0.5",) if untuned else ())):
        table.add_column(name, justify="right", no_wrap=True)
    for name in dict.fromkeys((*known, *metrics)):
        count = rows.get(name.partition(".")[0])
        cells = [name, "–" if count is None else f"{count:,}", number(metrics.get(name))]
        beside = [number(untuned.get(name))] if untuned else []
        table.add_row(*cells[:2], *([number(known.get(name))] if known else []), cells[2], *beside)
    console.print(table)
    if published:
        console.print(Text(f"published: {published.source}"), soft_wrap=True)
        if published.note:
            console.print(Text(f"           {published.note}"), soft_wrap=True)
    other = ", not the published data: the values cannot be compared" if synthetic and published else ""
    console.print(Text(f"measured:  {source}{other}", style="yellow" if synthetic else ""), soft_wrap=True)
    for line in formatting.same_rows_notes(same_rows or {}):
        console.print(Text(f"           {line}", style="yellow"), soft_wrap=True)


def print_batch_metrics(metric: str, batches: Mapping[str, list[float]], batch_size: int, console: Console) -> None:
    """Print a metric for each batch, as the PyTorch tutorial on CoLA does."""
    for split, values in batches.items():
        text = " ".join(f"{value:.2f}" for value in values)
        console.print(Text(f"{split}: {metric} of each {batch_size} rows: {text}"), soft_wrap=True)


def number(value: float | None) -> str:
    """Format a value: four decimals, or one for values of 100 and more; ``–`` for ``None``."""
    if value is None:
        return "–"
    return f"{value:,.1f}" if abs(value) >= 100 else f"{value:.4f}"
