"""The moving parts of one pre-training run: model, optimizer, learning rate, data and random numbers."""

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
from gluetune.pretraining.batches import Batch, BatchStream, Collator
from gluetune.pretraining.config import PretrainingConfig, PretrainJob
from gluetune.pretraining.encoder import build_encoder
from gluetune.pretraining.evaluation import PretrainingEvaluation
from gluetune.pretraining.objective import Objective, ValidationSet, forward
from gluetune.pretraining.prepare import PretrainingData
from gluetune.pretraining.window import Window
from gluetune.training.distributed import DistributedContext, to_device
from gluetune.training.memory import free, out_of_memory
from gluetune.training.parallel import parallel, unsynced, use_bf16


class Run:
    """One run on one worker.

    Args:
        data: the text.
        job: everything else.
        distributed: this worker.

    Attributes:
        model: the model being trained.
        step: optimizer steps done.
        last: the last evaluation, ``None`` before the first.
    """

    def __init__(self, data: PretrainingData, job: PretrainJob, distributed: DistributedContext) -> None:
        self._training, self._distributed = job.training, distributed
        self._bf16 = use_bf16(job.training.bf16, distributed)
        self._splits = job.training.gradient_accumulation_steps
        self._learning_rate = 0.0
        self._window: Window | None = None
        self.step = 0
        self.last: PretrainingEvaluation | None = None
        collator = Collator.of(data.tokens, job.training)
        self._stream = BatchStream(data.train, collator, job.training, job.seed)
        self._held_out = ValidationSet(data.held_out, collator, job.training, job.seed)
        self.model: BertForPreTraining = build_encoder(job, data.tokens)
        self.model.to(distributed.device)  # type: ignore[arg-type]  # transformers' decorator hides what `to` takes
        self._objective = Objective(self.model)
        self._parallel = parallel(self._objective, distributed)
        self._optimizer = _optimizer(self.model, job.training)
        self._scheduler = torch.optim.lr_scheduler.LambdaLR(self._optimizer, lambda step: _rate(step, job.training))
        torch.manual_seed(int(np.random.SeedSequence((job.seed, distributed.rank)).generate_state(1)[0]))  # dropout

    def train_step(self) -> None:
        """One optimizer step on the next global batch.

        Raises:
            DivergedError: a loss of the last few steps is not finite.
        """
        self._window = self._window or Window(self._distributed, self.step)
        batch = self._stream.next()
        losses = self._gradients(batch)
        clip_grad_norm_(self.model.parameters(), self._training.max_grad_norm)
        self._learning_rate = cast(float, self._scheduler.get_last_lr()[0])
        self._optimizer.step()
        self._scheduler.step()
        self._optimizer.zero_grad(set_to_none=True)
        self.step += 1
        self._window.add(losses, batch)

    def evaluate(self) -> PretrainingEvaluation:
        """Scores the model on the held-out pairs and starts a new window.

        Raises:
            DivergedError: a loss is not finite.
        """
        window, self._window = self._window, None
        assert window is not None  # evaluations follow steps
        masked_lm, next_sentence, seconds = window.close()
        begun = time.monotonic()
        scores = self._held_out.score(self._objective, self._distributed, bf16=self._bf16)
        index = self.last.index + 1 if self.last else 1
        self.last = PretrainingEvaluation(
            index=index,
            step=self.step,
            epoch=self._stream.epoch,
            train_masked_lm_loss=masked_lm,
            train_next_sentence_loss=next_sentence,
            **asdict(scores),
            learning_rate=self._learning_rate,
            train_seconds=seconds,
            eval_seconds=time.monotonic() - begun,
            pairs=window.pairs,
            tokens=window.tokens,
            first_step_at=window.began if index == 1 else None,
            last_step_at=window.began + seconds,
            precision="bf16" if self._bf16 else "fp32",
        )
        return self.last

    def state(self) -> dict[str, Any]:
        """All that a resume needs. All workers must call it, for each has random numbers of its own."""
        random = {"cpu": torch.get_rng_state()}
        if self._distributed.cuda:
            random["cuda"] = torch.cuda.get_rng_state(self._distributed.device)
        return {
            "model": self.model.state_dict(),
            "optimizer": self._optimizer.state_dict(),
            "scheduler": self._scheduler.state_dict(),
            "random": self._distributed.all_gather(random),
            "stream": self._stream.state(),
            "splits": self._splits,
            "step": self.step,
            "last": asdict(self.last) if self.last else None,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Goes on from a `state`, to the same numbers as undisturbed where the number of workers is the same."""
        self.model.load_state_dict(state["model"])
        self._optimizer.load_state_dict(state["optimizer"])
        self._scheduler.load_state_dict(state["scheduler"])
        self._stream.restore(state["stream"])
        self._splits, self.step = state["splits"], state["step"]
        self.last = PretrainingEvaluation(**state["last"]) if state["last"] else None
        if self._distributed.rank < len(state["random"]):
            random = state["random"][self._distributed.rank]
            torch.set_rng_state(random["cpu"])
            if self._distributed.cuda and "cuda" in random:
                torch.cuda.set_rng_state(random["cuda"], self._distributed.device)

    def _gradients(self, batch: Batch) -> torch.Tensor:
        """Adds the batch's gradients up; a single worker out of memory goes on with micro-batches of half the size."""
        rows, counted = shard_batch(np.arange(len(batch)), self._distributed.rank, self._distributed.world_size)
        share = self._distributed.world_size if counted else 0
        while True:
            try:
                return self._backward(batch, np.array_split(rows, min(self._splits, len(rows))), share)
            except (RuntimeError, MemoryError) as error:
                # Other workers already wait for this one's gradients, so only a worker on its own can try again.
                if not out_of_memory(error) or self._distributed.world_size > 1 or self._splits >= len(rows):
                    raise
            self._optimizer.zero_grad(set_to_none=True)
            free()
            self._splits *= 2

    def _backward(self, batch: Batch, micro_batches: list[np.ndarray], share: int) -> torch.Tensor:
        """Forward and backward; ``share`` makes the workers' mean of sums, divided so, the global batch's mean loss."""
        masked, total = max(1, batch.masked), torch.zeros(2, device=self._distributed.device)
        for number, rows in enumerate(micro_batches, 1):
            tensors = to_device(batch.tensors(rows), self._distributed)
            with unsynced(self._parallel) if number < len(micro_batches) else nullcontext():
                scores, relations = forward(self._parallel, tensors, self._distributed, bf16=self._bf16)
                masked_lm = functional.cross_entropy(scores, tensors["labels"], reduction="sum") * share / masked
                next_sentence = (
                    functional.cross_entropy(relations, tensors["relations"], reduction="sum") * share / len(batch)
                )
                (masked_lm + next_sentence).backward()
            total += torch.stack((masked_lm, next_sentence)).detach()
        return total


def _optimizer(model: BertForPreTraining, training: PretrainingConfig) -> torch.optim.AdamW:
    """AdamW; biases and LayerNorms are not decayed (Devlin et al. 2019, reference code)."""
    decayed = [weight for weight in model.parameters() if weight.ndim > 1]
    free = [weight for weight in model.parameters() if weight.ndim <= 1]
    return torch.optim.AdamW(
        [{"params": decayed, "weight_decay": training.weight_decay}, {"params": free, "weight_decay": 0.0}],
        lr=training.learning_rate,
        betas=(training.adam_beta1, training.adam_beta2),
        eps=training.adam_epsilon,
        fused=True,
    )


def _rate(step: int, training: PretrainingConfig) -> float:
    warmup = training.warmup_ratio * training.max_steps
    return min((step + 1) / max(1.0, warmup), (training.max_steps - step) / max(1.0, training.max_steps - warmup))
