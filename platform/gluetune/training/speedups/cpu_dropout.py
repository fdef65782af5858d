"""Dropout and attention for CPUs, where most of the time of torch's own dropout is spent on random numbers.

On a CPU ``torch.nn.functional.dropout`` draws one Bernoulli number per element, which takes 6 ns each. Here one draw
of the same generator serves four elements, and attention over rows as short as GLUE's is a few plain products.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.autograd.function import once_differentiable
from transformers import AttentionInterface, AttentionMaskInterface, PreTrainedModel

from gluetune.internals.transformers_hooks import attention_name

CPU_ATTENTION = "gluetune_cpu"
"""Name under which `fast_cpu_attention` is registered in transformers."""

_SDPA = "sdpa"  # name of torch's own attention in transformers
_sdpa_attention: Any = AttentionInterface()[_SDPA]
_BITS = 16  # random bits per element: the rate is exact to 1 in 131,072
_SHORT = 16  # floats in an AVX-512 register; torch's softmax takes the elements of shorter rows one by one


class FastCpuDropout(nn.Dropout):
    """``nn.Dropout`` with a mask from `dropout_mask`."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Zero elements at random and scale up the others, in training mode only."""
        return x * dropout_mask(x, self.p) if self.training and self.p else x


def dropout_mask(like: torch.Tensor, rate: float) -> torch.Tensor:
    """Draw a dropout mask: 0 with probability ``rate`` (to 16 bits), else the value that makes the mean 1.

    Args:
        like: tensor on the CPU with the shape and type of the mask.
        rate: dropout rate, from 0 to below 1.
    """
    dropped = min(round(rate * 2**_BITS), 2**_BITS - 1)
    draws = torch.empty(-(-like.numel() // 4), dtype=torch.int64).random_(-(2**63), None)
    numbers = draws.view(torch.int16)[: like.numel()].view(like.shape)
    mask = torch.empty(like.shape, dtype=like.dtype)
    torch.ge(numbers, dropped - 2 ** (_BITS - 1), out=mask)  # straight to floats: several times faster than via bools
    return mask.mul_(2**_BITS / (2**_BITS - dropped))


def fast_cpu_attention(
    module: nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    dropout: float = 0.0,
    scaling: float | None = None,
    **kwargs: Any,
) -> tuple[torch.Tensor, None]:
    """Attention function of transformers: plain products with `dropout_mask`, or torch's own if there is no dropout.

    Args:
        module: the attention layer.
        query: [rows, heads, query tokens, head size]; ``query tokens`` may be fewer than ``tokens``.
        key: [rows, heads, tokens, head size].
        value: [rows, heads, tokens, head size].
        attention_mask: [rows, 1, query tokens, tokens], ``True`` for tokens to attend to; ``None`` for all.
        dropout: dropout rate of the attention weights.
        scaling: factor of the scores; ``None``: one over the square root of the head size.
        kwargs: arguments of few model families; if they change the scores, torch's own attention is used.

    Returns:
        [rows, query tokens, heads, head size], and ``None`` in place of the attention weights.
    """
    # The products below are for heads with keys of their own and for unchanged scores.
    special = any(kwargs.get(name) is not None for name in ("position_bias", "softcap"))
    plain = query.shape[:2] == key.shape[:2] and not special
    if not (dropout and plain) or getattr(module, "is_causal", False):
        output: tuple[torch.Tensor, None] = _sdpa_attention(
            module, query, key, value, attention_mask, dropout=dropout, scaling=scaling, **kwargs
        )
        return output
    scores = torch.matmul(query * (scaling or query.shape[-1] ** -0.5), key.transpose(2, 3))
    if attention_mask is not None:
        scores = scores + (attention_mask.to(scores.dtype) - 1) * -torch.finfo(scores.dtype).min
    weights = fast_softmax(scores)
    return torch.matmul(weights * dropout_mask(weights, dropout), value).transpose(1, 2).contiguous(), None


def fast_softmax(scores: torch.Tensor) -> torch.Tensor:
    """Softmax over the last dimension; for short fp32 rows in a few operations on all rows at once."""
    if scores.shape[-1] < _SHORT and scores.dtype == torch.float32:
        weights: torch.Tensor = _ShortSoftmax.apply(scores)
        return weights
    return scores.softmax(-1)


class _ShortSoftmax(torch.autograd.Function):
    """Softmax that is five times as fast as torch's on rows of 8 to 15 numbers with AVX-512, and as fast with AVX2."""

    @staticmethod
    def forward(ctx: Any, scores: torch.Tensor) -> torch.Tensor:
        weights = (scores - scores.amax(-1, keepdim=True)).exp_()
        weights /= weights.sum(-1, keepdim=True)
        ctx.save_for_backward(weights)
        return weights

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: torch.Tensor) -> torch.Tensor:
        (weights,) = ctx.saved_tensors
        product = gradient * weights
        result: torch.Tensor = product.addcmul_(weights, product.sum(-1, keepdim=True), value=-1)
        return result


def use_fast_cpu_dropout(model: PreTrainedModel) -> None:
    """Replace dropout and attention of a model on the CPU by the functions above, with the same rates.

    Args:
        model: changed in place; without dropout it computes the same as before.
    """
    for parent in list(model.modules()):
        for name, child in parent.named_children():
            if type(child) is nn.Dropout and child.p and not child.inplace:
                setattr(parent, name, FastCpuDropout(child.p).train(child.training))
    if attention_name(model.config) == _SDPA:
        AttentionInterface.register(CPU_ATTENTION, fast_cpu_attention)
        AttentionMaskInterface.register(CPU_ATTENTION, AttentionMaskInterface()[_SDPA])
        model.set_attn_implementation(CPU_ATTENTION)
