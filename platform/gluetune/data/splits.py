"""Random splits and samples of rows, and the labelled splits that a trained model is evaluated on."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from gluetune.config import DataConfig
from gluetune.data.examples import DataSource, Examples, Labels, RowIndices
from gluetune.errors import ConfigError, ConfigIssue, DataError
from gluetune.tasks import TASKS, Task

Groups = NDArray[np.uint64]
"""[rows] ids of the groups that rows belong to."""
_REGRESSION_BINS = 10


def hold_out(
    labels: Labels, task: Task, config: DataConfig, seed: int, groups: Groups | None = None
) -> tuple[RowIndices, RowIndices]:
    """Split the rows of train into train rows and selection rows.

    ``selection: holdout`` draws ``selection_fraction`` of all rows, at most ``selection_max_rows`` and
    ``max_eval_samples``, at least one row per class. The draw is stratified by class (for a regression, by tenths of
    the distribution of the labels). As far as the number of rows allows, a class with two or more rows occurs in both
    parts, and the only row of a class is a train row.

    ``selection: train_test_split`` takes the rows that ``sklearn.model_selection.train_test_split(range(rows),
    random_state=seed, test_size=selection_fraction)`` draws, without stratification and without further limits.

    With groups, whole groups of about as many rows are drawn, stratified as far as their rows allow. Rows of a
    multi-label task are stratified by the rarest of their classes.

    Args:
        labels: [rows] or, for multi-label, [rows, labels] labels of train.
        task: the task.
        config: selects the kind of split, the fraction, the limits and, with ``selection_seed``, the seed.
        seed: seed of the job, used if ``config.selection_seed`` is ``None``. The same seed draws the same rows.
        groups: [rows] ids of groups, none of which is divided; ``None`` divides rows.

    Returns:
        Positions of the train rows and of the selection rows: sorted, disjoint, and together all rows.

    Raises:
        ConfigError: ``selection`` is ``train_test_split``, but there are groups.
        DataError: train has fewer than two rows per class, no row would be left to train on, or all rows are one group.
    """
    seed = seed if config.selection_seed is None else config.selection_seed
    if groups is None:
        strategies = {"holdout": _stratified, "train_test_split": _as_scikit_learn}
        selection = strategies[config.selection](labels, task, config, seed)
    elif config.selection == "holdout":
        if len(np.unique(groups)) < 2:
            raise DataError(
                f"holding selection rows of {task.name} out by groups takes at least two groups, but all {len(groups)} "
                "rows belong to one"
            )
        selection = draw_groups(groups, strata_of(labels, task), _selection_size(labels, task, config), seed)
    else:
        message = f"must be holdout for {task.name}, which has groups, but got {config.selection}"
        raise ConfigError([ConfigIssue("data.selection", message)])
    return np.setdiff1d(np.arange(len(labels)), selection), selection


def _stratified(labels: Labels, task: Task, config: DataConfig, seed: int) -> RowIndices:
    return _draw(strata_of(labels, task), _selection_size(labels, task, config), seed, keep=1)


def _selection_size(labels: Labels, task: Task, config: DataConfig) -> int:
    least = max(2, len(task.labels))
    if len(labels) < 2 * least:
        hint = "`data.selection: dev` takes none" if task.dev else "its `validation` can name rows of their own"
        raise DataError(
            f"holding selection rows out takes at least {2 * least} train rows of {task.name}, but got "
            f"{len(labels)}; {hint}"
        )
    share = max(least, round(config.selection_fraction * len(labels)))
    return min(share, len(labels) - least, config.selection_max_rows, config.max_eval_samples or share)


def _as_scikit_learn(labels: Labels, task: Task, config: DataConfig, seed: int) -> RowIndices:
    from sklearn.model_selection import train_test_split  # takes a second to import, and most searches do not need it

    fraction, rows = config.selection_fraction, np.arange(len(labels))
    if len(rows) <= math.ceil(fraction * len(rows)):
        raise DataError(
            f"train_test_split must leave rows of {task.name} to train on, but got (rows={len(rows)}, "
            f"selection_fraction={fraction:g}); `data.selection: dev` takes none"
        )
    selection: RowIndices = np.sort(train_test_split(rows, random_state=seed, test_size=fraction)[1])
    return selection


def draw_groups(groups: Groups, strata: NDArray[np.int64], size: int, seed: int) -> RowIndices:
    """Draw whole groups of about ``size`` rows, in which strata have about the shares that they have in all rows.

    Groups are drawn in random order. A group is taken if the rows taken so far come nearer to ``size`` rows and to each
    stratum's share of these; a stratum counts the same whether it is rare or frequent. If no group does that, because
    each is too large, the one that misses least is taken.

    Args:
        groups: [rows] ids of groups, of at least two.
        strata: [rows] the strata 0, 1, …, such as classes.
        size: number of rows to draw.
        seed: seed of the order.

    Returns:
        The sorted positions of the rows of the drawn groups: neither none nor all rows.
    """
    names, group_of = np.unique(groups, return_inverse=True)
    classes = int(strata.max()) + 1
    pairs, counts = np.unique(group_of * classes + strata, return_counts=True)  # what rows each group has of a stratum
    starts = np.searchsorted(pairs // classes, np.arange(len(names) + 1))
    totals = np.bincount(strata, minlength=classes)
    missing = totals * (size / len(groups))
    order = np.random.default_rng(seed).permutation(len(names))
    taken: list[int] = []
    misses = np.empty(len(names))
    rows_left = float(size)
    for group in order:
        part = slice(starts[group], starts[group + 1])
        kinds, rows = pairs[part] % classes, counts[part]
        change = np.abs(missing[kinds] - rows) - np.abs(missing[kinds])
        spare = (abs(rows_left - rows.sum()) - abs(rows_left)) / len(groups)
        misses[group] = float((change / totals[kinds]).sum()) + classes * spare
        if misses[group] < 0 and len(taken) < len(names) - 1:
            taken.append(int(group))
            missing[kinds] -= rows
            rows_left -= rows.sum()
    if not taken:
        taken = [int(order[np.argmin(misses[order])])]
    return np.flatnonzero(np.isin(group_of, taken))


def shared_groups(first: Groups, second: Groups) -> int:
    """Return the number of groups that two splits both have rows of."""
    return len(np.intersect1d(first, second))


def stratified_sample(labels: Labels, task: Task, size: int | None, seed: int) -> RowIndices:
    """Draw a stratified random sample of rows.

    Args:
        labels: [rows] labels by which the draw is stratified.
        task: the task of the rows.
        size: number of rows to draw; ``None``, or a number that is not smaller than the number of rows, keeps all.
        seed: seed of the draw.

    Returns:
        The sorted positions of the drawn rows.
    """
    if size is None or size >= len(labels):
        return np.arange(len(labels))
    return _draw(strata_of(labels, task), size, seed, keep=0)


def strata_of(labels: Labels, task: Task) -> NDArray[np.int64]:
    """Return the [rows] strata 0, 1, …: the classes that occur, or quantile bins of the values of a regression.

    The stratum of a row with several classes is the rarest of them; rows without a class are one stratum.

    Args:
        labels: [rows] or, for multi-label, [rows, labels] labels.
        task: the task.
    """
    keys = labels
    if task.multi_label:
        rarest_first = np.argsort(labels.sum(axis=0), kind="stable")
        ordered = labels[:, rarest_first] > 0
        keys = np.where(ordered.any(axis=1), ordered.argmax(axis=1), task.num_labels)
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
    """Return how many rows are drawn from each stratum: in proportion, rounded so that they add up to ``size``.

    As far as ``size`` allows, ``keep`` rows of a stratum are not drawn, and at least one is drawn if it has more.
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
    """Load all labelled rows of a task except those of train.

    Those of a task of the user's own files are validation and test, as far as they are given and labelled.

    These are the dev splits, the test split if its rows have labels (SNLI's official test rows, or the user's own), and
    the test splits of tasks that are evaluated with this task's model (AX with MNLI's). The source may lack all of them
    except the first dev split: a GLUE folder is complete without the diagnostic set.

    Args:
        task: the task.
        source: the source that the rows are loaded from.
        config: ``max_eval_samples`` limits the rows of each split.
        seed: seed of the sample that a limit draws.

    Returns:
        The rows by name, the first dev split first, if the task has one. The name is that of the split, or that of the
        other task.

    Raises:
        DataError: the first dev split is missing or has no labels, or a row has the wrong format.
    """
    own = config.test_file is not None or config.source == "custom" or source.own
    found = {split: _limited(load_labelled(source, task, split), task, config, seed) for split in task.dev[:1]}
    optional = [(split, task, split) for split in task.dev[1:]]
    optional += [
        (split if other is task else other.name, other, split)
        for other in (task, *_evaluated_with_the_model_of(task))
        for split in other.test[:1]
        if other.labelled_test or (own and other is task)
    ]
    for name, other, split in optional:
        if source.has(other, split):
            examples = source.load(other, split)
            if examples.labels is not None:
                found[name] = _limited((examples, examples.labels), other, config, seed)
    return found


def find_identical_splits(train: Examples | None, dev: Mapping[str, Examples]) -> dict[str, str]:
    """Find splits that have, row by row, the same texts as another split.

    Their cause is a copied file, or a dataset class that ignores its parameter ``split``.

    Args:
        train: all rows of the train split, including those that are held out for selection; ``None`` if no model is
            trained.
        dev: the rows that models are scored on, by split.

    Returns:
        The name of the other split, by the name of the split that repeats it.
    """
    found: dict[str, str] = {}
    before = {} if train is None else {"train": train}
    for split, rows in dev.items():
        repeated = next((name for name, others in before.items() if others.columns == rows.columns), None)
        if repeated is None:
            before[split] = rows
        else:
            found[split] = repeated
    return found


def load_labelled(source: DataSource, task: Task, split: str) -> tuple[Examples, Labels]:
    """Load one split that must have labels.

    Args:
        source: the source that the rows are loaded from.
        task: the task.
        split: one of ``task.splits``.

    Returns:
        The rows, and their labels.

    Raises:
        DataError: the rows have no labels, or the split cannot be loaded.
    """
    examples = source.load(task, split)
    if examples.labels is None:
        raise DataError(f"the {split} rows of {task.name} must have labels, but got none", examples.source)
    return examples, examples.labels


def _evaluated_with_the_model_of(task: Task) -> list[Task]:
    return [other for other in TASKS.values() if other.evaluated_with == task.name]


def _limited(labelled: tuple[Examples, Labels], task: Task, config: DataConfig, seed: int) -> Examples:
    examples, labels = labelled
    return examples.take(stratified_sample(labels, task, config.max_eval_samples, seed))
