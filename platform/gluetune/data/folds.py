"""Folds of a cross-validation: which rows each has, and rows of a fold that share the tokens of all rows."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from gluetune.config import DataConfig
from gluetune.data.encoding import EncodedRows
from gluetune.data.examples import Labels, RowIndices
from gluetune.data.splits import Groups, strata_of
from gluetune.errors import DataError
from gluetune.tasks import Task

FoldIds = NDArray[np.int16]
"""[rows] the fold of each row, counted from 0."""


def assign_folds(labels: Labels, task: Task, config: DataConfig, seed: int, groups: Groups | None = None) -> FoldIds:
    """Divide rows into folds of equal size, each with the same share of every class.

    Rows are stratified by class, those of a multi-label task by the rarest of their classes, those of a regression by
    tenths of the distribution of the labels. The numbers of rows of two folds differ by at most one, and so do those of
    each stratum. With groups, whole groups are assigned, the largest first, each to the fold in which the shares of
    rows and strata then differ least.

    Args:
        labels: [rows] or, for multi-label, [rows, labels] labels.
        task: the task.
        config: the number of folds and, with ``selection_seed``, the seed.
        seed: seed of the job, used if ``config.selection_seed`` is ``None``. The same seed gives the same folds.
        groups: [rows] ids of groups, none of which is divided; ``None`` divides rows.

    Returns:
        The fold of each row; each fold has at least one row.

    Raises:
        DataError: there are fewer rows or groups than folds, or a class has fewer rows than there are folds.
    """
    generator = np.random.default_rng(seed if config.selection_seed is None else config.selection_seed)
    _check(labels, task, config.folds, groups)
    strata = strata_of(labels, task)
    if groups is not None:
        return _assign_groups(groups, strata, config.folds, generator)
    order = np.lexsort((generator.permutation(len(labels)), strata))  # by stratum, in random order within each
    folds = np.empty(len(labels), np.int16)
    folds[order] = np.arange(len(labels)) % config.folds
    return folds


def _check(labels: Labels, task: Task, folds: int, groups: Groups | None) -> None:
    """Check that each fold can have rows, and where classes are stratified, rows of every class.

    Raises:
        DataError: it cannot.
    """
    units, what = (len(labels), "train rows") if groups is None else (len(np.unique(groups)), "groups of train rows")
    if units < folds:
        raise DataError(
            f"data.folds (--folds) must be at most the number of {what} of {task.name}, {units}, but got {folds}"
        )
    if task.problem != "single_label" or groups is not None:
        return
    classes, counts = np.unique(labels, return_counts=True)
    rarest = int(counts.argmin())
    if counts[rarest] < folds:
        name = task.labels[int(classes[rarest])]
        raise DataError(
            f"data.folds (--folds) must be at most the number of train rows of each class of {task.name}, but got "
            f"{folds}, and class {name!r} has {counts[rarest]} {'row' if counts[rarest] == 1 else 'rows'}; use fewer "
            "folds, or data.selection holdout"
        )


def _assign_groups(groups: Groups, strata: NDArray[np.int64], folds: int, generator: np.random.Generator) -> FoldIds:
    """Assign each group to the fold in which the sum over strata of squared shares of rows then grows least."""
    names, group_of = np.unique(groups, return_inverse=True)
    classes = int(strata.max()) + 1
    pairs, counts = np.unique(group_of * classes + strata, return_counts=True)  # the rows of each group by stratum
    starts = np.searchsorted(pairs // classes, np.arange(len(names) + 1))
    totals, sizes = np.bincount(strata, minlength=classes), np.bincount(group_of)
    shares, rows = np.zeros((folds, classes)), np.zeros(folds)
    fold_of_group = np.empty(len(names), np.int16)
    order = generator.permutation(len(names))
    order = order[np.argsort(-sizes[order], kind="stable")]
    for left, group in zip(range(len(order), 0, -1), order, strict=True):
        part = slice(starts[group], starts[group + 1])
        kinds, added = pairs[part] % classes, counts[part] / totals[pairs[part] % classes]
        growth = shares[:, kinds] @ added + classes * rows * (sizes[group] / len(groups) ** 2)
        if left <= np.count_nonzero(rows == 0):  # each of the groups that are left has to fill an empty fold
            growth[rows > 0] = np.inf
        fold = int(growth.argmin())
        fold_of_group[group] = fold
        shares[fold, kinds] += added
        rows[fold] += sizes[group]
    return fold_of_group[group_of]


@dataclass(frozen=True)
class RowView(EncodedRows):
    """Some of the rows of an `EncodedRows`, with whose tokens they share memory.

    Attributes:
        labels: the labels of these rows only.
        rows: [rows] their positions among all rows.
    """

    rows: RowIndices

    @classmethod
    def of(cls, encoded: EncodedRows, rows: RowIndices) -> RowView:
        """Return the rows at these positions, in this order.

        Args:
            encoded: all rows.
            rows: [selected rows] positions, counted from 0.
        """
        return cls(
            encoded.input_ids,
            encoded.offsets,
            encoded.boundaries,
            None if encoded.labels is None else encoded.labels[rows],
            encoded.pad_token_id,
            encoded.token_types,
            rows,
        )

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def lengths(self) -> NDArray[np.int64]:
        """[rows] number of tokens in each row."""
        return self.lengths_of(np.arange(len(self)))

    def select(self, rows: RowIndices) -> EncodedRows:
        """Return the rows at these positions among these rows, in this order, with whose tokens they share memory."""
        return replace(self, rows=self.rows[rows], labels=None if self.labels is None else self.labels[rows])

    def _stored(self, rows: RowIndices) -> RowIndices:
        return self.rows[rows]
