"""The last layer for the first token alone: what a head that reads no other token's state leaves to be computed.

Keys and values of all tokens are needed, but only the first one's query, attention output and feed-forward layers: 10
of the layer's 12 units of work (in squares of the width) for one token of a row instead of all. The logits are the
same, and so are the gradients, for what is left out has none.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import torch
from torch import nn
from transformers import PreTrainedModel
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from gluetune.models.heads import EncoderWithHeadConfig
from gluetune.training.padding_free import PackedLayout, like_berts


def first_token_only(model: PreTrainedModel) -> bool:
    """Makes a classification model's last layer compute the first token only; whether that is possible."""
    encoder: Any = model.base_model
    pooling = model.config.pooling if isinstance(model.config, EncoderWithHeadConfig) else "cls"
    if not like_berts(encoder) or pooling != "cls":
        return False
    layer = encoder.encoder.layer[-1]
    layer.__class__ = _class(layer.__class__)
    return True


@cache  # one class for all models of a family: compiled code is for a class
def _class(kind: type[nn.Module]) -> type[nn.Module]:
    return type(f"FirstTokenOf{kind.__name__}", (kind,), {"forward": _forward})


def _forward(
    layer: nn.Module,
    hidden_states: torch.Tensor,
    attention_mask: torch.Tensor | PackedLayout | None = None,
    *others: Any,
    **more: Any,
) -> torch.Tensor:
    """The ``forward`` of a layer such as `transformers.models.bert.modeling_bert.BertLayer`.

    Args:
        layer: the layer.
        hidden_states: [rows, tokens, width]; with a `PackedLayout`, [1, tokens of all rows, width].
        attention_mask: [rows, 1, tokens, tokens]; ``None`` where all tokens are looked at; or where the tokens are.
        others: what only decoders give, all ``None``.
        more: the same, and what does not matter to a layer.

    Returns:
        [rows, 1, width].
    """
    assert not any(isinstance(value, torch.Tensor) for value in (*others, *more.values())), "an encoder's layer"
    held: Any = layer  # torch types what a module holds as Tensor | Module
    attention = held.attention.self
    key, value = attention.key(hidden_states), attention.value(hidden_states)
    mask: torch.Tensor | None
    if isinstance(attention_mask, PackedLayout):
        first, mask = attention_mask.first(hidden_states[0]), attention_mask.seen
        key, value = attention_mask.pad(key[0]), attention_mask.pad(value[0])
    else:
        first = hidden_states[:, :1]
        mask = None if attention_mask is None else attention_mask[:, :, :1]
    heads = (
        states.unflatten(-1, (-1, attention.attention_head_size)).transpose(1, 2)
        for states in (attention.query(first), key, value)
    )
    attend = ALL_ATTENTION_FUNCTIONS[attention.config._attn_implementation]
    seen, _ = attend(
        attention, *heads, mask, dropout=attention.dropout.p if attention.training else 0.0, scaling=attention.scaling
    )
    found: torch.Tensor = held.feed_forward_chunk(held.attention.output(seen.flatten(2), first))
    return found
