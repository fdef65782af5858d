"""AdamW with decoupled weight decay, and the learning-rate schedule."""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from torch import nn
from torch.nn.utils import get_total_norm
from torch.optim import AdamW
from torch.optim.lr_scheduler import LRScheduler
from transformers import PreTrainedModel, get_scheduler

from gluetune.config import TrainingConfig
from gluetune.models import layer_depths

# The patterns of transformers.Trainer.get_decay_parameter_names: biases and norms do not decay.
_NO_DECAY = re.compile(r"bias|layernorm|rmsnorm|(?:^|\.)norm(?:$|\.)|_norm(?:$|\.)")


def make_optimizer(model: PreTrainedModel, training: TrainingConfig) -> AdamW:
    """Makes AdamW over the parameters that are not frozen.

    Args:
        model: the model to train.
        training: learning rate, its decay by layer, weight decay, betas and epsilon.

    Returns:
        A fused AdamW with one parameter group per learning rate and weight decay; the head's group is the first.
    """
    groups: dict[tuple[float, bool], list[nn.Parameter]] = defaultdict(list)
    scales = layer_scales(model, training.layerwise_lr_decay)
    decayed = set(decayed_names(model))
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            groups[scales[name], name in decayed].append(parameter)
    rate, decay = training.learning_rate, training.weight_decay
    return AdamW(
        [
            {"params": parameters, "lr": rate * scale, "weight_decay": decay if decays else 0.0}
            for (scale, decays), parameters in sorted(groups.items(), key=lambda group: group[0], reverse=True)
        ],
        lr=rate,
        betas=(training.adam_beta1, training.adam_beta2),
        eps=training.adam_epsilon,
        fused=True,
    )


def make_scheduler(optimizer: AdamW, training: TrainingConfig, total: int) -> LRScheduler:
    """Makes the learning-rate schedule: warm-up, then decay.

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


def clip_in_step(optimizer: AdamW, max_norm: float) -> None:
    """Makes the optimizer's next step clip gradients by their global norm, as ``torch.nn.utils.clip_grad_norm_`` does.

    Fused optimizers divide gradients by ``grad_scale`` while they read them, which `torch.amp.GradScaler` relies on.
    Scaling the gradients beforehand would be one more pass over all of them.

    Args:
        optimizer: a fused optimizer of float32 parameters whose gradients are computed.
        max_norm: largest norm that is not clipped, above 0.
    """
    gradients = [
        parameter.grad
        for group in optimizer.param_groups
        for parameter in group["params"]
        if parameter.grad is not None
    ]
    fused: Any = optimizer
    fused.grad_scale = ((get_total_norm(gradients) + 1e-6) / max_norm).clamp(min=1.0)


def decayed_names(model: nn.Module) -> Iterator[str]:
    """Yields the names of the parameters with weight decay: no biases and norms, as in ``transformers.Trainer``."""
    for path, module in model.named_modules():
        if isinstance(module, nn.LayerNorm):
            continue
        for name, _ in module.named_parameters(prefix=path, recurse=False):
            if not _NO_DECAY.search(name.lower()):
                yield name


def layer_scales(model: PreTrainedModel, decay: float) -> dict[str, float]:
    """Computes the factor of the learning rate for each parameter.

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
