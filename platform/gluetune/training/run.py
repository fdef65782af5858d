"""The moving parts of one trial: model, optimizer, learning rate and random numbers."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import asdict
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import PreTrainedModel

from gluetune.config import TrainingConfig
from gluetune.data import EncodedRows, shard_batch
from gluetune.models import Encoder, build_model
from gluetune.tasks import Task
from gluetune.training.cls_only_last_layer import first_token_only
from gluetune.training.distributed import DistributedContext
from gluetune.training.dropout import cheap_dropout
from gluetune.training.evaluate import autocast, loss_sum, right_answers, score
from gluetune.training.memory import free, keep_freed, out_of_memory
from gluetune.training.optimizer import clip_in_step, make_optimizer, make_scheduler
from gluetune.training.padding_free import model_inputs, unpad
from gluetune.training.parallel import parallel, unsynced, use_bf16
from gluetune.training.plan import StepPlan
from gluetune.training.reports import Evaluation, StepLog
from gluetune.training.vocabulary import EmbeddingPruner
from gluetune.training.window import Window

_ARCHITECTURES = 256  # compiled code that a lane keeps: heads, dropout rates and frozen layers each have their own


class Run:
    """One trial on one worker.

    Args:
        task: what is learnt.
        train: training rows.
        encoder: what it starts from.
        training: hyperparameters.
        seed: of head, data order and dropout.
        distributed: this worker.
        used: [tokens] ids of all tokens that training and evaluation will see, sorted; ``None``: any of them.

    Attributes:
        model: the model being trained.
        vocabulary: its token embedding.
        plan: the trial's steps.
        step: optimizer steps done.
        distributed: this worker.
        last: the last evaluation, ``None`` before the first.
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
        self._splits = training.gradient_accumulation_steps
        self._graphs = training.torch_compile and training.torch_compile_mode == "reduce-overhead"
        self._best_score = -float("inf")
        self._learning_rate = 0.0
        self._window: Window | None = None
        self.step = 0
        self.last: Evaluation | None = None
        self.plan = StepPlan.make(self._lengths, training, seed)
        self.model: PreTrainedModel = build_model(encoder, task, training, seed)
        self.vocabulary = EmbeddingPruner(self.model, used)
        self.model.to(distributed.device)  # type: ignore[arg-type]  # transformers' decorator hides what `to` takes
        _quicken(self.model, training, distributed)
        self._parallel = parallel(self.model, distributed)
        self._optimizer = make_optimizer(self.model, training)
        self._scheduler = make_scheduler(self._optimizer, training, self.plan.total)
        torch.manual_seed(int(np.random.SeedSequence((seed, distributed.rank)).generate_state(1)[0]))  # dropout

    def train_step(self, batch: np.ndarray) -> None:
        """One optimizer step on a global batch of row numbers.

        Raises:
            DivergedError: a loss of the last few steps is not finite.
        """
        self._window = self._window or Window(self.distributed, self.step)
        loss, right = self._gradients(batch)
        if self._training.max_grad_norm:
            clip_in_step(self._optimizer, self._training.max_grad_norm)
        self._learning_rate = cast(float, self._scheduler.get_last_lr()[0])
        self._optimizer.step()
        self.vocabulary.fade(self._optimizer)
        self._scheduler.step()
        self._optimizer.zero_grad(set_to_none=True)
        self.step += 1
        self._window.add(loss, right, self._lengths[batch])

    def pause(self, seconds: float) -> None:
        """Time since the last evaluation in which nothing was trained."""
        if self._window:
            self._window.pause(seconds)

    def log(self) -> StepLog:
        """How training goes since the last log or evaluation; all workers must call it after the same step.

        Raises:
            DivergedError: a loss since then is not finite.
        """
        assert self._window is not None  # logs follow steps
        loss, speed = self._window.progress()
        return StepLog(
            self.step, self.step / self.plan.per_epoch, loss, self._accuracy(self._window), self._learning_rate, speed
        )

    def evaluate(self, selection: EncodedRows) -> Evaluation:
        """Scores the model on the selection rows and starts a new window.

        Raises:
            DivergedError: a loss or a logit is not finite.
        """
        window, self._window = self._window, None
        assert window is not None  # evaluations follow steps
        train_loss, train_seconds = window.close()
        index = self.last.index + 1 if self.last else 1
        scores = score(
            self.model, self._task, selection, self._training.eval_batch_size, self.distributed, bf16=self._bf16
        )
        self.last = Evaluation(
            index=index,
            step=self.step,
            epoch=self.step / self.plan.per_epoch,
            score=scores.score,
            metrics=scores.metrics,
            eval_loss=scores.loss,
            train_loss=train_loss,
            train_accuracy=self._accuracy(window),
            learning_rate=self._learning_rate,
            train_seconds=train_seconds,
            eval_seconds=scores.seconds,
            train_examples=window.examples,
            train_tokens=window.tokens,
            first_step_at=window.began if index == 1 else None,
            last_step_at=window.began + train_seconds,
            precision="bf16" if self._bf16 else "fp32",
        )
        return self.last

    def improved(self) -> bool:
        """Whether the last evaluation is the best so far; of equals the earliest is."""
        assert self.last is not None
        better = self.last.score > self._best_score
        self._best_score = max(self.last.score, self._best_score)
        return better

    def state(self) -> dict[str, Any]:
        """All that a resume needs. All workers must call it, for each has random numbers of its own."""
        random = {"cpu": torch.get_rng_state()}
        if self.distributed.cuda:
            random["cuda"] = torch.cuda.get_rng_state(self.distributed.device)
        return {
            "model": self.model.state_dict(),
            "optimizer": self._optimizer.state_dict(),
            "scheduler": self._scheduler.state_dict(),
            "random": self.distributed.all_gather(random),
            "splits": self._splits,
            "vocabulary": self.vocabulary.state(),
            "step": self.step,
            "best_score": self._best_score,
            "last": asdict(self.last) if self.last else None,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Goes on from a `state`, to the same numbers as undisturbed where the number of workers is the same.

        Raises:
            StorageError: it is of other data.
        """
        self.vocabulary.restore(state["vocabulary"])
        self.model.load_state_dict(state["model"])
        self._optimizer.load_state_dict(state["optimizer"])
        self._scheduler.load_state_dict(state["scheduler"])
        self._splits = max(self._splits, state["splits"])  # what did not fit before does not fit now
        self.step, self._best_score = state["step"], state["best_score"]
        self.last = Evaluation(**state["last"]) if state["last"] else None
        if self.distributed.rank < len(state["random"]):
            random = state["random"][self.distributed.rank]
            torch.set_rng_state(random["cpu"])
            if self.distributed.cuda and "cuda" in random:
                torch.cuda.set_rng_state(random["cuda"], self.distributed.device)

    def _accuracy(self, window: Window) -> float | None:
        return None if self._task.regression else window.accuracy

    def _gradients(self, batch: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
        """Adds the batch's gradients up; a single worker out of memory goes on with micro-batches of half the size.

        Returns:
            This worker's part of the loss, and how many of its rows were answered rightly.
        """
        rows, counted = shard_batch(batch, self.distributed.rank, self.distributed.world_size)
        scale = self.distributed.world_size / len(batch) if counted else 0.0
        while True:
            try:
                loss, right = self._backward(np.array_split(rows, min(self._splits, len(rows))), scale)
                return loss, right * bool(counted)
            except (RuntimeError, MemoryError) as error:
                # Other workers already wait for this one's gradients, so only a worker on its own can try again.
                if not out_of_memory(error) or self.distributed.world_size > 1 or self._splits >= len(rows):
                    raise
            self._optimizer.zero_grad(set_to_none=True)
            free()
            self._splits *= 2

    def _backward(self, micro_batches: list[np.ndarray], scale: float) -> tuple[torch.Tensor, torch.Tensor]:
        """Forward and backward; ``scale`` makes the workers' mean of summed losses the global batch's mean loss."""
        total, right = torch.zeros(2, device=self.distributed.device)
        for number, rows in enumerate(micro_batches, 1):
            inputs = model_inputs(self.model, self._train, rows, self.distributed)
            labels = inputs.pop("labels")
            with unsynced(self._parallel) if number < len(micro_batches) else nullcontext():
                with autocast(self.distributed, self._bf16):
                    logits = self._parallel(**inputs).logits
                loss = loss_sum(logits, labels, self._task) * scale
                loss.backward()
            if self._graphs and number < len(micro_batches):
                _own_gradients(self.model)
            total += loss.detach()
            right += right_answers(logits, labels, self._task)
        return total, right


def _quicken(model: PreTrainedModel, training: TrainingConfig, distributed: DistributedContext) -> None:
    """Makes a model on its device compute the same in less time."""
    if distributed.cuda:
        torch.backends.cuda.enable_cudnn_sdp(False)  # it plans anew for every shape of a batch: a seventh of a step
    else:
        keep_freed()
    if training.torch_compile:  # which fuses torch's own dropout and attention better than ours
        first_token_only(model)
        torch._dynamo.config.recompile_limit = _ARCHITECTURES
        model.compile(dynamic=True, mode=training.torch_compile_mode)  # one compilation for batches of all sizes
        return
    if not distributed.cuda:
        cheap_dropout(model)
        unpad(model)
    first_token_only(model)


def _own_gradients(model: PreTrainedModel) -> None:
    """Copies gradients out of the memory of CUDA graphs, which the next micro-batch's graphs write to."""
    for parameter in model.parameters():
        if parameter.grad is not None:
            parameter.grad = parameter.grad.clone()
