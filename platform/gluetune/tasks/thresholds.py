"""Decision thresholds of a trained model, chosen on its selection rows by the metric that ranks trials."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from gluetune.tasks.metrics import METRICS, metric_value, score_sign
from gluetune.tasks.outputs import DEFAULT_THRESHOLD, Outputs, class_probabilities
from gluetune.tasks.own_metrics import takes_probabilities
from gluetune.tasks.task import Task

_PASSES = 2  # over the classes of a multi-label task, whose thresholds may depend on one another
_MAX_CUTS, _MIN_CUTS = 200, 5
_MAX_WORK = 500_000_000  # decisions that are looked at in a pass over all classes


def tunes_thresholds(task: Task) -> bool:
    """Whether a task's winner gets thresholds: the task asks for it, and its metric depends on decisions.

    Args:
        task: the task. Tasks of one class per row have a threshold only if they have two classes.
    """
    if not task.tuned_thresholds or task.regression or not (task.multi_label or task.num_labels == 2):
        return False
    if task.primary in METRICS:
        return METRICS[task.primary].of_counts is not None
    return not takes_probabilities(task.primary)


def tune_thresholds(task: Task, logits: np.ndarray, labels: np.ndarray) -> NDArray[np.float64] | None:
    """Choose the probability above which a class is predicted.

    Candidates lie between the probabilities of two rows, below one of the class. Of equally good ones, the nearest to
    0.5 is chosen. Thresholds of a multi-label task are chosen class by class, with those of the others as they are.

    Args:
        task: its primary metric is to become best.
        logits: [rows, classes] float32 of the selection rows.
        labels: [rows] class ids, or [rows, classes] 0 and 1 for multi-label.

    Returns:
        [classes] thresholds, of which those of two classes add up to 1; ``None`` where none is better than 0.5.
    """
    sign = score_sign(task.primary)
    shares = class_probabilities(task, logits)
    shares, inside = (shares, labels > 0) if task.multi_label else (shares[:, 1:], labels[:, None] == 1)
    decided, chosen = shares > DEFAULT_THRESHOLD, np.full(shares.shape[1], DEFAULT_THRESHOLD)

    def score() -> float:
        predictions = decided if task.multi_label else decided[:, 0].astype(np.int64)
        return sign * metric_value(task.primary, Outputs(task, logits, labels, predictions=predictions))

    best = at_default = score()
    limit = max(_MIN_CUTS, min(_MAX_CUTS, _MAX_WORK // (decided.size * len(chosen))))
    for _ in range(_PASSES):
        before = best
        for k in range(len(chosen)):
            for cut in _cuts(shares[:, k], inside[:, k], limit):
                decided[:, k] = shares[:, k] > cut
                found = score()
                if found > best:
                    best, chosen[k] = found, cut
            decided[:, k] = shares[:, k] > chosen[k]
        if best == before or len(chosen) == 1:
            break
    if best == at_default:
        return None
    return chosen if task.multi_label else np.array([1 - chosen[0], chosen[0]])


def _cuts(shares: NDArray[np.float64], inside: NDArray[np.bool_], limit: int) -> Iterator[float]:
    """Yield candidates of one class, the nearest to 0.5 first.

    Args:
        shares: [rows] probabilities of the class.
        inside: [rows] whether the row is of the class.
        limit: most candidates; of more, evenly distributed ones are taken.
    """
    values = np.unique(shares)
    middles = (np.concatenate([[0.0], values[:-1]]) + values) / 2  # the middle below each value
    below = middles[np.searchsorted(values, np.unique(shares[inside]))]
    cuts = np.append(below, (values[-1] + 1) / 2)  # above it, no row
    if len(cuts) > limit:
        cuts = cuts[np.linspace(0, len(cuts) - 1, limit).round().astype(np.int64)]
    yield from cuts[np.argsort(np.abs(cuts - DEFAULT_THRESHOLD), kind="stable")].tolist()
