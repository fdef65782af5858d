"""How rows that are too long are cut.

Registered models keep a copy of this file, so that they cut as training did where gluetune is not installed. It
therefore imports nothing but numpy and transformers.
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
Flat = tuple[NDArray[np.int32], NDArray[np.int32], Counts]  # ids and token types of all rows, length of each row


def tokenize(
    texts: list[list[str]],
    tokenizer: PreTrainedTokenizerBase,
    max_seq_length: int,
    truncation: Truncation,
) -> Flat:
    """Token ids of rows, special tokens included.

    Args:
        texts: the text columns, one or two.
        tokenizer: the encoder's.
        max_seq_length: most tokens per row.
        truncation: how a pair that is too long is cut; a single text loses its end either way.

    Returns:
        [tokens] ids and [tokens] token types of all rows, one after the other, and [rows] lengths.
    """
    ways: dict[Truncation, Callable[[list[list[str]], PreTrainedTokenizerBase, int], Flat]] = {
        "longest_first": _longest_first,
        "proportional": _proportional,
    }
    return ways[truncation if len(texts) == 2 else "longest_first"](texts, tokenizer, max_seq_length)


def split_token_budget(first: Counts, second: Counts, room: int) -> tuple[Counts, Counts]:
    """How many tokens the texts of pairs that are too long keep: in proportion to their lengths.

    Args:
        first: [rows] tokens of the first text.
        second: [rows] tokens of the second text; together more than ``room``.
        room: tokens that both may keep together, at least 2.

    Returns:
        [rows] tokens of the first and of the second text, together ``room``; a text that has any keeps one at least.
    """
    kept = np.rint(room * first / (first + second)).astype(np.int64)
    kept = np.clip(kept, np.minimum(first, 1), room - np.minimum(second, 1))
    return kept, room - kept


def _longest_first(texts: list[list[str]], tokenizer: PreTrainedTokenizerBase, max_seq_length: int) -> Flat:
    """The tokenizer's own way: the longer text loses its end until both are equally long (Devlin et al. 2019)."""
    call = tokenizer(
        *texts,
        truncation="longest_first",
        max_length=max_seq_length,
        return_attention_mask=False,
        return_token_type_ids=True,
    )
    return _flat(call["input_ids"]), _flat(call["token_type_ids"]), _lengths(call["input_ids"])


def _proportional(texts: list[list[str]], tokenizer: PreTrainedTokenizerBase, max_seq_length: int) -> Flat:
    """Both texts lose their ends, so that they keep the same share of their lengths (an exercise of https://d2l.ai).

    The tokenizer puts whole pairs together; text is then taken out of those that are too long, which leaves its
    special tokens where its template has them.
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
        place = np.cumsum(~template) - 1  # of each text token among those of both texts
        text = (place < of_first) | (place >= length) & (place < length + of_second)
        keep[ends[row] - lengths[row] : ends[row]] = template | text
    return input_ids[keep], types[keep], np.minimum(lengths, max_seq_length)


def _text_ids(text: str, tokenizer: PreTrainedTokenizerBase) -> list[int]:
    ids: list[int] = tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"]
    return ids


def _flat(rows: list[list[int]]) -> NDArray[np.int32]:
    return np.fromiter(chain.from_iterable(rows), np.int32)


def _lengths(rows: list[list[int]]) -> Counts:
    return np.fromiter(map(len, rows), np.int64, len(rows))
