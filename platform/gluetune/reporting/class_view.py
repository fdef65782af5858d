"""Output of a model's decisions for classes: scores of each class, and decision thresholds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table
from rich.text import Text

from gluetune.reporting import formatting

_MAX_CLASSES = 50  # in a table
_SUM_TOLERANCE = 1e-9


class ScoresByClass(Protocol):
    """Scores of each class, by class name."""

    @property
    def precision(self) -> Mapping[str, float]:
        """Share of rows predicted to be of the class that are."""

    @property
    def recall(self) -> Mapping[str, float]:
        """Share of the class's rows that are predicted to be of it."""

    @property
    def f1(self) -> Mapping[str, float]:
        """Harmonic mean of both."""

    @property
    def support(self) -> Mapping[str, int]:
        """Rows of the class."""


def print_class_report(
    split: str, classes: ScoresByClass, thresholds: Mapping[str, float] | None, console: Console
) -> None:
    """Print precision, recall, F1 and rows of each class, and the thresholds that decided.

    Args:
        split: name of the rows.
        classes: the scores. Of many classes, those with the most rows are printed.
        thresholds: probability above which a class is predicted, by class; ``None`` for 0.5.
        console: output.
    """
    several = thresholds is not None and not is_binary(thresholds)
    table = Table(box=SIMPLE, pad_edge=False)
    table.add_column(f"class ({split})", style="bold")
    for name in ("rows", "precision", "recall", "F1", *(("threshold",) if several else ())):
        table.add_column(name, justify="right", no_wrap=True)
    names = list(classes.support)
    shown = names if len(names) <= _MAX_CLASSES else sorted(names, key=lambda name: -classes.support[name])
    for name in shown[:_MAX_CLASSES]:
        scores = (classes.precision[name], classes.recall[name], classes.f1[name])
        cells = [f"{classes.support[name]:,}", *map(formatting.score, scores)]
        table.add_row(Text(name), *cells, *([f"{thresholds[name]:.3f}"] if several and thresholds else []))
    console.print(table)
    if len(names) > _MAX_CLASSES:
        console.print(Text(f"and {len(names) - _MAX_CLASSES:,} more, which have fewer rows"))
    if thresholds is not None:
        console.print(Text(f"{describe_thresholds(thresholds)} (the model's thresholds)"), soft_wrap=True)


def describe_thresholds(thresholds: Mapping[str, float]) -> str:
    """Return how the labels are decided, in words.

    Args:
        thresholds: probability above which a class is predicted, by class.
    """
    labels, values = list(thresholds), list(thresholds.values())
    if is_binary(thresholds):
        return f"{labels[1]} is predicted above a probability of {values[1]:.3f}"
    return f"the {len(labels)} labels are predicted above probabilities of {min(values):.3f} to {max(values):.3f}"


def is_binary(thresholds: Mapping[str, float]) -> bool:
    """Return whether thresholds are those of two classes that exclude each other, which add up to 1."""
    return len(thresholds) == 2 and abs(sum(thresholds.values()) - 1) < _SUM_TOLERANCE
