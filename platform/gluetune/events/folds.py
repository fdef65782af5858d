"""The evaluations of a cross-validation: those of each fold, and their mean curve, by which a trial is ranked."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence

from gluetune.events.schema import Evaluated

Folds = list[list[Evaluated]]
"""The evaluations of each fold that has any, in order."""


def put_evaluation(folds: Folds, event: Evaluated) -> None:
    """Add an evaluation of a fold.

    One that was reported before, because its lane was restarted, is replaced, and all later ones are removed.

    Args:
        folds: the evaluations so far, changed in place.
        event: an evaluation with a fold; its index counts the evaluations of earlier folds too.
    """
    assert event.fold is not None
    while len(folds) < event.fold:
        folds.append([])
    del folds[event.fold :]
    before = sum(map(len, folds[:-1]))
    folds[-1][event.index - 1 - before :] = [event]


def count_complete(folds: Folds, *, finished: bool) -> int:
    """Return the number of folds that were trained to their end.

    Args:
        folds: the evaluations of each fold.
        finished: whether the trial has finished, and so its last fold; ``patience`` may end a fold at any step.
    """
    if not folds:
        return 0
    last = folds[-1][-1]
    return len(folds) - 1 + (finished or last.step >= last.total_steps)


def mean_curve(folds: Sequence[Sequence[Evaluated]]) -> list[Evaluated]:
    """Return the mean over folds of their first, second, … evaluations, as far as all folds have one.

    A trial is ranked by the best score of this curve, not by the mean of the best scores of the folds: with these, each
    fold would choose an epoch of its own by the rows that it is scored on, and the final model has none of these rows
    to choose an epoch by.

    Args:
        folds: the evaluations of each fold, of at least one.

    Returns:
        One evaluation per position, without a fold. Scores, metrics, losses and accuracies are means over folds;
        seconds, rows and tokens are sums. Steps and epochs are those of the first fold.
    """
    return [_mean(index, parts) for index, parts in enumerate(zip(*folds, strict=False), 1)]


def _mean(index: int, parts: Sequence[Evaluated]) -> Evaluated:
    first, last = parts[0], parts[-1]

    def mean(values: Iterable[float]) -> float:
        return sum(values) / len(parts)

    accuracies = [part.train_accuracy for part in parts if part.train_accuracy is not None]
    sums = ("train_seconds", "eval_seconds", "eval_examples", "train_examples", "train_tokens")
    return first.model_copy(
        update={
            "index": index,
            "fold": None,
            "time": last.time,
            "lane": last.lane,
            "score": mean(part.score for part in parts),
            "metrics": {name: mean(part.metrics[name] for part in parts) for name in first.metrics},
            "eval_loss": mean(part.eval_loss for part in parts),
            "train_loss": mean(part.train_loss for part in parts),
            "train_accuracy": mean(accuracies) if len(accuracies) == len(parts) else None,
            **{name: sum(getattr(part, name) for part in parts) for name in sums},
        }
    )


def deviation(scores: Sequence[float]) -> float | None:
    """Return the standard deviation of the scores of folds; ``None`` for fewer than two."""
    return statistics.stdev(scores) if len(scores) > 1 else None
