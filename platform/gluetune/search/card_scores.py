"""The scores in a model card: of each split with intervals, of each class, and the decision thresholds."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from gluetune.events import TaskPlan, WinnerEvaluated
from gluetune.tasks import Task

MAX_CARD_CLASSES = 50
"""Most classes that a model card lists."""

_CHOSEN_BY = "the winner was chosen by them"
_95_PERCENT = 1.959964  # standard deviations of a normal distribution on both sides


def scores_section(
    task: Task, rows: TaskPlan, scored: WinnerEvaluated, selection_scores: Mapping[str, float]
) -> list[str]:
    """Return the paragraphs about a winner's scores and thresholds.

    Args:
        task: the task.
        rows: the task's part of the plan.
        scored: the winner's scores.
        selection_scores: metrics on the selection rows, without tuned thresholds.
    """
    return [
        f"Trials are ranked by {code(rows.metric)}; a constant prediction scores {rows.baseline:.4f} on the "
        f"selection rows.{_positive(task)}",
        _scores(rows, scored, selection_scores),
        *_classes(scored),
        *_thresholds(scored),
    ]


def _positive(task: Task) -> str:
    """Return which of two classes precision, recall and F1 are of; empty text for other tasks."""
    of_one = [metric for metric in task.metrics if metric in ("f1", "precision", "recall", "average_precision")]
    if task.problem != "single_label" or task.num_labels != 2 or not of_one:
        return ""
    return f" {', '.join(map(code, of_one))} are those of the class {code(task.labels[1])}."


def _scores(rows: TaskPlan, scored: WinnerEvaluated, selection_scores: Mapping[str, float]) -> str:
    untuned = {**scored.untuned_scores, "selection": selection_scores} if scored.thresholds else {}
    tuned = scored.tuned_selection_scores or selection_scores
    table = [["rows", "number", "metric", "score", *(["with 0.5"] if untuned else []), "95% interval"]]
    splits: list[tuple[str, str, int, Mapping[str, float]]] = [
        (split, _part_in_search(split, rows), scored.rows.get(split, rows.dev_rows.get(split, 0)), scores)
        for split, scores in scored.scores.items()
    ]
    chosen_by = f"mean over {rows.folds} folds of the train rows, which chose the winner" if rows.folds else _CHOSEN_BY
    for split, part, number, scores in (*splits, ("selection", chosen_by, rows.selection_rows, tuned)):
        for metric, value in scores.items():
            plain = untuned.get(split, {}).get(metric)
            beside = ["" if plain is None else f"{plain:.4f}"] if untuned else []
            interval = _wilson(value, number) if metric == "accuracy" else ""
            table.append([f"{split} ({part})", f"{number:,}", metric, f"{value:.4f}", *beside, interval])
    return markdown_table(table)


def _part_in_search(split: str, rows: TaskPlan) -> str:
    """Return whether the winner was chosen by the rows of a split, in words."""
    selection = rows.fingerprints.get("selection")
    chosen = selection is not None and rows.fingerprints.get(split) == selection
    return _CHOSEN_BY if chosen else "not used for training or selection"


def _wilson(share: float, rows: int) -> str:
    """Return Wilson's interval of a share of rows, in words."""
    if not rows or not 0 <= share <= 1:
        return ""
    squared = _95_PERCENT**2
    middle, width = share + squared / (2 * rows), math.sqrt(share * (1 - share) / rows + squared / (4 * rows**2))
    low, high = ((middle + sign * _95_PERCENT * width) / (1 + squared / rows) for sign in (-1, 1))
    return f"{low:.4f} to {high:.4f}"


def _classes(scored: WinnerEvaluated) -> list[str]:
    """Return the scores of each class on the last split that has them."""
    if not scored.classes:
        return []
    split, found = list(scored.classes.items())[-1]
    if len(found.support) > MAX_CARD_CLASSES:
        return []
    table = [["class", "precision", "recall", "F1", "rows"]]
    for name, rows in found.support.items():
        values = (found.precision[name], found.recall[name], found.f1[name])
        table.append([code(name), *(f"{value:.4f}" for value in values), f"{rows:,}"])
    return [f"Each class on the {split} rows:", markdown_table(table)]


def _thresholds(scored: WinnerEvaluated) -> list[str]:
    if not scored.thresholds:
        return []
    table = [["class", "threshold"]]
    table += [[code(name), f"{value:.6g}"] for name, value in scored.thresholds.items()]
    return [
        "A class is predicted where its probability is above the threshold, which was tuned on the selection rows. "
        "gluetune and the MLflow model apply thresholds (in `gluetune.json`); a transformers pipeline does not.",
        markdown_table(table),
    ]


def cell(text: str) -> str:
    """Return text that breaks no table and no heading of Markdown."""
    return " ".join(text.split()).replace("|", r"\|").replace("`", "'").replace("<", "&lt;")


def code(text: str) -> str:
    """Return text as code in Markdown, in a table too."""
    return f"`{' '.join(text.split()).replace('|', '&#124;').replace('`', chr(39))}`"


def markdown_table(rows: Sequence[Sequence[str]]) -> str:
    """Return a table of Markdown.

    Args:
        rows: cells; the first row is the header.
    """
    head, *body = rows
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *body))
