"""AdamW with decoupled weight decay, and its learning-rate schedule."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping
from typing import Literal, Protocol

from torch import nn
from torch.optim import AdamW
from torch.optim.lr_scheduler import LRScheduler
from transformers import PreTrainedModel, get_scheduler
from transformers.trainer_pt_utils import get_parameter_names

from gluetune.config import TrainingConfig
from gluetune.models import layer_depths

_NO_DECAY = (r"bias", r"layernorm", r"rmsnorm", r"(?:^|\.)norm(?:$|\.)", r"_norm(?:$|\.)")
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
    return set(get_parameter_names(model, [nn.LayerNorm], list(_NO_DECAY)))


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
