"""Checks that tokenized rows fit a model, made before training: in a worker they would surface as index errors.

Token and segment ids are compared with the sizes of the model's embeddings. For everything else, the model computes the
longest row, and one row with and without padding.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import nn
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from gluetune.data import EncodedRows
from gluetune.errors import ModelError
from gluetune.models.files import silence_transformers_logging

MAX_PADDING_EFFECT = 1e-4  # relative to the largest hidden state; rounding of fp32 stays far below in deep encoders too
_PADDING_CHECK_TOKENS = 64


def check_token_ids(
    model: PreTrainedModel, rows: Iterable[EncodedRows], tokenizer: PreTrainedTokenizerBase, name: str
) -> None:
    """Compare the largest token id and segment id of rows with the sizes of the model's embeddings.

    Args:
        model: the model that will compute the rows.
        rows: one `EncodedRows` per split.
        tokenizer: the tokenizer that the rows were tokenized with.
        name: folder or name on the hub of model and tokenizer, for messages.

    Raises:
        ModelError: the model has no embedding for a token or a segment of the rows.
    """
    encoder: Any = model.base_model
    tokens = len(encoder.get_input_embeddings().weight)
    segments = _segments(model)
    for each in rows:
        largest = max(int(each.input_ids.max(initial=0)), each.pad_token_id)
        if largest >= tokens:
            raise ModelError(
                f"token ids must be below {tokens}, the number of the encoder's token embeddings (vocab_size), but the "
                f"tokenizer of {name!r} gives {tokenizer.convert_ids_to_tokens(largest)!r} the id {largest}; use the "
                "tokenizer that the encoder was pre-trained with, or give added tokens their embeddings "
                "(model.resize_token_embeddings) and save the encoder again"
            )
        second = each.token_types and bool((each.boundaries < each.lengths).any())
        if segments is not None and second and segments < 2:
            raise ModelError(
                f"segment ids must be below {segments}, the number of the encoder's segment embeddings "
                f"(type_vocab_size), but the tokenizer of {name!r} gives the second text of a pair the segment id 1; "
                "use the tokenizer that the encoder was pre-trained with"
            )


def check_forward_pass(
    model: PreTrainedModel, rows: Iterable[EncodedRows], tokenizer: PreTrainedTokenizerBase, name: str
) -> None:
    """Check that a model can compute rows, and that padding does not change its result.

    The function runs `check_token_ids`, then has the model compute the longest row, and that row with and without
    padding.

    Args:
        model: the model that will compute the rows, on the CPU.
        rows: one `EncodedRows` per split.
        tokenizer: the tokenizer that the rows were tokenized with.
        name: folder or name on the hub of model and tokenizer, for messages.

    Raises:
        ModelError: the model has no embedding for a token, a segment or a position of the rows, cannot compute them, or
            its result for a row depends on the padding.
    """
    rows = [each for each in rows if len(each)]
    check_token_ids(model, rows, tokenizer, name)
    longest = max(rows, key=lambda each: each.longest)
    row = longest.select(np.array([longest.lengths.argmax()]))
    with _evaluating(model), silence_transformers_logging():
        _states(model, row)
        if row.longest > 1:
            _check_padding(model, row)


def _check_padding(model: PreTrainedModel, row: EncodedRows) -> None:
    whole = _first_tokens(row, min(row.longest, _PADDING_CHECK_TOKENS))
    half = _first_tokens(row, whole.longest // 2)
    alone, padded = _states(model, half)[0], _states(model, _concatenated(whole, half))[1]
    shared = min(len(alone), len(padded))  # some encoders return fewer positions than the row has
    change = float((padded[:shared] - alone[:shared]).abs().max() / alone.abs().max().clamp(min=1e-30))
    if not change <= MAX_PADDING_EFFECT:
        raise ModelError(
            f"an encoder must compute a row the same whatever padding the batch adds to it, but {type(model).__name__} "
            f"(model_type {model.config.model_type!r}) does not mask padding: its hidden states change by "
            f"{change:.2g} of the largest, so a row's prediction would depend on the rows beside it; use an encoder of "
            "another family"
        )


def _states(model: PreTrainedModel, rows: EncodedRows) -> torch.Tensor:
    """Return the [rows, tokens, width] last hidden states, taken from a forward pass of the whole model.

    Raises:
        ModelError: the forward pass fails, or the hidden states are not finite.
    """
    seen: list[torch.Tensor] = []
    hook = model.base_model.register_forward_hook(lambda _module, _inputs, outputs: seen.append(outputs[0]))
    inputs = rows.collate(np.arange(len(rows)))
    inputs.pop("labels", None)
    try:
        model(**inputs)
    except Exception as error:  # layers raise various exceptions
        raise ModelError(
            f"an encoder must be able to compute the rows, but {type(model).__name__} fails on a row of {rows.longest} "
            f"tokens ({type(error).__name__}: {error}); its tokenizer or data.max_seq_length does not fit it"
        ) from error
    finally:
        hook.remove()
    if not seen[-1][0].isfinite().all():  # the first row, which has no padding
        raise ModelError(
            f"an encoder's hidden states must be finite, but those of {type(model).__name__} for a row of "
            f"{rows.longest} tokens are not: its weights are broken"
        )
    return seen[-1]


def _first_tokens(row: EncodedRows, tokens: int) -> EncodedRows:
    """Return a single row cut off after some tokens."""
    return replace(
        row,
        input_ids=row.input_ids[:tokens],
        offsets=np.array([0, tokens]),
        boundaries=np.minimum(row.boundaries, np.int32(tokens)),
    )


def _concatenated(first: EncodedRows, second: EncodedRows) -> EncodedRows:
    """Return the rows of both, one after the other."""
    return replace(
        first,
        input_ids=np.concatenate([first.input_ids, second.input_ids]),
        offsets=np.concatenate([first.offsets, first.offsets[-1] + second.offsets[1:]]),
        boundaries=np.concatenate([first.boundaries, second.boundaries]),
        labels=None if first.labels is None or second.labels is None else np.concatenate([first.labels, second.labels]),
    )


def _segments(model: PreTrainedModel) -> int | None:
    """Return the number of segment embeddings; ``None`` if the model has none and ignores segment ids."""
    return next((len(table.weight) for name, table in _tables(model) if name == "token_type_embeddings"), None)


def _tables(model: PreTrainedModel) -> Iterator[tuple[str, Any]]:
    """Yield modules with a weight matrix, such as embeddings, by the last part of their names."""
    for name, module in model.named_modules():
        if isinstance(getattr(module, "weight", None), torch.Tensor) and module.weight.dim() == 2:
            yield name.rpartition(".")[2], module


@contextmanager
def _evaluating(model: nn.Module) -> Iterator[None]:
    """Put the model into evaluation mode without gradients for the duration of the block."""
    training = model.training
    model.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        model.train(training)
