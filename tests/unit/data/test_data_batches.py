"""Batches of rows of like length, and how workers share them."""

from __future__ import annotations

import numpy as np
import pytest

from gluetune.data import length_grouped_batches, shard_batch


def lengths(rows: int) -> np.ndarray:
    return np.random.default_rng(rows).integers(5, 128, rows)


def padding(batches: list[np.ndarray], of: np.ndarray) -> float:
    """Share of a padded epoch that is padding."""
    padded = sum(len(batch) * int(of[batch].max()) for batch in batches)
    return 1 - float(of.sum()) / padded


@pytest.mark.parametrize("shuffle", [True, False])
@pytest.mark.parametrize("rows", [0, 1, 7, 31, 32, 33, 1600, 1601, 4999])
@pytest.mark.parametrize("batch_size", [1, 32])
def test_every_row_exactly_once(rows: int, batch_size: int, shuffle: bool) -> None:
    batches = length_grouped_batches(lengths(rows), batch_size, seed=1, epoch=0, shuffle=shuffle)
    assert sorted(np.concatenate([np.arange(0), *batches]).tolist()) == list(range(rows))
    assert len(batches) == -(-rows // batch_size)
    assert sum(len(batch) != batch_size for batch in batches) == (rows % batch_size > 0)


def test_same_seed_and_epoch_same_plan() -> None:
    first, second = (length_grouped_batches(lengths(999), 16, seed=3, epoch=2) for _ in range(2))
    assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))


@pytest.mark.parametrize(("seed", "epoch"), [(4, 2), (3, 3), (2, 3)])
def test_another_seed_or_epoch_another_plan(seed: int, epoch: int) -> None:
    plan, other = length_grouped_batches(lengths(999), 16, 3, 2), length_grouped_batches(lengths(999), 16, seed, epoch)
    assert {frozenset(batch.tolist()) for batch in plan} != {frozenset(batch.tolist()) for batch in other}


def test_rows_of_like_length_stand_together() -> None:
    of = lengths(8000)
    drawn = np.array_split(np.random.default_rng(0).permutation(len(of)), 250)
    assert padding(drawn, of) > 0.4
    assert padding(length_grouped_batches(of, 32, seed=0, epoch=0), of) < 0.05


def test_short_and_long_batches_are_mixed() -> None:
    of = lengths(8000)
    means = [float(of[batch].mean()) for batch in length_grouped_batches(of, 32, seed=0, epoch=0)]
    ranks = np.argsort(np.argsort(means))
    assert abs(np.corrcoef(ranks, np.arange(len(ranks)))[0, 1]) < 0.2


def test_neighbours_in_length_change_from_epoch_to_epoch() -> None:
    of = np.full(640, 20)
    first, second = (length_grouped_batches(of, 32, seed=0, epoch=epoch) for epoch in (0, 1))
    shared = max(len(set(a.tolist()) & set(b.tolist())) for a in first for b in second)
    assert shared < 16


def test_without_shuffling_short_rows_come_first() -> None:
    of = lengths(100)
    order = np.concatenate(length_grouped_batches(of, 8, seed=5, epoch=1, shuffle=False))
    assert np.all(np.diff(of[order]) >= 0)
    assert np.array_equal(order, np.concatenate(length_grouped_batches(of, 8, seed=6, epoch=9, shuffle=False)))


@pytest.mark.parametrize("rows", [1, 2, 3, 7, 32])
@pytest.mark.parametrize("world_size", [1, 2, 3, 4, 8])
def test_shares_are_the_batch(rows: int, world_size: int) -> None:
    batch = np.arange(100, 100 + rows)
    shares = [shard_batch(batch, rank, world_size) for rank in range(world_size)]
    counted = np.concatenate([share[:count] for share, count in shares])
    assert sorted(counted.tolist()) == batch.tolist()
    assert max(count for _, count in shares) - min(count for _, count in shares) <= 1
    assert all(len(share) == max(count, 1) and set(share) <= set(batch) for share, count in shares)


def test_shares_are_of_like_length() -> None:
    of = lengths(3200)
    for batch in length_grouped_batches(of, 32, seed=0, epoch=0):
        tokens = [int(of[shard_batch(batch, rank, 2)[0]].sum()) for rank in range(2)]
        assert max(tokens) <= 1.1 * min(tokens)
