"""The split of train rows into train and selection rows by groups, none of which is on both sides."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gluetune.data.examples import RowIndices

Groups = NDArray[np.uint64]
"""[rows] ids of the groups that rows belong to."""


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
