"""The last layer for the first token alone: what a head that reads no other token's state leaves to be computed.

Keys and values of all tokens are needed, but only the first one's query, attention output and feed-forward layers: 10
of the layer's 12 units of work (in squares of the width) for one token of a row instead of all. The logits are the
same, and so are the gradients, for what is left out has none.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from transformers import PreTrainedModel
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from gluetune.models.heads import EncoderWithHeadConfig
from gluetune.training.dropout import CPU_ATTENTION

# Families whose layers are BERT's line by line, and whose own heads read the first token.
_FAMILIES = frozenset({"bert", "camembert", "electra", "roberta", "xlm-roberta"})
_ATTENTIONS = frozenset({"sdpa", CPU_ATTENTION})  # whose masks are [rows, 1, tokens, tokens]


def first_token_only(model: PreTrainedModel) -> bool:
    """Makes a classification model's last layer compute the first token only; whether that is possible."""
    encoder = model.base_model
    own = encoder.config
    pooling = model.config.pooling if isinstance(model.config, EncoderWithHeadConfig) else "cls"
    if own.model_type not in _FAMILIES or own._attn_implementation not in _ATTENTIONS or pooling != "cls":
        return False
    layer = encoder.encoder.layer[-1]
    layer.__class__ = type(f"FirstTokenOf{type(layer).__name__}", (type(layer),), {"forward": _forward})
    return True


def _forward(layer: nn.Module, hidden_states: torch.Tensor, attention_mask: torch.Tensor | None = None, *others: Any,
             **more: Any) -> torch.Tensor:
    """The ``forward`` of a layer such as `transformers.models.bert.modeling_bert.BertLayer`.

    Args:
        layer: the layer.
        hidden_states: [rows, tokens, width].
        attention_mask: [rows, 1, tokens, tokens]; ``None`` where all tokens are looked at.
        others: what only decoders give, all ``None``.
        more: the same, and what does not matter to a layer.

    Returns:
        [rows, 1, width].
    """
    assert not any(isinstance(value, torch.Tensor) for value in (*others, *more.values())), "an encoder's layer"
    attention, first = layer.attention.self, hidden_states[:, :1]
    query, key, value = (
        project(states).unflatten(-1, (-1, attention.attention_head_size)).transpose(1, 2) for project, states in (
            (attention.query, first), (attention.key, hidden_states), (attention.value, hidden_states)))
    attend = ALL_ATTENTION_FUNCTIONS[attention.config._attn_implementation]
    seen, _ = attend(attention, query, key, value, None if attention_mask is None else attention_mask[:, :, :1],
                     dropout=attention.dropout.p if attention.training else 0.0, scaling=attention.scaling)
    found: torch.Tensor = layer.feed_forward_chunk(layer.attention.output(seen.flatten(2), first))
    return found
