"""Encoder layers that compute no padding ("padding-free" in Hugging Face's terms).

A batch is as wide as its longest row. Between an encoder's embeddings and its head, every operation but attention
works on each token alone. So the layers take the tokens of a batch concatenated, [1, tokens, hidden size], and the
batch is padded for attention only. Logits and gradients are the same. ModernBERT was trained in this way, with
attention kernels for rows of different lengths (Warner et al. 2024, section 2.1.2). It is used on CPUs: on a GPU the
padding of length-sorted batches costs less than launching the additional kernels.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.autograd.function import once_differentiable
from transformers import AttentionInterface, PreTrainedModel
from transformers.masking_utils import AttentionMaskInterface, sdpa_mask
from transformers.modeling_outputs import BaseModelOutput
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from gluetune.data import EncodedRows
from gluetune.data.examples import RowIndices
from gluetune.training.distributed_context import DistributedContext, to_device
from gluetune.training.speedups.cpu_dropout import CPU_ATTENTION

MIN_HIDDEN_SIZE = 256
"""Hidden size below which gathering tokens costs as much as the padding: with 128 nothing is gained."""

_FAMILIES = frozenset({"bert", "camembert", "electra", "roberta", "xlm-roberta"})
_SUFFIX = "_padding_free"  # of the attention functions that accept a PackedLayout
_ATTENTIONS = frozenset({"sdpa", CPU_ATTENTION})  # their masks are [rows, 1, tokens, tokens]


@dataclass(frozen=True)
class PackedLayout:
    """Positions of the tokens of a padded batch in the concatenation of its rows.

    Attributes:
        tokens: [tokens] position of each token in the flattened batch of rows x width positions.
        sources: [rows * width] token at each position; for padding, the first token of its row.
        mask: [rows, 1, 1, width] ``False`` for padding.
        starts: [rows] first token of each row.
    """

    tokens: torch.Tensor
    sources: torch.Tensor
    mask: torch.Tensor
    starts: torch.Tensor

    @classmethod
    def from_lengths(cls, lengths: NDArray[np.int64], width: int) -> PackedLayout:
        """Makes the layout of rows with these token counts, [rows], in a batch of ``width`` tokens per row."""
        mask, starts = np.arange(width) < lengths[:, None], np.cumsum(lengths) - lengths
        sources = np.where(mask, starts[:, None] + np.arange(width), starts[:, None])
        return cls(*map(torch.from_numpy, (np.flatnonzero(mask), sources.ravel(), mask[:, None, None], starts)))

    def pad(self, states: torch.Tensor) -> torch.Tensor:
        """Pads [tokens, ...] to [rows, width, ...]; the values at padding are arbitrary and have no gradient."""
        rows, width = self.mask.shape[0], self.mask.shape[-1]
        padded: torch.Tensor = _Pad.apply(states, self.sources, self.tokens)
        unflattened: torch.Tensor = padded.unflatten(0, (rows, width))
        return unflattened

    def first(self, states: torch.Tensor) -> torch.Tensor:
        """Selects the first token of each row: [rows, 1, ...] from [tokens, ...]."""
        return states.index_select(0, self.starts).unsqueeze(1)

    def unpad(self, padded: torch.Tensor) -> torch.Tensor:
        """Concatenates the tokens of the rows: [tokens, ...] from [rows, width, ...]."""
        states: torch.Tensor = _Unpad.apply(padded.flatten(0, 1), self)
        return states


class _Pad(torch.autograd.Function):
    """Selects rows by ``sources``; only the rows at ``tokens`` have a gradient, each once, so nothing is summed."""

    @staticmethod
    def forward(ctx: Any, states: torch.Tensor, sources: torch.Tensor, tokens: torch.Tensor) -> torch.Tensor:
        ctx.save_for_backward(tokens)
        return states.index_select(0, sources)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, None, None]:
        (tokens,) = ctx.saved_tensors
        return gradient.index_select(0, tokens), None, None


class _Unpad(torch.autograd.Function):
    """Selects rows by ``tokens``; the gradient of the other rows is zero."""

    @staticmethod
    def forward(ctx: Any, padded: torch.Tensor, layout: PackedLayout) -> torch.Tensor:
        ctx.layout = layout
        return padded.index_select(0, layout.tokens)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, None]:
        mask = ctx.layout.mask.view(-1, *(1 for _ in gradient.shape[1:]))
        return gradient.index_select(0, ctx.layout.sources).mul_(mask), None


class _PaddingFreeStack(nn.Module):
    """Base class that `use_padding_free` adds to an encoder's stack of layers."""

    def forward(
        self,
        hidden_states: torch.Tensor,
        attention_mask: torch.Tensor | None = None,
        *args: Any,
        packed_layout: PackedLayout | None = None,
        **kwargs: Any,
    ) -> BaseModelOutput:
        """Replaces the ``forward`` of a stack such as `transformers.models.bert.modeling_bert.BertEncoder`.

        Args:
            hidden_states: [rows, width, hidden size].
            attention_mask: mask of the padded batch.
            args: other arguments of the stack.
            packed_layout: where the tokens are; ``None``: the batch is computed with its padding.
            kwargs: other arguments of the stack.
        """
        if packed_layout is None:
            padded: BaseModelOutput = super().forward(hidden_states, attention_mask, *args, **kwargs)
            return padded
        states = packed_layout.unpad(hidden_states).unsqueeze(0)
        result: Any = super().forward(states, packed_layout, *args, **kwargs)
        if result.last_hidden_state.shape[:2] == states.shape[:2]:  # else the last layer computed the first tokens only
            result.last_hidden_state = packed_layout.pad(result.last_hidden_state[0])
        output: BaseModelOutput = result
        return output


def has_bert_layers(encoder: PreTrainedModel) -> bool:
    """Whether an encoder's layers are those of BERT, with an attention function that the speed-ups know."""
    attention = encoder.config._attn_implementation.removesuffix(_SUFFIX)
    return encoder.config.model_type in _FAMILIES and attention in _ATTENTIONS


def use_padding_free(model: PreTrainedModel) -> bool:
    """Makes the layers of a classification model on a CPU compute no padding, for batches from `model_inputs`.

    Args:
        model: changed in place, if its layers are BERT's and its hidden size is at least `MIN_HIDDEN_SIZE`.

    Returns:
        Whether the model was changed.
    """
    encoder: Any = model.base_model
    if not has_bert_layers(encoder) or encoder.config.hidden_size < MIN_HIDDEN_SIZE:
        return False
    encoder.encoder.__class__ = _padding_free(encoder.encoder.__class__)
    attention = encoder.config._attn_implementation
    AttentionInterface.register(attention + _SUFFIX, partial(_attend, attention))
    AttentionMaskInterface.register(attention + _SUFFIX, sdpa_mask)
    model.set_attn_implementation(attention + _SUFFIX)
    return True


def model_inputs(
    model: nn.Module, encoded: EncodedRows, rows: RowIndices, distributed: DistributedContext
) -> dict[str, Any]:
    """Collates a batch on the worker's device, with a ``packed_layout`` if the model uses it and rows are padded.

    Args:
        model: the model that the batch is for.
        encoded: the rows.
        rows: [batch] row numbers.
        distributed: this worker.

    Returns:
        Keyword arguments of the model, and ``labels`` if the rows are labelled.
    """
    inputs: dict[str, Any] = to_device(encoded.collate(rows, distributed.pad_to_multiple_of), distributed)
    lengths, width = encoded.offsets[rows + 1] - encoded.offsets[rows], inputs["input_ids"].shape[1]
    if (
        isinstance(getattr(getattr(model, "base_model", None), "encoder", None), _PaddingFreeStack)
        and lengths.min() < width
    ):
        inputs["packed_layout"] = PackedLayout.from_lengths(lengths, width)
    return inputs


@cache  # one class for all models of a family, because torch.compile caches code by class
def _padding_free(stack: type[nn.Module]) -> type[nn.Module]:
    return type(f"PaddingFree{stack.__name__}", (_PaddingFreeStack, stack), {})


def _attend(
    attention: str,
    module: nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | PackedLayout | None,
    dropout: float = 0.0,
    scaling: float | None = None,
    **kwargs: Any,
) -> tuple[torch.Tensor, None]:
    """Attention function of transformers for padded batches and for concatenated tokens.

    Args:
        attention: name of the attention function for padded batches.
        module: the attention layer.
        query: [rows, heads, tokens, head size]; with a `PackedLayout`, [1, heads, tokens of all rows, head size].
        key: as ``query``.
        value: as ``query``.
        attention_mask: mask of the batch, or the layout of its tokens.
        dropout: dropout rate of the attention weights.
        scaling: factor of the scores; ``None``: one over the square root of the head size.
        kwargs: passed to the attention function.

    Returns:
        [rows, tokens, heads, head size] or [1, tokens of all rows, heads, head size], and ``None`` in place of the
        attention weights.
    """
    attend = ALL_ATTENTION_FUNCTIONS[attention]
    if not isinstance(attention_mask, PackedLayout):
        output: tuple[torch.Tensor, None] = attend(
            module, query, key, value, attention_mask, dropout=dropout, scaling=scaling, **kwargs
        )
        return output
    layout = attention_mask
    padded = (layout.pad(states[0].transpose(0, 1)).transpose(1, 2) for states in (query, key, value))
    states, _ = attend(module, *padded, layout.mask, dropout=dropout, scaling=scaling, **kwargs)
    return layout.unpad(states).unsqueeze(0), None
