"""Table of a run's metrics, beside the published metrics for the same task and encoder."""

from __future__ import annotations

from collections.abc import Mapping

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table
from rich.text import Text

from gluetune.config import PublishedConfig
from gluetune.events import TaskPlan, TrialRecord
from gluetune.reporting import formatting

TRAIN, SELECTION = "train", "selection"


def trial_metrics(trial: TrialRecord) -> dict[str, float]:
    """The metrics of a trial, by ``<split>.<metric>``.

    ``train`` holds the training loss and accuracy of the last epoch or evaluation interval, and the speed over the
    whole trial. ``selection`` holds its best evaluation, in fp32 if its weights were saved. All other splits are those
    on which the saved weights were evaluated.
    """
    if trial.best is None:
        return {}
    last = trial.evaluations[-1]
    seconds = sum(evaluation.train_seconds for evaluation in trial.evaluations)
    rows = sum(evaluation.train_examples for evaluation in trial.evaluations)
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
    """Flattens metrics by split to metrics by ``<split>.<metric>``."""
    return {f"{split}.{name}": value for split, metrics in scores.items() for name, value in metrics.items()}


def row_counts(plan: TaskPlan, trial: TrialRecord) -> dict[str, int]:
    """Number of rows by split."""
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
) -> None:
    """Prints metrics, with the published values beside them.

    Args:
        metrics: measured values by ``<split>.<metric>``.
        rows: number of rows by split.
        published: the published values, if there are any.
        console: output.
        source: description of the data that the metrics were measured on.
        synthetic: whether gluetune generated that data.
        same_rows: splits that hold the texts of another split, by that one's name.
    """
    known = published.figures if published else {}
    table = Table(box=SIMPLE, pad_edge=False)
    table.add_column("metric", style="bold", no_wrap=True)
    for name in ("rows", *(("published",) if known else ()), "measured"):
        table.add_column(name, justify="right", no_wrap=True)
    for name in dict.fromkeys((*known, *metrics)):
        count = rows.get(name.partition(".")[0])
        cells = [name, "–" if count is None else f"{count:,}", number(metrics.get(name))]
        table.add_row(*cells[:2], *([number(known.get(name))] if known else []), cells[2])
    console.print(table)
    if published:
        console.print(Text(f"published: {published.source}"), soft_wrap=True)
        if published.note:
            console.print(Text(f"           {published.note}"), soft_wrap=True)
    beside = ", not the published data: the values cannot be compared" if synthetic and published else ""
    console.print(Text(f"measured:  {source}{beside}", style="yellow" if synthetic else ""), soft_wrap=True)
    for line in formatting.same_rows_notes(same_rows or {}):
        console.print(Text(f"           {line}", style="yellow"), soft_wrap=True)


def print_batch_metrics(metric: str, batches: Mapping[str, list[float]], batch_size: int, console: Console) -> None:
    """Prints a metric for each batch, as the PyTorch tutorial on CoLA does."""
    for split, values in batches.items():
        text = " ".join(f"{value:.2f}" for value in values)
        console.print(Text(f"{split}: {metric} of each {batch_size} rows: {text}"), soft_wrap=True)


def number(value: float | None) -> str:
    """Formats a value: four decimals, or one for values of 100 and more; ``–`` for ``None``."""
    if value is None:
        return "–"
    return f"{value:,.1f}" if abs(value) >= 100 else f"{value:.4f}"
