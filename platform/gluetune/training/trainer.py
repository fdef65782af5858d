"""Fine-tuning of one trial: its trainer, and the function that runs it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import PreTrainedModel

from gluetune.config import TrainingConfig
from gluetune.data import EncodedTask
from gluetune.events import Evaluation, StepLog
from gluetune.models import Encoder, build_model, count_weights, enable_gradient_checkpointing, move_to_device
from gluetune.tasks import Task
from gluetune.training.averaging import EarlyStopping, WeightAverage, averaged_weights
from gluetune.training.checkpoints import Checkpoints
from gluetune.training.distributed_context import DistributedContext, mixed_precision
from gluetune.training.evaluate import EvalOutput, count_correct, evaluate_rows
from gluetune.training.loop import RunHooks, always_continue, ignore_log, run_training
from gluetune.training.losses import TrainingLoss
from gluetune.training.optimizer import layer_scales, make_optimizer, make_scheduler
from gluetune.training.plan import StepPlan
from gluetune.training.speedups import apply_speedups, clone_cudagraph_grads, uses_speedups
from gluetune.training.speedups.embedding_pruning import EmbeddingPruner
from gluetune.training.speedups.padding_free import model_inputs
from gluetune.training.trainer_state import TrainerState


def train_trial(
    task: Task,
    data: EncodedTask,
    encoder: Encoder,
    training: TrainingConfig,
    seed: int,
    *,
    report: Callable[[Evaluation], bool],
    checkpoints: Checkpoints | None = None,
    log: Callable[[StepLog], None] = ignore_log,
    should_continue: Callable[[int], bool] = always_continue,
    distributed: DistributedContext = DistributedContext(),
) -> bool:
    """Fine-tune an encoder on a task: one trial.

    All workers of a trial must call this function with the same arguments but ``distributed``. They call ``report``
    and ``should_continue`` after the same steps with the same values, and the functions must return the same on all
    workers. The caller's random state is not changed.

    Args:
        task: task to fine-tune on.
        data: training and selection rows.
        encoder: pre-trained weights to start from; not changed.
        training: hyperparameters.
        seed: seed of the weights of head and adapter, the data order and dropout. The same seed gives the same numbers
            on the same machine with the same number of threads, whatever the process has run before.
        report: receives every evaluation after its checkpoint is saved (training continues meanwhile); returns
            whether the trial is to continue.
        checkpoints: files of the trial. If they hold a state, the trial reports its last evaluation again, because
            the process may have ended between saving and reporting, and resumes to the same numbers as without the
            interruption.
        log: receives the training progress every ``training.logging_steps`` steps.
        should_continue: called before every optimizer step with the number of steps done; returns whether the trial
            is to continue.
        distributed: this worker.

    Returns:
        ``True`` after the last step; ``False`` if ``report`` or ``should_continue`` stopped the trial.

    Raises:
        DivergedError: a loss or a logit is not finite.
        TrialOutOfMemoryError: a batch of one row, or the optimizer, does not fit the memory; with several workers, a
            worker's share of the batch.
        StorageError: the state in ``checkpoints`` belongs to other data, or a checkpoint cannot be written.
    """
    return run_training(
        lambda: TrialTrainer(task, data, encoder, training, seed, distributed),
        training,
        distributed,
        RunHooks(report, should_continue, checkpoints, log, training.logging_steps),
    )


class TrialTrainer:
    """Trains and evaluates the model of one trial on one worker.

    Args:
        task: task to fine-tune on.
        data: training and selection rows.
        encoder: pre-trained weights to start from; not changed.
        training: hyperparameters.
        seed: seed of the head's weights, the data order and dropout.
        distributed: this worker.
        used: [tokens] ids of the tokens whose embeddings may be needed, sorted; by default, those of ``data``.

    Attributes:
        model: the model that is trained.
        state: its optimizer, learning rate and random generators.
        pruner: its token embedding, reduced to the used tokens.
        plan: the trial's steps.
        distributed: this worker.
    """

    def __init__(
        self,
        task: Task,
        data: EncodedTask,
        encoder: Encoder,
        training: TrainingConfig,
        seed: int,
        distributed: DistributedContext,
        used: NDArray[np.int64] | None = None,
    ) -> None:
        self._task, self._data, self._training, self.distributed = task, data, training, distributed
        self._lengths = data.train.lengths
        self._best_score = -float("inf")
        assert data.train.labels is not None  # train rows are labelled
        self._loss = TrainingLoss(task, training, data.train.labels, distributed.device)
        self._stopping = EarlyStopping(training.patience, training.min_delta)
        self.plan = StepPlan.make(self._lengths, training, seed, data.train.labels)
        self.model: PreTrainedModel = build_model(encoder, task, training, seed)
        self._parameters = count_weights(self.model)
        fast = uses_speedups(self.model, training)
        used = data.vocabulary if used is None else used
        self.pruner = pruner = EmbeddingPruner(self.model, used if fast else None)
        move_to_device(self.model, distributed.device)
        if training.gradient_checkpointing:
            enable_gradient_checkpointing(self.model)
        apply_speedups(self.model, training, distributed)
        optimizer = make_optimizer(self.model, training, layer_scales(self.model, training.layerwise_lr_decay))
        optimizer.register_step_post_hook(lambda optimizer, *_: pruner.apply_weight_decay(optimizer))
        self._average = WeightAverage.make(self.model, training)
        plan = {"total_steps": self.plan.total, "steps_per_epoch": self.plan.per_epoch}  # not in older checkpoints
        cuda_graphs = training.torch_compile and training.torch_compile_mode == "reduce-overhead"
        self.state = TrainerState(
            self.model,
            optimizer,
            make_scheduler(optimizer, training, self.plan.total),
            training,
            distributed,
            lambda values: Evaluation(**(plan | values)),
            seed,
            clip_in_step=fast,
            after_backward=partial(clone_cudagraph_grads, self.model) if cuda_graphs else None,
            trained_only=training.adapter != "none",
        )

    @property
    def evaluations(self) -> frozenset[int]:
        """Numbers of the steps after which the trial is evaluated."""
        return self.plan.evaluations

    @property
    def epoch(self) -> float:
        """Passes over the training rows done."""
        return self.state.step / self.plan.per_epoch

    def batches(self) -> Iterator[np.ndarray]:
        """Yield the row numbers of the global batches of the remaining steps, until no evaluation improves any more."""
        for batch in self.plan.batches(self.state.step):
            if self._stopping.ends_training:
                return
            yield batch

    def train_step(self, batch: np.ndarray) -> None:
        """Do one optimizer step.

        Args:
            batch: [rows] row numbers of the global batch.

        Raises:
            DivergedError: a loss of the last few steps is not finite.
        """
        tokens = int(self._lengths[batch].sum())
        self.state.train_step(batch, tokens, partial(self._micro_batch, self._loss.batch_weight(batch)))
        if self._average is not None:
            self._average.after_step(self.pruner.decay_factor)

    def _micro_batch(self, weight: float, rows: np.ndarray, factor: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Compute a micro-batch's part of a batch's mean loss, and [2] that and its correct rows (none: [1])."""
        inputs = model_inputs(self.model, self._data.train, rows, self.distributed)
        labels = inputs.pop("labels")
        with mixed_precision(self.distributed, self.state.bf16):
            logits = self.state.forward(**inputs).logits
        loss = self._loss.sum(logits, labels) * (factor / weight)
        if self._task.regression:
            return loss, loss.detach()[None]
        return loss, torch.stack((loss.detach(), count_correct(logits, labels)))

    def evaluate(self) -> Evaluation:
        """Evaluate the model on the selection rows and summarise the steps since the last evaluation.

        All workers must call it after the same step.

        Raises:
            DivergedError: a loss or a logit is not finite.
        """
        state, trained = self.state, self.state.summary()
        with nullcontext() if self._average is None else self._average.evaluated(self.pruner.decay_factor):
            output = self._score_selection()
        self._stopping.note(output.score)
        is_first = state.next_index == 1
        state.last = Evaluation(
            index=state.next_index,
            step=state.step,
            total_steps=self.plan.total,
            epoch=self.epoch,
            steps_per_epoch=self.plan.per_epoch,
            score=output.score,
            metrics=output.metrics,
            eval_loss=output.loss,
            eval_examples=len(self._data.selection),
            train_loss=trained.losses[0],
            train_accuracy=trained.accuracy,
            learning_rate=state.learning_rate,
            train_seconds=trained.seconds,
            eval_seconds=output.seconds,
            train_examples=trained.examples,
            train_tokens=trained.tokens,
            first_step_at=trained.started if is_first else None,
            last_step_at=trained.ended,
            precision=state.precision,
            trainable_parameters=self._parameters[0] if is_first else None,
            total_parameters=self._parameters[1] if is_first else None,
        )
        return state.last

    def _score_selection(self) -> EvalOutput:
        return evaluate_rows(
            self.model,
            self._task,
            self._data.selection,
            self._training.eval_batch_size,
            self.distributed,
            bf16=self.state.bf16,
        )

    def is_best(self) -> bool:
        """Whether the last evaluation has the best score so far; of equal scores, the first is the best.

        Call it once after each evaluation: it updates the best score.
        """
        assert self.state.last is not None
        better = self.state.last.score > self._best_score
        self._best_score = max(self.state.last.score, self._best_score)
        return better

    def best_weights(self, state: Mapping[str, Any]) -> dict[str, torch.Tensor]:
        """Return the weights of a `state_dict` by parameter name, with the embeddings of the whole vocabulary.

        Where weights are averaged, these are the averages.
        """
        weights, decay_factor = state["model"], state["pruned_embedding"]["decay_factor"]
        if "average" in state:
            averages, decay_factor = averaged_weights(state["average"])
            weights = {**weights, **averages}
        return self.pruner.merge(weights, decay_factor)

    def state_dict(self) -> dict[str, Any]:
        """Return the state to resume from, as `TrainerState.state_dict` does."""
        own = {
            "pruned_embedding": self.pruner.state_dict(),
            "best_score": self._best_score,
            "stopping": self._stopping.state_dict(),
        }
        average = {} if self._average is None else {"average": self._average.state_dict()}
        return self.state.state_dict() | own | average

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Resume from the `state_dict` of an earlier process, as `TrainerState.load_state_dict` does.

        Raises:
            StorageError: the state belongs to other data.
        """
        self.pruner.load_state_dict(state["pruned_embedding"])
        self.state.load_state_dict(state)
        self._best_score = state["best_score"]
        if "stopping" in state:  # not in older checkpoints
            self._stopping.load_state_dict(state["stopping"])
        if self._average is not None:
            self._average.load_state_dict(state["average"])
