"""Model, optimizer, learning rate and random generators of one trial, and what is done with them in a step."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import PreTrainedModel

from gluetune.config import TrainingConfig
from gluetune.data import EncodedRows, shard_batch
from gluetune.events import Evaluation, StepLog
from gluetune.models import Encoder, build_model, move_to_device
from gluetune.tasks import Task
from gluetune.training.distributed_context import DistributedContext, mixed_precision, no_sync, use_bf16, wrap_ddp
from gluetune.training.evaluate import count_correct, evaluate_rows, loss_sum
from gluetune.training.memory import MicroBatches
from gluetune.training.optimizer import clip_in_step, make_optimizer, make_scheduler
from gluetune.training.plan import StepPlan
from gluetune.training.running_metrics import RunningMetrics
from gluetune.training.speedups import apply_speedups, clone_cudagraph_grads
from gluetune.training.speedups.embedding_pruning import EmbeddingPruner
from gluetune.training.speedups.padding_free import model_inputs


class TrialTrainer:
    """Trains and evaluates the model of one trial on one worker.

    Args:
        task: task to fine-tune on.
        train: training rows.
        encoder: pre-trained weights to start from; not changed.
        training: hyperparameters.
        seed: seed of the head's weights, the data order and dropout.
        distributed: this worker.
        used: [tokens] ids of all tokens in training and selection rows, sorted; ``None``: the whole vocabulary.

    Attributes:
        model: the model that is trained.
        pruner: its token embedding, reduced to the used tokens.
        plan: the trial's steps.
        step: optimizer steps done.
        distributed: this worker.
        last: the last evaluation; ``None`` before the first.
    """

    def __init__(
        self,
        task: Task,
        train: EncodedRows,
        encoder: Encoder,
        training: TrainingConfig,
        seed: int,
        distributed: DistributedContext,
        used: NDArray[np.int64] | None = None,
    ) -> None:
        self._task, self._train, self._training, self.distributed = task, train, training, distributed
        self._lengths = train.lengths
        self._bf16 = use_bf16(training.bf16, distributed)
        self._micro_batches = MicroBatches(training.gradient_accumulation_steps, distributed.world_size)
        self._cuda_graphs = training.torch_compile and training.torch_compile_mode == "reduce-overhead"
        self._best_score = -float("inf")
        self._learning_rate = 0.0
        self._metrics: RunningMetrics | None = None
        self.step = 0
        self.last: Evaluation | None = None
        self.plan = StepPlan.make(self._lengths, training, seed)
        self.model: PreTrainedModel = build_model(encoder, task, training, seed)
        self.pruner = EmbeddingPruner(self.model, used)
        move_to_device(self.model, distributed.device)
        apply_speedups(self.model, training, distributed)
        self._ddp = wrap_ddp(self.model, distributed)
        self._optimizer = make_optimizer(self.model, training)
        self._scheduler = make_scheduler(self._optimizer, training, self.plan.total)
        torch.manual_seed(int(np.random.SeedSequence((seed, distributed.rank)).generate_state(1)[0]))  # dropout

    def train_step(self, batch: np.ndarray) -> None:
        """Does one optimizer step.

        Args:
            batch: [rows] row numbers of the global batch.

        Raises:
            DivergedError: a loss of the last few steps is not finite.
        """
        self._metrics = self._metrics or RunningMetrics(self.distributed, self.step)
        loss, correct = self._accumulate(batch)
        if self._training.max_grad_norm:
            clip_in_step(self._optimizer, self._training.max_grad_norm)
        self._learning_rate = cast(float, self._scheduler.get_last_lr()[0])
        self._optimizer.step()
        self.pruner.apply_weight_decay(self._optimizer)
        self._scheduler.step()
        self._optimizer.zero_grad(set_to_none=True)
        self.step += 1
        self._metrics.add(loss[None], len(batch), int(self._lengths[batch].sum()), correct)

    def exclude(self, seconds: float) -> None:
        """Leaves time since the last evaluation in which nothing was trained out of the training time."""
        if self._metrics:
            self._metrics.exclude(seconds)

    def log(self) -> StepLog:
        """Summarises the steps since the last log or evaluation; all workers must call it after the same step.

        Raises:
            DivergedError: a loss since then is not finite.
        """
        assert self._metrics is not None  # at least one step was done
        loss, speed = self._metrics.progress()
        return StepLog(
            step=self.step,
            epoch=self.step / self.plan.per_epoch,
            loss=loss,
            accuracy=self._accuracy(self._metrics),
            learning_rate=self._learning_rate,
            examples_per_second=speed,
        )

    def evaluate(self, selection: EncodedRows) -> Evaluation:
        """Evaluates the model and summarises the steps since the last evaluation; all workers must call it.

        Args:
            selection: the selection rows.

        Raises:
            DivergedError: a loss or a logit is not finite.
        """
        running, self._metrics = self._metrics, None
        assert running is not None  # at least one step was done
        (train_loss,), train_seconds = running.finish()
        index = self.last.index + 1 if self.last else 1
        output = evaluate_rows(
            self.model, self._task, selection, self._training.eval_batch_size, self.distributed, bf16=self._bf16
        )
        self.last = Evaluation(
            index=index,
            step=self.step,
            total_steps=self.plan.total,
            epoch=self.step / self.plan.per_epoch,
            steps_per_epoch=self.plan.per_epoch,
            score=output.score,
            metrics=output.metrics,
            eval_loss=output.loss,
            train_loss=train_loss,
            train_accuracy=self._accuracy(running),
            learning_rate=self._learning_rate,
            train_seconds=train_seconds,
            eval_seconds=output.seconds,
            train_examples=running.examples,
            train_tokens=running.tokens,
            first_step_at=running.started if index == 1 else None,
            last_step_at=running.started + train_seconds,
            precision="bf16" if self._bf16 else "fp32",
        )
        return self.last

    def is_best(self) -> bool:
        """Whether the last evaluation has the best score so far; of equal scores, the first is the best.

        Call it once after each evaluation: it updates the best score.
        """
        assert self.last is not None
        better = self.last.score > self._best_score
        self._best_score = max(self.last.score, self._best_score)
        return better

    def state_dict(self) -> dict[str, Any]:
        """State to resume from; all workers must call it, because each contributes its random generators.

        Returns:
            Tensors and plain values, not copied: further steps change them.
        """
        return {
            "model": self.model.state_dict(),
            "optimizer": self._optimizer.state_dict(),
            "scheduler": self._scheduler.state_dict(),
            "random": self.distributed.rng_states(),
            "micro_batches": self._micro_batches.count,
            "pruned_embedding": self.pruner.state_dict(),
            "step": self.step,
            "best_score": self._best_score,
            "last": self.last.model_dump() if self.last else None,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Resumes from the `state_dict` of an earlier process.

        With the same number of workers the following steps give the same numbers as without the interruption.

        Raises:
            StorageError: the state belongs to other data.
        """
        self.pruner.load_state_dict(state["pruned_embedding"])
        self.model.load_state_dict(state["model"])
        self._optimizer.load_state_dict(state["optimizer"])
        self._scheduler.load_state_dict(state["scheduler"])
        # micro-batches that did not fit the memory before do not fit now
        self._micro_batches.count = max(self._micro_batches.count, state["micro_batches"])
        self.step, self._best_score = state["step"], state["best_score"]
        plan = {"total_steps": self.plan.total, "steps_per_epoch": self.plan.per_epoch}  # not in older checkpoints
        self.last = Evaluation(**(plan | state["last"])) if state["last"] else None
        self.distributed.set_rng_state(state["random"])

    def _accuracy(self, running: RunningMetrics) -> float | None:
        return None if self._task.regression else running.accuracy

    def _accumulate(self, batch: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
        """Accumulates the gradients of this worker's share of a global batch of row numbers.

        Returns:
            Scalars: this worker's part of the loss, and how many of its rows were classified correctly.
        """
        rows, counted = shard_batch(batch, self.distributed.rank, self.distributed.world_size)
        scale = self.distributed.world_size / len(batch) if counted else 0.0
        loss, correct = self._micro_batches.accumulate(
            rows,
            lambda micro_batches: self._backward(micro_batches, scale),
            lambda: self._optimizer.zero_grad(set_to_none=True),
        )
        return loss, correct * bool(counted)

    def _backward(self, micro_batches: list[np.ndarray], scale: float) -> tuple[torch.Tensor, torch.Tensor]:
        """Runs forward and backward passes.

        ``scale`` turns the mean over the workers of their summed losses into the mean loss of the global batch.
        """
        total, correct = torch.zeros(2, device=self.distributed.device)
        for number, rows in enumerate(micro_batches, 1):
            inputs = model_inputs(self.model, self._train, rows, self.distributed)
            labels = inputs.pop("labels")
            with no_sync(self._ddp) if number < len(micro_batches) else nullcontext():
                with mixed_precision(self.distributed, self._bf16):
                    logits = self._ddp(**inputs).logits
                loss = loss_sum(logits, labels, self._task) * scale
                loss.backward()
            if self._cuda_graphs and number < len(micro_batches):
                clone_cudagraph_grads(self.model)
            total += loss.detach()
            correct += count_correct(logits, labels, self._task)
        return total, correct
