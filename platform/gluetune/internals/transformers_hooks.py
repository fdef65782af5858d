"""BERT's encoder layers without padding, and their last layer for the first token only; else the model as it is.

Both replace the ``forward`` of modules inside transformers' models of BERT's families, whose structure is not
documented. Each family is probed with a tiny model of random weights: logits and gradients must stay the same.

A batch is as wide as its longest row. Between an encoder's embeddings and its head, every operation but attention works
on each token alone. So the layers take the tokens of a batch concatenated, [1, tokens, hidden size], and the batch is
padded for attention only ("padding-free" in Hugging Face's terms). ModernBERT was trained in this way, with attention
kernels for rows of different lengths (Warner et al. 2024, section 2.1.2).

For heads that read no other token's hidden state, the last layer needs the keys and values of all tokens, but the
query, the attention output and the feed-forward layers of the first token only. Of the layer's 12 units of work per
token (in squares of the hidden size), 10 are then done for one token of each row. The parts that are left out have no
gradient.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.autograd.function import once_differentiable
from transformers import (
    AttentionInterface,
    AttentionMaskInterface,
    AutoConfig,
    AutoModel,
    PretrainedConfig,
    PreTrainedModel,
)
from transformers.modeling_outputs import BaseModelOutput
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from gluetune.internals.guard import Hook, ProbeError

FAMILIES = frozenset({"bert", "camembert", "electra", "roberta", "xlm-roberta"})
"""The values of ``model_type`` whose layers are BERT's."""

_PADDING_FREE_VERIFIED, _CLS_ONLY_VERIFIED = ">=5,<6", ">=5.8,<6"  # of transformers
_SUFFIX = "_padding_free"  # of the attention functions that accept a PackedLayout
_TINY = {
    "vocab_size": 32,
    "hidden_size": 8,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 8,
    "max_position_embeddings": 16,
}
_TOLERANCE = 1e-5


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
        """Make the layout of rows with these token counts, [rows], in a batch of ``width`` tokens per row."""
        mask, starts = np.arange(width) < lengths[:, None], np.cumsum(lengths) - lengths
        sources = np.where(mask, starts[:, None] + np.arange(width), starts[:, None])
        return cls(*map(torch.from_numpy, (np.flatnonzero(mask), sources.ravel(), mask[:, None, None], starts)))

    def pad(self, states: torch.Tensor) -> torch.Tensor:
        """Pad [tokens, ...] to [rows, width, ...]; the values at padding are arbitrary and have no gradient."""
        rows, width = self.mask.shape[0], self.mask.shape[-1]
        padded: torch.Tensor = _Pad.apply(states, self.sources, self.tokens)
        unflattened: torch.Tensor = padded.unflatten(0, (rows, width))
        return unflattened

    def first(self, states: torch.Tensor) -> torch.Tensor:
        """Select the first token of each row: [rows, 1, ...] from [tokens, ...]."""
        return states.index_select(0, self.starts).unsqueeze(1)

    def unpad(self, padded: torch.Tensor) -> torch.Tensor:
        """Concatenate the tokens of the rows: [tokens, ...] from [rows, width, ...]."""
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


def attention_name(config: PretrainedConfig) -> str:
    """Return the name of a model's attention function, such as ``sdpa``; empty where it is unknown."""
    name = getattr(config, "_attn_implementation", None)
    return name if isinstance(name, str) else ""


def reset_attention(config: PretrainedConfig) -> None:
    """Forget the attention function that ``config.json`` names, so that transformers chooses one for this machine."""
    config._attn_implementation = None


def use_padding_free(model: PreTrainedModel, attentions: frozenset[str]) -> bool:
    """Make the encoder layers of a model compute no padding of batches that come with a ``packed_layout``.

    Args:
        model: changed in place, if its layers are BERT's.
        attentions: names of attention functions whose masks are [rows, 1, tokens, tokens].

    Returns:
        Whether the model was changed.
    """
    return _change(model, attentions, padding_free_hook, _make_padding_free)


def use_cls_only_last_layer(model: PreTrainedModel, attentions: frozenset[str]) -> bool:
    """Make the last encoder layer of a model compute the first token only; its head must read no other.

    Args:
        model: changed in place, if its layers are BERT's.
        attentions: names of attention functions whose masks are [rows, 1, tokens, tokens].

    Returns:
        Whether the model was changed.
    """
    return _change(model, attentions, cls_only_hook, _make_cls_only)


def is_padding_free(model: nn.Module) -> bool:
    """Return whether `use_padding_free` has changed a model."""
    return isinstance(getattr(getattr(model, "base_model", None), "encoder", None), _PaddingFreeStack)


@cache
def padding_free_hook(family: str) -> Hook:
    """Return the guard of `use_padding_free` for a family."""
    return Hook(
        name=f"encoder layers of {family} without padding",
        distribution="transformers",
        verified=_PADDING_FREE_VERIFIED,
        probe=partial(_probe, family, _make_padding_free),
        fallback="padded batches",
    )


@cache
def cls_only_hook(family: str) -> Hook:
    """Return the guard of `use_cls_only_last_layer` for a family."""
    return Hook(
        name=f"a last layer of {family} that computes the first token only",
        distribution="transformers",
        verified=_CLS_ONLY_VERIFIED,
        probe=partial(_probe, family, _make_cls_only),
        fallback="a last layer that computes all tokens",
    )


def _change(
    model: PreTrainedModel,
    attentions: frozenset[str],
    hook: Callable[[str], Hook],
    change: Callable[[PreTrainedModel], None],
) -> bool:
    """Change a model whose layers are BERT's, if the hook of its family is usable; return whether it was."""
    config: Any = model.base_model.config
    known = config.model_type in FAMILIES and attention_name(config).removesuffix(_SUFFIX) in attentions
    if not known or not hook(config.model_type).usable():
        return False
    change(model)
    return True


def _make_padding_free(model: PreTrainedModel) -> None:
    encoder: Any = model.base_model
    encoder.encoder.__class__ = _padding_free_class(encoder.encoder.__class__)
    attention = attention_name(encoder.config)
    AttentionInterface.register(attention + _SUFFIX, partial(_attend, attention))
    AttentionMaskInterface.register(attention + _SUFFIX, AttentionMaskInterface()["sdpa"])
    model.set_attn_implementation(attention + _SUFFIX)


def _make_cls_only(model: PreTrainedModel) -> None:
    encoder: Any = model.base_model
    layer = encoder.encoder.layer[-1]
    layer.__class__ = _cls_only_class(layer.__class__)


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
        """Replace the ``forward`` of a stack such as `transformers.models.bert.modeling_bert.BertEncoder`.

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


@cache  # one class for all models of a family, because torch.compile caches code by class
def _padding_free_class(stack: type[nn.Module]) -> type[nn.Module]:
    return type(f"PaddingFree{stack.__name__}", (_PaddingFreeStack, stack), {})


@cache
def _cls_only_class(layer: type[nn.Module]) -> type[nn.Module]:
    return type(f"ClsOnly{layer.__name__}", (layer,), {"forward": _cls_only_forward})


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


def _cls_only_forward(
    layer: nn.Module,
    hidden_states: torch.Tensor,
    attention_mask: torch.Tensor | PackedLayout | None = None,
    *args: Any,
    **kwargs: Any,
) -> torch.Tensor:
    """Replace the ``forward`` of a layer such as `transformers.models.bert.modeling_bert.BertLayer`.

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


def _probe(family: str, change: Callable[[PreTrainedModel], None]) -> None:
    """Compare first tokens and gradients of a tiny model before and after a change.

    Raises:
        ProbeError: they differ.
    """
    lengths, width = np.array([5, 3]), 5
    mask = torch.from_numpy(np.arange(width) < lengths[:, None])
    with torch.random.fork_rng(devices=[]), torch.enable_grad():
        torch.manual_seed(0)
        config = AutoConfig.for_model(family, **_TINY)
        model: Any = AutoModel.from_config(config, attn_implementation="sdpa").eval()
        ids = torch.randint(3, _TINY["vocab_size"], mask.shape)
    inputs = {"input_ids": torch.where(mask, ids, config.pad_token_id or 0), "attention_mask": mask.long()}
    expected = _first_tokens(model, inputs)
    change(model)
    layout = {"packed_layout": PackedLayout.from_lengths(lengths, width)} if is_padding_free(model) else {}
    for name, (before, after) in zip(
        ("first tokens", "gradients"), zip(expected, _first_tokens(model, inputs | layout), strict=True), strict=True
    ):
        if not torch.allclose(before, after, rtol=0, atol=_TOLERANCE):
            raise ProbeError(f"{name} differ by {float((before - after).abs().max()):.2g}")


def _first_tokens(model: Any, inputs: dict[str, Any]) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the last hidden states of the first tokens, and the gradient of the first layer's query weights."""
    with torch.enable_grad():
        states = model(**inputs).last_hidden_state[:, 0]
        weight = model.encoder.layer[0].attention.self.query.weight
        (gradient,) = torch.autograd.grad(states.square().sum(), weight)
    return states.detach(), gradient
