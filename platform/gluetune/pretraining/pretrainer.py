"""Model, optimizer, learning rate, data and random generators of one pre-training run, and its steps."""

from __future__ import annotations

import time
from contextlib import nullcontext
from dataclasses import asdict
from typing import Any, cast

import numpy as np
import torch
from torch.nn import functional
from torch.nn.utils import clip_grad_norm_
from transformers import BertForPreTraining

from gluetune.data import shard_batch
from gluetune.events import PretrainingEvaluation
from gluetune.models import move_to_device
from gluetune.pretraining.batches import Batch, BatchStream, Collator
from gluetune.pretraining.config import PretrainingConfig, PretrainJob
from gluetune.pretraining.encoder import PretrainingHeads, build_encoder, head_scores
from gluetune.pretraining.evaluation import ValidationSet
from gluetune.pretraining.prepare import PretrainingData
from gluetune.training.distributed_context import DistributedContext, no_sync, to_device, use_bf16, wrap_ddp
from gluetune.training.memory import MicroBatches
from gluetune.training.running_metrics import RunningMetrics


class Pretrainer:
    """Trains and evaluates the model of one pre-training run on one worker.

    Args:
        data: the tokenised text.
        job: encoder, hyperparameters and seed.
        distributed: this worker.

    Attributes:
        model: the model that is trained.
        step: optimizer steps done.
        last: the last evaluation; ``None`` before the first.
    """

    def __init__(self, data: PretrainingData, job: PretrainJob, distributed: DistributedContext) -> None:
        self._training, self._distributed = job.training, distributed
        self._bf16 = use_bf16(job.training.bf16, distributed)
        self._micro_batches = MicroBatches(job.training.gradient_accumulation_steps, distributed.world_size)
        self._learning_rate = 0.0
        self._metrics: RunningMetrics | None = None
        self.step = 0
        self.last: PretrainingEvaluation | None = None
        collator = Collator.from_config(data.tokens, job.training)
        self._stream = BatchStream(data.train, collator, job.training, job.seed)
        self._validation = ValidationSet(data.held_out, collator, job.training, job.seed)
        self.model: BertForPreTraining = build_encoder(job, data.tokens)
        move_to_device(self.model, distributed.device)
        self._heads = PretrainingHeads(self.model)
        self._ddp = wrap_ddp(self._heads, distributed)
        self._optimizer = _optimizer(self.model, job.training)
        self._scheduler = torch.optim.lr_scheduler.LambdaLR(
            self._optimizer, lambda step: _lr_factor(step, job.training)
        )
        torch.manual_seed(int(np.random.SeedSequence((job.seed, distributed.rank)).generate_state(1)[0]))  # dropout

    def train_step(self) -> None:
        """Does one optimizer step on the next global batch.

        Raises:
            DivergedError: a loss of the last few steps is not finite.
        """
        self._metrics = self._metrics or RunningMetrics(self._distributed, self.step, ("masked_lm", "next_sentence"))
        batch = self._stream.next_batch()
        losses = self._accumulate(batch)
        clip_grad_norm_(self.model.parameters(), self._training.max_grad_norm)
        self._learning_rate = cast(float, self._scheduler.get_last_lr()[0])
        self._optimizer.step()
        self._scheduler.step()
        self._optimizer.zero_grad(set_to_none=True)
        self.step += 1
        self._metrics.add(losses, len(batch), batch.tokens)

    def evaluate(self) -> PretrainingEvaluation:
        """Evaluates the model on the held-out pairs and summarises the steps since the last evaluation.

        All workers must call it after the same step.

        Raises:
            DivergedError: a loss is not finite.
        """
        running, self._metrics = self._metrics, None
        assert running is not None  # at least one step was done
        (masked_lm, next_sentence), seconds = running.finish()
        started = time.monotonic()
        scores = self._validation.evaluate(self._heads, self._distributed, bf16=self._bf16)
        index = self.last.index + 1 if self.last else 1
        self.last = PretrainingEvaluation(
            index=index,
            step=self.step,
            total_steps=self._training.max_steps,
            epoch=self._stream.epoch,
            train_masked_lm_loss=masked_lm,
            train_next_sentence_loss=next_sentence,
            **asdict(scores),
            learning_rate=self._learning_rate,
            train_seconds=seconds,
            eval_seconds=time.monotonic() - started,
            pairs=running.examples,
            tokens=running.tokens,
            first_step_at=running.started if index == 1 else None,
            last_step_at=running.started + seconds,
            precision="bf16" if self._bf16 else "fp32",
        )
        return self.last

    def state_dict(self) -> dict[str, Any]:
        """State to resume from; all workers must call it, because each contributes its random generators.

        Returns:
            Tensors and plain values, not copied: further steps change them.
        """
        return {
            "model": self.model.state_dict(),
            "optimizer": self._optimizer.state_dict(),
            "scheduler": self._scheduler.state_dict(),
            "random": self._distributed.rng_states(),
            "stream": self._stream.state_dict(),
            "micro_batches": self._micro_batches.count,
            "step": self.step,
            "last": self.last.model_dump() if self.last else None,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Resumes from the `state_dict` of an earlier process.

        With the same number of workers the following steps give the same numbers as without the interruption.
        """
        self.model.load_state_dict(state["model"])
        self._optimizer.load_state_dict(state["optimizer"])
        self._scheduler.load_state_dict(state["scheduler"])
        self._stream.load_state_dict(state["stream"])
        self._micro_batches.count, self.step = state["micro_batches"], state["step"]
        plan = {"total_steps": self._training.max_steps}  # not in older checkpoints
        self.last = PretrainingEvaluation(**(plan | state["last"])) if state["last"] else None
        self._distributed.set_rng_state(state["random"])

    def _accumulate(self, batch: Batch) -> torch.Tensor:
        """Accumulates the gradients of this worker's share of a global batch.

        Returns:
            [2] this worker's parts of the masked-LM and the next-sentence loss.
        """
        rows, counted = shard_batch(np.arange(len(batch)), self._distributed.rank, self._distributed.world_size)
        scale = self._distributed.world_size if counted else 0
        return self._micro_batches.accumulate(
            rows,
            lambda micro_batches: self._backward(batch, micro_batches, scale),
            lambda: self._optimizer.zero_grad(set_to_none=True),
        )

    def _backward(self, batch: Batch, micro_batches: list[np.ndarray], scale: int) -> torch.Tensor:
        """Runs forward and backward passes.

        ``scale`` turns the mean over the workers of their summed losses, divided by the number of masked tokens or
        pairs of the global batch, into the mean loss of the global batch.
        """
        masked, total = max(1, batch.masked), torch.zeros(2, device=self._distributed.device)
        for number, rows in enumerate(micro_batches, 1):
            tensors = to_device(batch.tensors(rows), self._distributed)
            with no_sync(self._ddp) if number < len(micro_batches) else nullcontext():
                token_scores, pair_scores = head_scores(self._ddp, tensors, self._distributed, bf16=self._bf16)
                masked_lm = functional.cross_entropy(token_scores, tensors["labels"], reduction="sum") * scale / masked
                next_sentence = (
                    functional.cross_entropy(pair_scores, tensors["next_sentence_labels"], reduction="sum")
                    * scale
                    / len(batch)
                )
                (masked_lm + next_sentence).backward()
            total += torch.stack((masked_lm, next_sentence)).detach()
        return total


def _optimizer(model: BertForPreTraining, training: PretrainingConfig) -> torch.optim.AdamW:
    """Makes AdamW without weight decay of biases and LayerNorms (Devlin et al. 2019, reference code)."""
    decayed = [weight for weight in model.parameters() if weight.ndim > 1]
    not_decayed = [weight for weight in model.parameters() if weight.ndim <= 1]
    return torch.optim.AdamW(
        [{"params": decayed, "weight_decay": training.weight_decay}, {"params": not_decayed, "weight_decay": 0.0}],
        lr=training.learning_rate,
        betas=(training.adam_beta1, training.adam_beta2),
        eps=training.adam_epsilon,
        fused=True,
    )


def _lr_factor(step: int, training: PretrainingConfig) -> float:
    """Factor of the learning rate after ``step`` steps: rises linearly in the warm-up, then falls linearly to 0."""
    warmup = training.warmup_ratio * training.max_steps
    return min((step + 1) / max(1.0, warmup), (training.max_steps - step) / max(1.0, training.max_steps - warmup))
