"""Which rows make which batch, and which of them each worker takes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gluetune.data.examples import RowIndices

_BATCHES_PER_BUCKET = 50  # as in transformers' LengthGroupedSampler


def length_grouped_batches(
    lengths: NDArray[np.int64],
    batch_size: int,
    seed: int,
    epoch: int,
    shuffle: bool = True,
) -> list[RowIndices]:
    """Cuts an epoch into global batches of rows of like length.

    Rows are permuted, cut into buckets of 50 batches, sorted by length within each, cut into batches; then the
    batches are permuted. Every row occurs once; the last bucket's incomplete batch is kept.

    Args:
        lengths: [rows] tokens per row.
        batch_size: rows per batch.
        seed: the trial's seed.
        epoch: counts from 0; another epoch, another order.
        shuffle: if not, all rows are sorted by length and the batches keep that order, for evaluation.
    """
    generator = np.random.default_rng(np.random.SeedSequence((seed, epoch)))
    order = generator.permutation(len(lengths)) if shuffle else np.arange(len(lengths))
    bucket = batch_size * _BATCHES_PER_BUCKET if shuffle else max(len(lengths), 1)
    batches: list[RowIndices] = []
    for start in range(0, len(order), bucket):
        rows = order[start : start + bucket]
        rows = rows[np.argsort(lengths[rows], kind="stable")]
        batches += [rows[first : first + batch_size] for first in range(0, len(rows), batch_size)]
    return [batches[index] for index in generator.permutation(len(batches))] if shuffle else batches


def shard_batch(batch: RowIndices, rank: int, world_size: int) -> tuple[RowIndices, int]:
    """One worker's share of a global batch.

    Shares are interleaved, so that all workers get rows of like length.

    Returns:
        The rows, and how many of them count: a worker for whom no row is left takes one that counts 0, because all
        workers must run the same forward and backward passes.
    """
    rows = batch[rank::world_size]
    return (rows, len(rows)) if len(rows) else (batch[:1], 0)
