"""The pre-training loop: plain torch, one process."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch.nn import functional
from transformers import BertForPreTraining

from gluetune.pretraining.config import PretrainingConfig
from gluetune.pretraining.masking import IGNORED

Batch = dict[str, torch.Tensor]


@dataclass(frozen=True, slots=True)
class Losses:
    """Mean cross-entropies in nats: per masked token, and per pair."""

    masked_lm: float
    next_sentence: float


@dataclass(frozen=True, slots=True)
class Progress:
    """What the loop reports.

    Attributes:
        step: optimizer steps done.
        max_steps: optimizer steps in all.
        train: losses since the last report.
        held_out: losses on text that is not trained on.
    """

    step: int
    max_steps: int
    train: Losses
    held_out: Losses


def pretrain(model: BertForPreTraining, batches: Iterator[Batch], held_out: Sequence[Batch], config: PretrainingConfig,
             report: Callable[[Progress], None]) -> Losses:
    """Trains the model in place with AdamW and a linearly rising, then falling rate.

    Args:
        model: both heads are trained.
        batches: at least ``config.max_steps`` batches.
        held_out: batches to evaluate on.
        config: steps and optimizer.
        report: called every ``config.evaluate_every`` steps and after the last one.

    Returns:
        The losses on ``held_out`` at the end.
    """
    optimizer = _optimizer(model, config)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _rate(step, config))
    losses, recent = Losses(float("nan"), float("nan")), []
    model.train()
    for step in range(1, config.max_steps + 1):
        masked_lm, next_sentence = objective(model, next(batches))
        (masked_lm + next_sentence).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), config.max_grad_norm)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        recent.append(torch.stack((masked_lm, next_sentence)).detach())
        if step % config.evaluate_every == 0 or step == config.max_steps:
            losses = evaluate(model, held_out)
            report(Progress(step, config.max_steps, Losses(*torch.stack(recent).mean(0).tolist()), losses))
            recent.clear()
    return losses


def objective(model: BertForPreTraining, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
    """Masked-LM and next-sentence loss of one batch.

    The vocabulary's scores are computed for masked tokens only; a batch without any has masked-LM loss 0.
    """
    outputs = model.bert(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"],
                         token_type_ids=batch["token_type_ids"])
    masked = batch["labels"] != IGNORED
    scores, relation = model.cls(outputs.last_hidden_state[masked], outputs.pooler_output)
    masked_lm = functional.cross_entropy(scores, batch["labels"][masked], reduction="sum") / masked.sum().clamp(min=1)
    return masked_lm, functional.cross_entropy(relation, batch["next_sentence_label"])


def evaluate(model: BertForPreTraining, batches: Sequence[Batch]) -> Losses:
    """Mean losses over batches, without dropout; the model is left in training mode."""
    model.eval()
    with torch.no_grad():
        both = torch.stack([torch.stack(objective(model, batch)) for batch in batches])
    model.train()
    return Losses(*both.mean(0).tolist())


def _optimizer(model: BertForPreTraining, config: PretrainingConfig) -> torch.optim.AdamW:
    """AdamW; biases and LayerNorms are not decayed (Devlin et al. 2019, reference code)."""
    decayed = [weight for weight in model.parameters() if weight.ndim > 1]
    free = [weight for weight in model.parameters() if weight.ndim <= 1]
    return torch.optim.AdamW([{"params": decayed, "weight_decay": config.weight_decay},
                              {"params": free, "weight_decay": 0.0}], lr=config.learning_rate, fused=True)


def _rate(step: int, config: PretrainingConfig) -> float:
    warmup = config.warmup_ratio * config.max_steps
    return min((step + 1) / max(1.0, warmup), (config.max_steps - step) / max(1.0, config.max_steps - warmup))
