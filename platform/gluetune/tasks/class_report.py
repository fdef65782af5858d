"""How well a model knows each class: precision, recall, F1, rows, and which classes it takes for which."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gluetune.tasks.decision_metrics import Counts, by_class
from gluetune.tasks.outputs import Outputs

MAX_CONFUSION_CLASSES = 100
"""Classes above which no confusion matrix is kept."""


@dataclass(frozen=True, slots=True)
class ClassReport:
    """Decisions for the classes of a task, by class name in the order of their ids.

    Attributes:
        precision: share of rows predicted to be of the class that are; 0.0 where it is never predicted.
        recall: share of the class's rows that are predicted to be of it; 0.0 where it has none.
        f1: harmonic mean of both.
        support: rows of the class.
        confusion: rows by true class and predicted class, as ``sklearn.metrics.confusion_matrix`` has them; empty for a
            multi-label task and for over 100 classes.
        outcomes: of a multi-label task, rows of each class: outside and not predicted, outside and predicted, inside
            and not predicted, inside and predicted.
    """

    precision: dict[str, float]
    recall: dict[str, float]
    f1: dict[str, float]
    support: dict[str, int]
    confusion: list[list[int]]
    outcomes: list[list[int]]


def report_classes(outputs: Outputs) -> ClassReport | None:
    """Report on the classes of labelled rows; ``None`` for a regression.

    Args:
        outputs: the model's outputs for the rows.
    """
    task = outputs.task
    if task.regression:
        return None
    values = {
        name: dict(zip(task.labels, array.tolist(), strict=True)) for name, array in by_class(outputs.counts).items()
    }
    support = dict(zip(task.labels, outputs.counts.actual.tolist(), strict=True))
    several = task.multi_label
    return ClassReport(
        **values,
        support=support,
        confusion=[] if several or task.num_labels > MAX_CONFUSION_CLASSES else _confusion(outputs),
        outcomes=_outcomes(outputs.counts) if several else [],
    )


def _confusion(outputs: Outputs) -> list[list[int]]:
    classes = outputs.task.num_labels
    pairs = np.bincount(outputs.labels * classes + outputs.predictions, minlength=classes * classes)
    table: list[list[int]] = pairs.reshape(classes, classes).tolist()
    return table


def _outcomes(counts: Counts) -> list[list[int]]:
    wrong, missed = counts.predicted - counts.hits, counts.actual - counts.hits
    right = counts.rows - counts.actual - wrong
    return [list(map(int, row)) for row in zip(right, wrong, missed, counts.hits, strict=True)]
