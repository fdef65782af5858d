"""Tokenization, and truncation of rows that are too long.

Registered models contain a copy of this file, so that they truncate as in training where gluetune is not installed. It
therefore imports only numpy and transformers.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import chain
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from transformers import PreTrainedTokenizerBase

Truncation = Literal["longest_first", "proportional"]
Counts = NDArray[np.int64]
# [tokens] ids and [tokens] token types of all rows, one after the other, and [rows] lengths.
Flat = tuple[NDArray[np.int32], NDArray[np.int32], Counts]


def tokenize(
    texts: list[list[str]],
    tokenizer: PreTrainedTokenizerBase,
    max_seq_length: int,
    truncation: Truncation,
) -> Flat:
    """Tokenize rows and truncate those that are too long.

    Args:
        texts: one or two text columns, each with one string per row.
        tokenizer: the tokenizer of the encoder.
        max_seq_length: maximum number of tokens per row, special tokens included.
        truncation: how a pair that is too long is truncated; a single text always loses its last tokens.

    Returns:
        [tokens] ids and [tokens] token types of all rows, one after the other, and [rows] lengths.
    """
    strategies: dict[Truncation, Callable[[list[list[str]], PreTrainedTokenizerBase, int], Flat]] = {
        "longest_first": _longest_first,
        "proportional": _proportional,
    }
    return strategies[truncation if len(texts) == 2 else "longest_first"](texts, tokenizer, max_seq_length)


def split_token_budget(first: Counts, second: Counts, budget: int) -> tuple[Counts, Counts]:
    """Split the token budget of pairs that are too long in proportion to the lengths of their texts.

    Args:
        first: [rows] number of tokens of the first text.
        second: [rows] number of tokens of the second text; the two together exceed ``budget``.
        budget: number of tokens that both texts keep together, at least 2.

    Returns:
        [rows] number of tokens that the first and the second text keep. They add up to ``budget``; a text that is not
        empty keeps at least one token.
    """
    kept = np.rint(budget * first / (first + second)).astype(np.int64)
    kept = np.clip(kept, np.minimum(first, 1), budget - np.minimum(second, 1))
    return kept, budget - kept


def _longest_first(texts: list[list[str]], tokenizer: PreTrainedTokenizerBase, max_seq_length: int) -> Flat:
    """Remove tokens from the end of the longer text until the pair fits (Devlin et al. 2019)."""
    call = tokenizer(
        *texts,
        truncation="longest_first",
        max_length=max_seq_length,
        return_attention_mask=False,
        return_token_type_ids=True,
    )
    return _flat(call["input_ids"]), _flat(call["token_type_ids"]), _lengths(call["input_ids"])


def _proportional(texts: list[list[str]], tokenizer: PreTrainedTokenizerBase, max_seq_length: int) -> Flat:
    """Remove tokens from the end of both texts, so that both keep the same share of their length.

    This is an exercise in https://d2l.ai, "Natural Language Inference: Fine-Tuning BERT". The tokenizer builds whole
    pairs; tokens of text are then removed from those that are too long, so special tokens stay where the tokenizer's
    template puts them.
    """
    call = tokenizer(
        *texts,
        truncation=False,
        return_attention_mask=False,
        return_token_type_ids=True,
        return_special_tokens_mask=True,
        verbose=False,
    )
    input_ids, types, lengths = _flat(call["input_ids"]), _flat(call["token_type_ids"]), _lengths(call["input_ids"])
    long = np.flatnonzero(lengths > max_seq_length)
    first = _lengths([_text_ids(texts[0][row], tokenizer) for row in long])
    special = tokenizer.num_special_tokens_to_add(pair=True)
    kept = split_token_budget(first, lengths[long] - first - special, max_seq_length - special)
    keep, ends = np.ones(len(input_ids), np.bool_), np.cumsum(lengths)
    for row, length, of_first, of_second in zip(long, first, *kept, strict=True):
        template = np.array(call["special_tokens_mask"][row], np.bool_)
        position = np.cumsum(~template) - 1  # of each text token, counted over both texts
        text = (position < of_first) | (position >= length) & (position < length + of_second)
        keep[ends[row] - lengths[row] : ends[row]] = template | text
    return input_ids[keep], types[keep], np.minimum(lengths, max_seq_length)


def _text_ids(text: str, tokenizer: PreTrainedTokenizerBase) -> list[int]:
    ids: list[int] = tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"]
    return ids


def _flat(rows: list[list[int]]) -> NDArray[np.int32]:
    return np.fromiter(chain.from_iterable(rows), np.int32)


def _lengths(rows: list[list[int]]) -> Counts:
    return np.fromiter(map(len, rows), np.int64, len(rows))
