"""AdamW with decoupled weight decay, and the learning rate's course."""

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

# As transformers.Trainer.get_decay_parameter_names: no decay of biases and norms.
_NO_DECAY = re.compile(r"bias|layernorm|rmsnorm|(?:^|\.)norm(?:$|\.)|_norm(?:$|\.)")


def make_optimizer(model: PreTrainedModel, training: TrainingConfig) -> AdamW:
    """AdamW over the parameters that are not frozen; the head's group comes first where rates differ by layer."""
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
    """Warm-up and decay over ``total`` steps; ``warmup_steps`` goes before ``warmup_ratio``."""
    warmup = training.warmup_steps if training.warmup_steps is not None else math.ceil(training.warmup_ratio * total)
    scheduler: LRScheduler = get_scheduler(
        training.lr_scheduler_type, optimizer, num_warmup_steps=warmup, num_training_steps=total
    )
    return scheduler


def clip_in_step(optimizer: AdamW, max_norm: float) -> None:
    """Clips gradients by their common norm, as ``torch.nn.utils.clip_grad_norm_``, in the optimizer's next step.

    Fused optimizers divide gradients by ``grad_scale`` while they read them (so `torch.amp.GradScaler` has them do);
    to scale them before is one more pass over all of them.

    Args:
        optimizer: a fused one of float32 parameters, whose gradients are there.
        max_norm: the largest norm that is left alone, above 0.
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
    """Names of the parameters that decay: neither biases nor norms, as in ``transformers.Trainer``."""
    for path, module in model.named_modules():
        if isinstance(module, nn.LayerNorm):
            continue
        for name, _ in module.named_parameters(prefix=path, recurse=False):
            if not _NO_DECAY.search(name.lower()):
                yield name


def layer_scales(model: PreTrainedModel, decay: float) -> dict[str, float]:
    """Factor of the learning rate by parameter name.

    The rule is ELECTRA's (Clark et al. 2020, ``_get_layer_lrs`` in google-research/electra's ``optimization.py``):
    ``decay ** (layers + 2 - depth)`` with the depths of `gluetune.models.depths`.
    """
    found = layer_depths(model)
    head = max(found.values())
    return {name: decay ** (head - depth) for name, depth in found.items()}
