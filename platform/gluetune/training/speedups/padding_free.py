"""Which models compute no padding, and which compute the last layer for the first token only.

Logits and gradients are the same (`gluetune.internals.transformers_hooks`). Layers without padding are used on CPUs: on
a GPU the padding of length-sorted batches costs less than launching the additional kernels.
"""

from __future__ import annotations

from typing import Any

from torch import nn
from transformers import PreTrainedModel

from gluetune.data import EncodedRows
from gluetune.data.examples import RowIndices
from gluetune.internals import transformers_hooks
from gluetune.internals.transformers_hooks import PackedLayout, is_padding_free
from gluetune.models.heads import EncoderWithHeadConfig
from gluetune.training.distributed_context import DistributedContext, to_device
from gluetune.training.speedups.cpu_dropout import CPU_ATTENTION

MIN_HIDDEN_SIZE = 256
"""Hidden size below which gathering tokens costs as much as the padding: with 128 nothing is gained."""

_ATTENTIONS = frozenset({"sdpa", CPU_ATTENTION})  # their masks are [rows, 1, tokens, tokens]


def use_padding_free(model: PreTrainedModel) -> bool:
    """Make the layers of a classification model on a CPU compute no padding, for batches from `model_inputs`.

    Args:
        model: changed in place, if its layers are BERT's and its hidden size is at least `MIN_HIDDEN_SIZE`.

    Returns:
        Whether the model was changed.
    """
    width = getattr(model.base_model.config, "hidden_size", 0)
    return width >= MIN_HIDDEN_SIZE and transformers_hooks.use_padding_free(model, _ATTENTIONS)


def use_cls_only_last_layer(model: PreTrainedModel) -> bool:
    """Make the last layer of a classification model compute the first token only.

    Args:
        model: changed in place, if its layers are BERT's and its head reads the first token only.

    Returns:
        Whether the model was changed.
    """
    pooling = model.config.pooling if isinstance(model.config, EncoderWithHeadConfig) else "cls"
    return pooling == "cls" and transformers_hooks.use_cls_only_last_layer(model, _ATTENTIONS)


def model_inputs(
    model: nn.Module, encoded: EncodedRows, rows: RowIndices, distributed: DistributedContext
) -> dict[str, Any]:
    """Collate a batch on the worker's device, with a ``packed_layout`` if the model uses it and rows are padded.

    Args:
        model: the model that the batch is for.
        encoded: the rows.
        rows: [batch] row numbers.
        distributed: this worker.

    Returns:
        Keyword arguments of the model, and ``labels`` if the rows are labelled.
    """
    inputs: dict[str, Any] = to_device(encoded.collate(rows, distributed.pad_to_multiple_of), distributed)
    lengths, width = encoded.lengths_of(rows), inputs["input_ids"].shape[1]
    if is_padding_free(model) and lengths.min() < width:
        inputs["packed_layout"] = PackedLayout.from_lengths(lengths, width)
    return inputs
