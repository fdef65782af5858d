"""Draws: the selection rows held out of train, and smaller samples."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from gluetune.config import DataConfig
from gluetune.data.examples import DataSource, Examples, Labels, RowIndices
from gluetune.errors import DataError
from gluetune.tasks import TASKS, Task

_REGRESSION_BINS = 10


def hold_out(labels: Labels, task: Task, config: DataConfig, seed: int) -> tuple[RowIndices, RowIndices]:
    """Parts train into rows to train on and rows to choose by.

    ``selection: holdout``: the share is ``selection_fraction`` of all rows, at most ``selection_max_rows`` and
    ``max_eval_samples``, at least one row per class. Classes (or, for regression, tenths of the label's distribution)
    keep their proportions; a class of two rows or more is on both sides, and a single row is trained on, wherever the
    share allows.

    ``selection: train_test_split``: the rows that ``sklearn.model_selection.train_test_split(range(rows),
    random_state=seed, test_size=selection_fraction)`` draws, all of them and not stratified.

    Args:
        labels: [rows] of train.
        task: the task.
        config: gives way, fraction, limits and, where it has one, the seed.
        seed: the job's seed, for a config without ``selection_seed``; the same seed holds out the same rows.

    Returns:
        Train rows and selection rows: sorted, disjoint, together all rows.

    Raises:
        DataError: fewer rows than two per class, or none would be left to train on.
    """
    seed = seed if config.selection_seed is None else config.selection_seed
    ways = {"holdout": _stratified, "train_test_split": _as_scikit_learn}
    selection = ways[config.selection](labels, task, config, seed)
    return np.setdiff1d(np.arange(len(labels)), selection), selection


def _stratified(labels: Labels, task: Task, config: DataConfig, seed: int) -> RowIndices:
    least = max(2, len(task.labels))
    if len(labels) < 2 * least:
        raise DataError(
            f"carving selection rows takes at least {2 * least} train rows of {task.name}, but got "
            f"{len(labels)}; `data.selection: dev` takes none"
        )
    share = max(least, round(config.selection_fraction * len(labels)))
    share = min(share, len(labels) - least, config.selection_max_rows, config.max_eval_samples or share)
    return _draw(_strata(labels, task), share, seed, keep=1)


def _as_scikit_learn(labels: Labels, task: Task, config: DataConfig, seed: int) -> RowIndices:
    from sklearn.model_selection import train_test_split  # a second of imports that most searches have no use for

    fraction, rows = config.selection_fraction, np.arange(len(labels))
    if len(rows) <= math.ceil(fraction * len(rows)):
        raise DataError(
            f"train_test_split must leave rows of {task.name} to train on, but got (rows={len(rows)}, "
            f"selection_fraction={fraction:g}); `data.selection: dev` takes none"
        )
    selection: RowIndices = np.sort(train_test_split(rows, random_state=seed, test_size=fraction)[1])
    return selection


def stratified_sample(labels: Labels, task: Task, size: int | None, seed: int) -> RowIndices:
    """A stratified random sample of ``size`` rows, sorted; all rows where there are no more or ``size`` is ``None``."""
    if size is None or size >= len(labels):
        return np.arange(len(labels))
    return _draw(_strata(labels, task), size, seed, keep=0)


def _strata(labels: Labels, task: Task) -> NDArray[np.int64]:
    """[rows] numbers 0, 1, … of the classes that occur, or of the label's quantile bins."""
    keys = labels
    if task.regression:
        edges = np.quantile(labels, np.linspace(0, 1, _REGRESSION_BINS + 1)[1:-1])
        keys = np.searchsorted(edges, labels, side="right")
    strata: NDArray[np.int64] = np.unique(keys, return_inverse=True)[1]
    return strata


def _draw(strata: NDArray[np.int64], size: int, seed: int, keep: int) -> RowIndices:
    generator = np.random.default_rng(seed)
    shares = _allocate(np.bincount(strata), size, keep)
    drawn = [
        generator.choice(np.flatnonzero(strata == stratum), share, replace=False)
        for stratum, share in enumerate(shares)
    ]
    rows: RowIndices = np.sort(np.concatenate(drawn))
    return rows


def _allocate(counts: NDArray[np.int64], size: int, keep: int) -> NDArray[np.int64]:
    """How many rows each stratum gives: in proportion, rounded so that the sum is ``size``.

    As far as ``size`` allows, a stratum keeps ``keep`` rows, and gives one at least if it has more.
    """
    high = counts - keep
    low = np.minimum(high, 1)
    low = low if low.sum() <= size else np.zeros_like(counts)
    high = high if high.sum() >= size else counts
    quota = counts * size / counts.sum()
    shares: NDArray[np.int64] = np.clip(np.floor(quota).astype(np.int64), low, high)
    while shares.sum() < size:
        shares[np.argmax(np.where(shares < high, quota - shares, -np.inf))] += 1
    while shares.sum() > size:
        shares[np.argmax(np.where(shares > low, shares - quota, -np.inf))] -= 1
    return shares


def labelled_eval_splits(task: Task, source: DataSource, config: DataConfig, seed: int) -> dict[str, Examples]:
    """Loads all labelled official rows of a task but those to train on, by name, the ranking split first.

    These are the development splits, the test split where its rows have labels (SNLI's official ones, or a user's own),
    and tasks that are answered by this task's model (AX with MNLI's), by their names. A source may lack all but the
    first: a folder without the diagnostic set, or without ``MNLI/dev_mismatched.tsv``, is a whole GLUE folder all the
    same.

    Args:
        task: the task.
        source: where the rows come from.
        config: ``max_eval_samples`` limits each part.
        seed: of the rows that a limit leaves.

    Raises:
        DataError: rows of the first development split are missing, or rows break their format.
    """
    own = config.test_file is not None or config.source == "custom"
    first, *others = task.dev
    found = {first: _limited(load_labelled(source, task, first), task, config, seed)}
    wanted = [(split, task, split) for split in others]
    wanted += [
        (split if other is task else other.name, other, split)
        for other in (task, *_answered_by(task))
        for split in other.test[:1]
        if other.labelled_test or (own and other is task)
    ]
    for name, other, split in wanted:
        if source.has(other, split):
            examples = source.load(other, split)
            if examples.labels is not None:
                found[name] = _limited((examples, examples.labels), other, config, seed)
    return found


def find_identical_splits(train: Examples | None, dev: Mapping[str, Examples]) -> dict[str, str]:
    """Splits that hold, row by row, the texts of another one, by that one's name.

    They come from a copied file, or from a dataset class that does not look at ``split``.

    Args:
        train: all rows of the train split, those included that are held out of it; ``None`` where nothing is trained.
        dev: the rows to score on, by split.
    """
    found: dict[str, str] = {}
    before = {} if train is None else {"train": train}
    for split, rows in dev.items():
        twin = next((name for name, others in before.items() if others.columns == rows.columns), None)
        if twin is None:
            before[split] = rows
        else:
            found[split] = twin
    return found


def load_labelled(source: DataSource, task: Task, split: str) -> tuple[Examples, Labels]:
    """One split, which must have labels.

    Raises:
        DataError: it has none.
    """
    examples = source.load(task, split)
    if examples.labels is None:
        raise DataError(f"the {split} rows of {task.name} must have labels, but got none", examples.source)
    return examples, examples.labels


def _answered_by(task: Task) -> list[Task]:
    return [other for other in TASKS.values() if other.evaluated_with == task.name]


def _limited(labelled: tuple[Examples, Labels], task: Task, config: DataConfig, seed: int) -> Examples:
    examples, labels = labelled
    return examples.take(stratified_sample(labels, task, config.max_eval_samples, seed))
