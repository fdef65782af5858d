"""Tokenized rows as ragged arrays without padding, and their division into batches."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import PreTrainedTokenizerBase

from gluetune.data.examples import Examples, Labels, RowIndices
from gluetune.data.truncation import Truncation, tokenize
from gluetune.errors import ConfigError, ConfigIssue, ModelError
from gluetune.tasks import Task

_ROWS_PER_CALL = 2048  # limits the memory of the Python lists that the tokenizer returns


@dataclass(frozen=True)
class EncodedRows:
    """Tokenized rows, as plain arrays that Ray's object store shares between processes without a copy.

    Attributes:
        input_ids: [tokens] int32, token ids of all rows, one after the other.
        offsets: [rows + 1] int64; row ``i`` is ``input_ids[offsets[i]:offsets[i + 1]]``.
        boundaries: [rows] int32, position within the row at which token type 1 (the second segment) starts; the length
            of the row if it has no second segment.
        labels: [rows] int64 class ids or float32 values, or [rows, classes] float32 0 and 1 of a multi-label task;
            ``None`` if the rows have no labels.
        pad_token_id: id of the token that pads the rows of a batch.
        token_types: whether the encoder takes ``token_type_ids``.
    """

    input_ids: NDArray[np.int32]
    offsets: NDArray[np.int64]
    boundaries: NDArray[np.int32]
    labels: Labels | None
    pad_token_id: int
    token_types: bool

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def lengths(self) -> NDArray[np.int64]:
        """[rows] number of tokens in each row."""
        return np.diff(self.offsets)

    def select(self, rows: RowIndices) -> EncodedRows:
        """Return a copy of the rows at these positions, in this order.

        Args:
            rows: [selected rows] positions, counted from 0.
        """
        lengths = self.offsets[rows + 1] - self.offsets[rows]
        offsets = _offsets(lengths)
        tokens = np.arange(offsets[-1]) + np.repeat(self.offsets[rows] - offsets[:-1], lengths)
        labels = None if self.labels is None else self.labels[rows]
        return replace(
            self, input_ids=self.input_ids[tokens], offsets=offsets, boundaries=self.boundaries[rows], labels=labels
        )

    def lengths_of(self, rows: RowIndices) -> NDArray[np.int64]:
        """Return the [batch] number of tokens of the rows at these positions."""
        stored = self._stored(rows)
        lengths: NDArray[np.int64] = self.offsets[stored + 1] - self.offsets[stored]
        return lengths

    def _stored(self, rows: RowIndices) -> RowIndices:
        """Return the positions among the stored tokens of rows."""
        return rows

    @cached_property
    def longest(self) -> int:
        """Number of tokens in the longest row."""
        return int(self.lengths.max())

    def collate(self, rows: RowIndices, multiple: int = 1) -> dict[str, torch.Tensor]:
        """Return a batch, padded on the right to its longest row.

        Args:
            rows: [batch] positions of the rows, at least one.
            multiple: the width is rounded up to a multiple of this number, but never beyond the longest of all rows,
                because the encoder may not accept more tokens.

        Returns:
            ``input_ids``, ``attention_mask`` and, if the encoder takes them, ``token_type_ids``: int32 [batch, width],
            mask and token types are 0 in the padding. ``labels``: [batch] int32 class ids or float32 values, or
            [batch, classes] float32, if the rows have labels.
        """
        stored = self._stored(rows)
        starts = self.offsets[stored]
        lengths = self.offsets[stored + 1] - starts
        width = lengths.max() if multiple == 1 else min(-(-int(lengths.max()) // multiple) * multiple, self.longest)
        positions = np.arange(width)
        mask = positions < lengths[:, None]
        tokens = np.where(mask, starts[:, None] + positions, 0)
        batch = {"input_ids": np.where(mask, self.input_ids[tokens], self.pad_token_id), "attention_mask": mask}
        if self.token_types:
            batch["token_type_ids"] = mask & (positions >= self.boundaries[stored][:, None])
        tensors = {name: torch.from_numpy(array.astype(np.int32)) for name, array in batch.items()}
        if self.labels is not None:
            labels = self.labels[rows]
            tensors["labels"] = torch.from_numpy(labels if labels.dtype == np.float32 else labels.astype(np.int32))
        return tensors


def encode_rows(
    examples: Examples,
    task: Task,
    tokenizer: PreTrainedTokenizerBase,
    max_seq_length: int,
    truncation: Truncation = "longest_first",
) -> EncodedRows:
    """Tokenize rows.

    Args:
        examples: the rows.
        task: defines the text columns.
        tokenizer: the tokenizer of the encoder.
        max_seq_length: maximum number of tokens per row, special tokens included.
        truncation: how a pair that is too long is truncated: ``longest_first`` removes tokens from the longer text,
            ``proportional`` from both.

    Raises:
        ConfigError: ``max_seq_length`` exceeds the number of tokens that the encoder accepts.
        ModelError: the tokenizer has no padding token, or its token types are not zeros followed by ones.
    """
    _check(tokenizer, max_seq_length)
    texts = [examples.columns[name] for name in task.columns]
    token_types = "token_type_ids" in tokenizer.model_input_names
    calls = [(np.zeros(0, np.int32), np.zeros(0, np.int32), np.zeros(0, np.int64))]
    for start in range(0, len(examples), _ROWS_PER_CALL):
        rows = [list(column[start : start + _ROWS_PER_CALL]) for column in texts]
        input_ids, types, lengths = tokenize(rows, tokenizer, max_seq_length, truncation)
        boundaries = _boundaries(types, lengths, tokenizer) if token_types else lengths.astype(np.int32)
        calls.append((input_ids, boundaries, lengths))
    input_ids, boundaries, lengths = (np.concatenate(parts) for parts in zip(*calls, strict=True))
    return EncodedRows(
        input_ids, _offsets(lengths), boundaries, examples.labels, int(tokenizer.pad_token_id), token_types
    )


def _check(tokenizer: PreTrainedTokenizerBase, max_seq_length: int) -> None:
    if max_seq_length > tokenizer.model_max_length:
        limit = f"must be at most {tokenizer.model_max_length}, the encoder's limit, but got {max_seq_length}"
        raise ConfigError([ConfigIssue("data.max_seq_length", limit)])
    if tokenizer.pad_token_id is None:
        raise ModelError(f"the tokenizer must have a padding token, but {tokenizer.name_or_path!r} has none")


def _offsets(lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)])


def _boundaries(
    types: NDArray[np.int32],
    lengths: NDArray[np.int64],
    tokenizer: PreTrainedTokenizerBase,
) -> NDArray[np.int32]:
    """Return the [rows] number of zeros before the ones in each row's token types.

    Raises:
        ModelError: the token types of a row are not zeros followed by ones.
    """
    offsets = _offsets(lengths)
    ones = np.diff(np.concatenate([np.zeros(1, np.int64), np.cumsum(types, dtype=np.int64)])[offsets])
    boundaries = lengths - ones
    positions = np.arange(len(types)) - np.repeat(offsets[:-1], lengths)
    if not np.array_equal(types, positions >= np.repeat(boundaries, lengths)):
        raise ModelError(f"a row's token types must be 0…0 1…1, but those of {tokenizer.name_or_path!r} are not")
    return boundaries.astype(np.int32)


_BATCHES_PER_BUCKET = 50  # as in transformers' LengthGroupedSampler


def length_grouped_batches(
    lengths: NDArray[np.int64],
    batch_size: int,
    seed: int,
    epoch: int,
    shuffle: bool = True,
    shares: NDArray[np.float64] | None = None,
) -> list[RowIndices]:
    """Divide an epoch into global batches whose rows have similar lengths.

    The function permutes the rows, divides them into buckets of 50 batches, sorts each bucket by length, divides it
    into batches and permutes the batches, as transformers' ``group_by_length`` does. Every row occurs once; the
    incomplete batch of the last bucket is kept.

    Args:
        lengths: [rows] number of tokens per row.
        batch_size: rows per global batch.
        seed: seed of the trial.
        epoch: number of the epoch, counted from 0; each epoch has its own order.
        shuffle: ``False`` sorts all rows by length and keeps the batches in that order, for evaluation.
        shares: [rows] probability of each row; as many rows as there are are then drawn with replacement, instead of
            each once.

    Returns:
        One array of row positions per batch.
    """
    generator = np.random.default_rng(np.random.SeedSequence((seed, epoch)))
    order = generator.permutation(len(lengths)) if shuffle else np.arange(len(lengths))
    if shares is not None:
        order = generator.choice(len(lengths), len(lengths), p=shares)
    batches = bucket_by_length(order, lengths, batch_size, _BATCHES_PER_BUCKET if shuffle else len(lengths))
    return [batches[index] for index in generator.permutation(len(batches))] if shuffle else batches


def bucket_by_length(
    order: RowIndices, lengths: NDArray[np.int64], batch_size: int, batches_per_bucket: int
) -> list[RowIndices]:
    """Divide rows into batches whose rows have similar lengths.

    Args:
        order: [rows] row positions, which are divided into buckets in this order.
        lengths: number of tokens by row position.
        batch_size: rows per batch.
        batches_per_bucket: number of batches whose rows are sorted by length together.

    Returns:
        One array of row positions per batch, bucket by bucket, each sorted by length.
    """
    bucket = batch_size * max(batches_per_bucket, 1)
    batches: list[RowIndices] = []
    for start in range(0, len(order), bucket):
        rows = order[start : start + bucket]
        rows = rows[np.argsort(lengths[rows], kind="stable")]
        batches += [rows[first : first + batch_size] for first in range(0, len(rows), batch_size)]
    return batches


def shard_batch(batch: RowIndices, rank: int, world_size: int) -> tuple[RowIndices, int]:
    """Return one worker's rows of a global batch.

    Workers take every ``world_size``-th row, so that all of them get rows of similar lengths.

    Args:
        batch: [rows] positions of the rows of the global batch.
        rank: rank of the worker.
        world_size: number of workers.

    Returns:
        The positions of the worker's rows, and how many of them count. If the batch has fewer rows than there are
        workers, a worker without a row gets the first row of the batch and the count 0, because all workers must run
        the same forward and backward passes.
    """
    rows = batch[rank::world_size]
    return (rows, len(rows)) if len(rows) else (batch[:1], 0)


def token_fingerprint(encoded: EncodedRows) -> str:
    """Return the SHA-256 of the token ids and segments of rows; labels do not count."""
    digest = hashlib.sha256()
    for array in (encoded.input_ids, encoded.offsets, encoded.boundaries):
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()
