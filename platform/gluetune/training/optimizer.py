"""AdamW with decoupled weight decay, its learning-rate schedule, and clipping of gradients in its step."""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Mapping
from functools import cache
from typing import Any, Literal, Protocol

import torch
from torch import nn
from torch.nn.utils import get_total_norm
from torch.optim import AdamW
from torch.optim.lr_scheduler import LRScheduler
from transformers import PreTrainedModel, get_scheduler

from gluetune.config import TrainingConfig
from gluetune.internals.guard import internals_off
from gluetune.models import layer_depths

_NO_DECAY = re.compile(r"bias|layernorm|rmsnorm|(?:^|\.)norm(?:$|\.)|_norm(?:$|\.)")
"""The patterns of ``transformers.Trainer.get_decay_parameter_names``: biases and norms do not decay."""


class TrainingSettings(Protocol):
    """The settings of an optimizer step, which the configurations of fine-tuning and of pre-training share."""

    @property
    def learning_rate(self) -> float:
        """Highest learning rate."""

    @property
    def weight_decay(self) -> float:
        """Weight decay of all weights but biases and norms."""

    @property
    def adam_beta1(self) -> float:
        """Decay of AdamW's first moment."""

    @property
    def adam_beta2(self) -> float:
        """Decay of AdamW's second moment."""

    @property
    def adam_epsilon(self) -> float:
        """Summand of AdamW's denominator."""

    @property
    def max_grad_norm(self) -> float:
        """Largest global norm of the gradients that is not clipped; 0 to clip none."""

    @property
    def batch_size(self) -> int:
        """Rows per step, over all workers and micro-batches."""

    @property
    def gradient_accumulation_steps(self) -> int:
        """Micro-batches per step and worker."""

    @property
    def bf16(self) -> Literal["auto"] | bool:
        """Whether to compute in bfloat16."""


def make_optimizer(model: nn.Module, settings: TrainingSettings, scales: Mapping[str, float] | None = None) -> AdamW:
    """Make AdamW over the parameters that are not frozen.

    Args:
        model: the model to train.
        settings: learning rate, weight decay, betas and epsilon.
        scales: factor of the learning rate by parameter name; ``None`` for 1 everywhere.

    Returns:
        A fused AdamW with one parameter group per learning rate and weight decay, those with the highest learning rate
        (the head's) and with weight decay first.
    """
    groups: dict[tuple[float, bool], list[nn.Parameter]] = defaultdict(list)
    decayed = decayed_names(model)
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            groups[1.0 if scales is None else scales[name], name in decayed].append(parameter)
    rate, decay = settings.learning_rate, settings.weight_decay
    return AdamW(
        [
            {"params": parameters, "lr": rate * scale, "weight_decay": decay if decays else 0.0}
            for (scale, decays), parameters in sorted(groups.items(), key=lambda group: group[0], reverse=True)
        ],
        lr=rate,
        betas=(settings.adam_beta1, settings.adam_beta2),
        eps=settings.adam_epsilon,
        fused=True,
    )


def decayed_names(model: nn.Module) -> set[str]:
    """Return the names of the parameters with weight decay: no biases and norms, as in ``transformers.Trainer``."""
    norms = tuple(f"{name}." for name, module in model.named_modules() if isinstance(module, nn.LayerNorm))
    names = (name for name, _ in model.named_parameters(remove_duplicate=False))
    return {name for name in names if not name.startswith(norms) and not _NO_DECAY.search(name.lower())}


def layer_scales(model: PreTrainedModel, decay: float) -> dict[str, float]:
    """Compute the factor of the learning rate for each parameter.

    The rule is ELECTRA's (Clark et al. 2020, ``_get_layer_lrs`` in google-research/electra's ``optimization.py``):
    ``decay ** (layers + 2 - depth)`` with the depths of `gluetune.models.layer_depths`.

    Args:
        model: the model to train.
        decay: factor from one layer to the layer below; 1 for the same learning rate everywhere.

    Returns:
        Factors by parameter name; that of the head is 1.
    """
    depth_of = layer_depths(model)
    head = max(depth_of.values())
    return {name: decay ** (head - depth) for name, depth in depth_of.items()}


def make_scheduler(optimizer: AdamW, training: TrainingConfig, total: int) -> LRScheduler:
    """Make the learning-rate schedule of ``transformers.Trainer``: warm-up, then decay.

    Args:
        optimizer: its parameter groups keep the ratios of their learning rates.
        training: kind of schedule and warm-up; ``warmup_steps`` takes precedence over ``warmup_ratio``.
        total: optimizer steps of the trial.
    """
    warmup = training.warmup_steps if training.warmup_steps is not None else math.ceil(training.warmup_ratio * total)
    scheduler: LRScheduler = get_scheduler(
        training.lr_scheduler_type, optimizer, num_warmup_steps=warmup, num_training_steps=total
    )
    return scheduler


def clip_in_step(optimizer: AdamW, max_norm: float, *, check: bool = False) -> None:
    """Make the optimizer's next step clip gradients by their global norm, as ``torch.nn.utils.clip_grad_norm_`` does.

    Fused optimizers divide gradients by ``grad_scale`` while they read them, and write them back; that is how
    `torch.amp.GradScaler` unscales gradients. Scaling them beforehand would be one more pass over all of them.

    Args:
        optimizer: a fused optimizer of float32 parameters whose gradients are computed.
        max_norm: largest norm that is not clipped, above 0.
        check: whether to assert after the step that the gradients were divided. On a GPU this waits for the step.

    Raises:
        AssertionError: from the step, if ``check`` is set and the gradients were not divided.
    """
    gradients = [
        parameter.grad
        for group in optimizer.param_groups
        for parameter in group["params"]
        if parameter.grad is not None
    ]
    fused: Any = optimizer
    fused.grad_scale = ((get_total_norm(gradients) + 1e-6) / max_norm).clamp(min=1.0)
    if check:
        _check_after_step(optimizer, min(gradients, key=torch.numel), fused.grad_scale)


def _check_after_step(optimizer: AdamW, gradient: torch.Tensor, scale: torch.Tensor) -> None:
    expected = gradient / scale

    def compare(*_: Any) -> None:
        hook.remove()
        if not torch.allclose(gradient, expected, equal_nan=True):
            raise AssertionError("the optimizer's step must divide gradients by grad_scale, but did not")

    hook = optimizer.register_step_post_hook(compare)


@cache
def can_clip_in_step(device: str) -> bool:
    """Whether torch's fused AdamW on a device divides gradients as `clip_in_step` expects; tries it on one parameter.

    It is not used with ``GLUETUNE_INTERNALS=off``: the attribute is not documented, although `torch.amp.GradScaler`
    relies on it.
    """
    if internals_off():
        return False
    weight = nn.Parameter(torch.zeros(1, device=device))
    weight.grad = torch.full_like(weight, 4.0)
    optimizer = AdamW([weight], fused=True)
    clip_in_step(optimizer, 1.0, check=True)
    try:
        optimizer.step()
    except AssertionError:
        return False
    return True
