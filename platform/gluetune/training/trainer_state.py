"""What every training run has: model, optimizer, learning rate, micro-batches, random generators and steps.

Fine-tuning and pre-training each own a `TrainerState`. They add what differs: batches, losses and evaluations.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from functools import partial
from typing import Any, Generic, TypeVar, cast

import numpy as np
import torch
from torch import nn
from torch.nn.utils import clip_grad_norm_
from torch.optim import AdamW
from torch.optim.lr_scheduler import LRScheduler
from transformers import PreTrainedModel

from gluetune.data import shard_batch
from gluetune.errors import StorageError
from gluetune.events import Evaluation, Precision, PretrainingEvaluation, StepLog
from gluetune.training.distributed_context import DistributedContext, no_sync, use_bf16, wrap_ddp
from gluetune.training.memory import MicroBatches
from gluetune.training.optimizer import TrainingSettings, can_clip_in_step, clip_in_step
from gluetune.training.running_metrics import RunningMetrics, TrainingSummary

MicroBatchLoss = Callable[[np.ndarray, int], tuple[torch.Tensor, torch.Tensor]]
"""Computes a micro-batch, from its row numbers and a factor: its loss, and the values that `RunningMetrics` counts.

The loss is the micro-batch's part of the mean loss of the global batch, times the factor. The factor is the number of
workers, over which ``DistributedDataParallel`` takes the mean, and 0 where a worker has no row of its own.
"""


_Evaluation = TypeVar("_Evaluation", bound=Evaluation | PretrainingEvaluation)


class TrainerState(Generic[_Evaluation]):
    """Model, optimizer, learning rate and random generators of one run on one worker, and its optimizer steps.

    Args:
        model: the model whose weights are trained and saved, on ``distributed.device``.
        optimizer: a fused AdamW of its weights.
        scheduler: the learning rate of ``optimizer``.
        settings: micro-batches, clipping and precision.
        distributed: this worker.
        restore: makes an evaluation from the values of one in a checkpoint.
        seed: seed of dropout; with this worker's rank, it seeds torch's random generators.
        forward: the module that computes losses from the model; by default the model.
        losses: names of the losses, for messages.
        clip_in_step: whether the optimizer clips gradients while it reads them, where its kernel can.
        after_backward: called after each micro-batch but the last.
        trained_only: whether checkpoints hold only the weights that are trained, as those of an adapter; the others
            are then the same whenever the run is started.

    Attributes:
        model: the model.
        forward: the module that computes losses; its backward pass averages gradients over the workers.
        bf16: whether forward passes compute in bfloat16.
        step: optimizer steps done.
        learning_rate: learning rate of the first parameter group in the last step.
        last: the last evaluation; ``None`` before the first.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        optimizer: AdamW,
        scheduler: LRScheduler,
        settings: TrainingSettings,
        distributed: DistributedContext,
        restore: Callable[[dict[str, Any]], _Evaluation],
        seed: int,
        *,
        forward: nn.Module | None = None,
        losses: Sequence[str] = ("loss",),
        clip_in_step: bool = False,
        after_backward: Callable[[], None] | None = None,
        trained_only: bool = False,
    ) -> None:
        self.model, self.distributed = model, distributed
        self.forward = wrap_ddp(model if forward is None else forward, distributed)
        self.bf16 = use_bf16(settings.bf16, distributed)
        self.step, self.learning_rate = 0, 0.0
        self.last: _Evaluation | None = None
        self._optimizer, self._scheduler, self._restore = optimizer, scheduler, restore
        self._micro_batches = MicroBatches(settings.gradient_accumulation_steps, retry=distributed.world_size == 1)
        self._max_grad_norm, self._losses, self._after_backward = settings.max_grad_norm, tuple(losses), after_backward
        self._clips_in_step = clip_in_step and can_clip_in_step(distributed.device)
        self._clipped = False
        trained = [name for name, parameter in model.named_parameters() if parameter.requires_grad]
        self._saved_names = frozenset(trained) if trained_only else None
        self._metrics: RunningMetrics | None = None
        torch.manual_seed(int(np.random.SeedSequence((seed, distributed.rank)).generate_state(1)[0]))

    def train_step(self, rows: np.ndarray, tokens: int, loss: MicroBatchLoss) -> None:
        """Do one optimizer step.

        Args:
            rows: [rows] row numbers of the global batch.
            tokens: tokens of those rows, without padding.
            loss: computes the loss of a micro-batch of them.

        Raises:
            DivergedError: a loss of the last few steps is not finite.
        """
        self._metrics = self._metrics or RunningMetrics(self.distributed, self.step, self._losses)
        values = self._accumulate(rows, loss)
        self._clip()
        self.learning_rate = cast(float, self._scheduler.get_last_lr()[0])
        self._optimizer.step()
        self._scheduler.step()
        self._zero_grad()
        self.step += 1
        self._metrics.add(values, len(rows), tokens)

    def _accumulate(self, rows: np.ndarray, loss: MicroBatchLoss) -> torch.Tensor:
        """Accumulate the gradients of this worker's share of a global batch, and sum the values that are counted."""
        share, counted = shard_batch(rows, self.distributed.rank, self.distributed.world_size)
        factor = self.distributed.world_size if counted else 0
        values = self._micro_batches.run(share, partial(self._backward, loss, factor), self._zero_grad)
        return values if counted else values * 0

    def _backward(self, loss: MicroBatchLoss, factor: int, micro_batches: list[np.ndarray]) -> torch.Tensor:
        total: torch.Tensor | None = None
        for number, rows in enumerate(micro_batches, 1):
            is_last = number == len(micro_batches)
            with nullcontext() if is_last else no_sync(self.forward):
                part, values = loss(rows, factor)
                part.backward()
            if self._after_backward and not is_last:
                self._after_backward()
            total = values if total is None else total + values
        assert total is not None  # a batch has rows
        return total

    def _clip(self) -> None:
        if self._max_grad_norm and self._clips_in_step:
            clip_in_step(self._optimizer, self._max_grad_norm, check=not self._clipped)
            self._clipped = True
        elif self._max_grad_norm:
            clip_grad_norm_(self.model.parameters(), self._max_grad_norm)

    def _zero_grad(self) -> None:
        self._optimizer.zero_grad(set_to_none=True)

    def exclude(self, seconds: float) -> None:
        """Leave time since the last evaluation in which nothing was trained out of the training time."""
        if self._metrics:
            self._metrics.exclude(seconds)

    def log(self, epoch: float) -> StepLog:
        """Summarise the steps since the last log or evaluation; all workers must call it after the same step.

        Args:
            epoch: passes over the training rows done.

        Raises:
            DivergedError: a loss since then is not finite.
        """
        assert self._metrics is not None  # at least one step was done
        loss, speed = self._metrics.progress()
        return StepLog(
            step=self.step,
            epoch=epoch,
            loss=loss,
            accuracy=self._metrics.accuracy,
            learning_rate=self.learning_rate,
            examples_per_second=speed,
        )

    def summary(self) -> TrainingSummary:
        """Summarise the steps since the last evaluation, before the next one; all workers must call it.

        Raises:
            DivergedError: a loss is not finite.
        """
        running, self._metrics = self._metrics, None
        assert running is not None  # at least one step was done
        return running.finish()

    @property
    def precision(self) -> Precision:
        """Precision of the forward passes."""
        return "bf16" if self.bf16 else "fp32"

    @property
    def next_index(self) -> int:
        """Number of the next evaluation, from 1."""
        return self.last.index + 1 if self.last else 1

    def state_dict(self) -> dict[str, Any]:
        """Return the state to resume from; all workers must call it, because each contributes its random generators.

        Returns:
            Tensors and plain values, not copied: further steps change them.
        """
        return {
            "model": self._weights(),
            "optimizer": self._optimizer.state_dict(),
            "scheduler": self._scheduler.state_dict(),
            "random": self.distributed.rng_states(),
            "micro_batches": self._micro_batches.count,
            "step": self.step,
            "last": self.last.model_dump() if self.last else None,
        }

    def _weights(self) -> dict[str, torch.Tensor]:
        weights: dict[str, torch.Tensor] = self.model.state_dict()
        if self._saved_names is None:
            return weights
        return {name: weight for name, weight in weights.items() if name in self._saved_names}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Resume from the `state_dict` of an earlier process.

        With the same number of workers the following steps give the same numbers as without the interruption.

        Raises:
            StorageError: the state has not the weights that this run trains.
        """
        if self._saved_names is not None and (others := self._saved_names ^ state["model"].keys()):
            raise StorageError(
                f"a checkpoint must hold the {len(self._saved_names)} weights that its run trains, but it differs in "
                f"{len(others)}, such as {min(others)!r}"
            )
        self.model.load_state_dict(state["model"], strict=self._saved_names is None)
        self._optimizer.load_state_dict(state["optimizer"])
        self._scheduler.load_state_dict(state["scheduler"])
        # micro-batches that did not fit the memory before do not fit now
        self._micro_batches.count = max(self._micro_batches.count, state["micro_batches"])
        self.step = state["step"]
        self.last = self._restore(state["last"]) if state["last"] else None
        self.distributed.set_rng_state(state["random"])
