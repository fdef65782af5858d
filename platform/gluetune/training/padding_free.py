"""Layers that compute tokens and no padding.

A batch is as wide as its longest row. Between an encoder's embeddings and its head, what each layer does to one token
it does to any other, attention apart, so the layers take the batch's tokens one after the other, [1, tokens, width],
and the batch is padded for attention alone. Logits and gradients are the same. ModernBERT was trained so, with kernels
for rows of different lengths (Warner et al. 2024, section 2.1.2). It is for CPUs: the padding of bucketed batches is
less than what a GPU waits for the few more kernels.
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
from gluetune.training.distributed import DistributedContext, to_device
from gluetune.training.dropout import CPU_ATTENTION

_FAMILIES = frozenset({"bert", "camembert", "electra", "roberta", "xlm-roberta"})
_UNPADDED = "_unpadded"
_ATTENTIONS = frozenset({"sdpa", CPU_ATTENTION})  # whose masks are [rows, 1, tokens, tokens]
NARROW = 256  # hidden size below which looking up places costs what the padding does: with 128 nothing is gained


@dataclass(frozen=True)
class PackedLayout:
    """Where a padded batch's tokens are.

    Attributes:
        tokens: [tokens] place of each in the batch of rows x width places.
        places: [rows * width] token of each place; of padding the row's first.
        seen: [rows, 1, 1, width] ``False`` for padding.
        starts: [rows] first token of each row.
    """

    tokens: torch.Tensor
    places: torch.Tensor
    seen: torch.Tensor
    starts: torch.Tensor

    @classmethod
    def of(cls, lengths: NDArray[np.int64], width: int) -> PackedLayout:
        """Of rows of these lengths in a batch of that width."""
        seen, starts = np.arange(width) < lengths[:, None], np.cumsum(lengths) - lengths
        places = np.where(seen, starts[:, None] + np.arange(width), starts[:, None])
        return cls(*map(torch.from_numpy, (np.flatnonzero(seen), places.ravel(), seen[:, None, None], starts)))

    def pad(self, states: torch.Tensor) -> torch.Tensor:
        """[rows, width, ...] of [tokens, ...]; what stands in the padding must not matter to anything."""
        rows, width = self.seen.shape[0], self.seen.shape[-1]
        padded: torch.Tensor = _Pad.apply(states, self.places, self.tokens)
        unflattened: torch.Tensor = padded.unflatten(0, (rows, width))
        return unflattened

    def first(self, states: torch.Tensor) -> torch.Tensor:
        """[rows, 1, ...] of [tokens, ...]: each row's first token."""
        return states.index_select(0, self.starts).unsqueeze(1)

    def unpad(self, padded: torch.Tensor) -> torch.Tensor:
        """[tokens, ...] of [rows, width, ...]."""
        states: torch.Tensor = _Unpad.apply(padded.flatten(0, 1), self)
        return states


class _Pad(torch.autograd.Function):
    """Rows picked by ``places``; only those at ``tokens`` have a gradient, each once, so that none are added up."""

    @staticmethod
    def forward(context: Any, states: torch.Tensor, places: torch.Tensor, tokens: torch.Tensor) -> torch.Tensor:
        context.save_for_backward(tokens)
        return states.index_select(0, places)

    @staticmethod
    @once_differentiable
    def backward(context: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, None, None]:
        (tokens,) = context.saved_tensors
        return gradient.index_select(0, tokens), None, None


class _Unpad(torch.autograd.Function):
    """Rows picked by ``tokens``; the gradient of the others is zero."""

    @staticmethod
    def forward(context: Any, padded: torch.Tensor, ragged: PackedLayout) -> torch.Tensor:
        context.ragged = ragged
        return padded.index_select(0, ragged.tokens)

    @staticmethod
    @once_differentiable
    def backward(context: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, None]:
        seen = context.ragged.seen.view(-1, *(1 for _ in gradient.shape[1:]))
        return gradient.index_select(0, context.ragged.places).mul_(seen), None


class _PaddingFreeStack(nn.Module):
    """An encoder's stack of layers that takes a padded batch and computes its tokens; made by `unpad`."""

    def forward(
        self,
        hidden_states: torch.Tensor,
        attention_mask: torch.Tensor | None = None,
        *others: Any,
        ragged: PackedLayout | None = None,
        **more: Any,
    ) -> BaseModelOutput:
        """The ``forward`` of a stack such as `transformers.models.bert.modeling_bert.BertEncoder`.

        Args:
            hidden_states: [rows, width, hidden size].
            attention_mask: as the stack takes it.
            others: what the stack takes else.
            ragged: where the tokens are; ``None``: the batch is computed as it stands.
            more: what the stack takes else.
        """
        if ragged is None:
            padded: BaseModelOutput = super().forward(hidden_states, attention_mask, *others, **more)
            return padded
        states = ragged.unpad(hidden_states).unsqueeze(0)
        found: Any = super().forward(states, ragged, *others, **more)
        if found.last_hidden_state.shape[:2] == states.shape[:2]:  # else the last layer took the first tokens only
            found.last_hidden_state = ragged.pad(found.last_hidden_state[0])
        output: BaseModelOutput = found
        return output


def like_berts(encoder: PreTrainedModel) -> bool:
    """Whether an encoder's layers are BERT's line by line, and its family's own heads read the first token."""
    attention = encoder.config._attn_implementation.removesuffix(_UNPADDED)
    return encoder.config.model_type in _FAMILIES and attention in _ATTENTIONS


def unpad(model: PreTrainedModel) -> bool:
    """Makes a classification model's layers, on a CPU, compute no padding where `model_inputs` says where it is.

    Returns:
        Whether that is possible and pays: for families whose layers are BERT's line by line, from `NARROW` on.
    """
    encoder: Any = model.base_model
    if not like_berts(encoder) or encoder.config.hidden_size < NARROW:
        return False
    encoder.encoder.__class__ = _class(encoder.encoder.__class__)
    attention = encoder.config._attn_implementation
    AttentionInterface.register(attention + _UNPADDED, partial(_attend, attention))
    AttentionMaskInterface.register(attention + _UNPADDED, sdpa_mask)
    model.set_attn_implementation(attention + _UNPADDED)
    return True


def model_inputs(
    model: nn.Module, encoded: EncodedRows, rows: RowIndices, distributed: DistributedContext
) -> dict[str, Any]:
    """A batch on the worker's device, as the model takes it: with ``ragged`` where that saves something.

    Args:
        model: one that was given to `unpad`, or any other.
        encoded: the rows.
        rows: [batch] row numbers.
        distributed: the worker.
    """
    inputs: dict[str, Any] = to_device(encoded.collate(rows, distributed.pad_to_multiple_of), distributed)
    lengths, width = encoded.offsets[rows + 1] - encoded.offsets[rows], inputs["input_ids"].shape[1]
    if (
        isinstance(getattr(getattr(model, "base_model", None), "encoder", None), _PaddingFreeStack)
        and lengths.min() < width
    ):
        inputs["ragged"] = PackedLayout.of(lengths, width)
    return inputs


@cache  # one class for all models of a family: compiled code is for a class
def _class(kind: type[nn.Module]) -> type[nn.Module]:
    return type(f"Unpadded{kind.__name__}", (_PaddingFreeStack, kind), {})


def _attend(
    attention: str,
    module: nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    where: torch.Tensor | PackedLayout | None,
    dropout: float = 0.0,
    scaling: float | None = None,
    **more: Any,
) -> tuple[torch.Tensor, None]:
    """Attention in transformers' form, of a batch or of tokens that stand one after the other.

    Args:
        attention: whose it is in a batch, as transformers knows it.
        module: the attention layer.
        query: [rows, heads, tokens, width]; with a `PackedLayout`, rows is 1.
        key: the same.
        value: the same.
        where: the batch's mask, or the rows' places.
        dropout: rate for the attention's weights.
        scaling: of the scores; ``None``: one over the root of the width.
        more: goes to ``attention``.

    Returns:
        [rows, tokens, heads, width], and nothing in place of the weights.
    """
    attend = ALL_ATTENTION_FUNCTIONS[attention]
    if not isinstance(where, PackedLayout):
        found: tuple[torch.Tensor, None] = attend(
            module, query, key, value, where, dropout=dropout, scaling=scaling, **more
        )
        return found
    padded = (where.pad(states[0].transpose(0, 1)).transpose(1, 2) for states in (query, key, value))
    states, _ = attend(module, *padded, where.seen, dropout=dropout, scaling=scaling, **more)
    return where.unpad(states).unsqueeze(0), None
