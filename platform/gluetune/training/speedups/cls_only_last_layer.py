"""Computes the last encoder layer for the first token only, for heads that read no other token's hidden state.

The layer still needs the keys and values of all tokens, but the query, the attention output and the feed-forward
layers of the first token only. Of the layer's 12 units of work per token (in squares of the hidden size), 10 are then
done for one token of each row. Logits and gradients are the same, because the parts that are left out have no gradient.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import torch
from torch import nn
from transformers import PreTrainedModel
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from gluetune.models.heads import EncoderWithHeadConfig
from gluetune.training.speedups.padding_free import PackedLayout, has_bert_layers


def use_cls_only_last_layer(model: PreTrainedModel) -> bool:
    """Makes the last layer of a classification model compute the first token only.

    Args:
        model: changed in place, if its layers are BERT's and its head reads the first token only.

    Returns:
        Whether the model was changed.
    """
    encoder: Any = model.base_model
    pooling = model.config.pooling if isinstance(model.config, EncoderWithHeadConfig) else "cls"
    if not has_bert_layers(encoder) or pooling != "cls":
        return False
    layer = encoder.encoder.layer[-1]
    layer.__class__ = _cls_only(layer.__class__)
    return True


@cache  # one class for all models of a family, because torch.compile caches code by class
def _cls_only(layer: type[nn.Module]) -> type[nn.Module]:
    return type(f"ClsOnly{layer.__name__}", (layer,), {"forward": _forward})


def _forward(
    layer: nn.Module,
    hidden_states: torch.Tensor,
    attention_mask: torch.Tensor | PackedLayout | None = None,
    *args: Any,
    **kwargs: Any,
) -> torch.Tensor:
    """Replaces the ``forward`` of a layer such as `transformers.models.bert.modeling_bert.BertLayer`.

    Args:
        layer: the layer.
        hidden_states: [rows, tokens, hidden size]; with a `PackedLayout`, [1, tokens of all rows, hidden size].
        attention_mask: [rows, 1, tokens, tokens]; ``None`` to attend to all tokens; or a `PackedLayout`.
        args: arguments of decoders, all ``None``.
        kwargs: arguments of decoders, all ``None``, and others that a layer ignores.

    Returns:
        [rows, 1, hidden size].
    """
    assert not any(isinstance(value, torch.Tensor) for value in (*args, *kwargs.values())), "an encoder's layer"
    module: Any = layer  # torch types the children of a module as Tensor | Module
    attention = module.attention.self
    key, value = attention.key(hidden_states), attention.value(hidden_states)
    mask: torch.Tensor | None
    if isinstance(attention_mask, PackedLayout):
        first, mask = attention_mask.first(hidden_states[0]), attention_mask.mask
        key, value = attention_mask.pad(key[0]), attention_mask.pad(value[0])
    else:
        first = hidden_states[:, :1]
        mask = None if attention_mask is None else attention_mask[:, :, :1]
    heads = (
        states.unflatten(-1, (-1, attention.attention_head_size)).transpose(1, 2)
        for states in (attention.query(first), key, value)
    )
    attend = ALL_ATTENTION_FUNCTIONS[attention.config._attn_implementation]
    attended, _ = attend(
        attention, *heads, mask, dropout=attention.dropout.p if attention.training else 0.0, scaling=attention.scaling
    )
    output: torch.Tensor = module.feed_forward_chunk(module.attention.output(attended.flatten(2), first))
    return output
