"""Training of a chosen configuration for the number of evaluations that a cross-validation chose."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from itertools import islice

import numpy as np

from gluetune.config import TrainingConfig
from gluetune.data import EncodedTask
from gluetune.models import Encoder
from gluetune.training.checkpoints import Checkpoints
from gluetune.training.distributed_context import DistributedContext
from gluetune.training.evaluate import EvalOutput
from gluetune.training.loop import RunHooks, always_continue, run_training
from gluetune.training.plan import StepPlan
from gluetune.training.trainer import TrialTrainer


def train_refit(
    data: EncodedTask,
    encoder: Encoder,
    training: TrainingConfig,
    seed: int,
    evaluations: int,
    *,
    checkpoints: Checkpoints,
    should_continue: Callable[[int], bool] = always_continue,
    distributed: DistributedContext = DistributedContext(),
) -> float | None:
    """Train a configuration, unless it is done, as far as the folds were trained at their best mean score.

    Learning rates are those of the whole trial, which ends after the chosen evaluation, as those of the folds were when
    they had that score. No rows are scored. All workers must call this function with the same arguments but
    ``distributed``.

    Args:
        data: the rows; all of its train rows are trained on.
        encoder: pre-trained weights to start from; not changed.
        training: hyperparameters.
        seed: seed of the weights of head and adapter, the data order and dropout.
        evaluations: number of the evaluation after which the folds had their best mean score, counted from 1. Training
            ends where the trial would be evaluated for that time, or after its last step.
        checkpoints: files of the training, which resumes from a state in them; the last weights are saved as the best.
        should_continue: called before every optimizer step with the number of steps done; returns whether to continue.
        distributed: this worker.

    Returns:
        The epochs done; ``None`` if ``should_continue`` ended the training.

    Raises:
        DivergedError: a loss is not finite.
        TrialOutOfMemoryError: a batch of one row, or the optimizer, does not fit the memory.
        StorageError: the state in ``checkpoints`` belongs to other data, or a checkpoint cannot be written.
    """
    plan = StepPlan.make(data.train.lengths, training, seed)
    epochs = max(_first(plan, evaluations)) / plan.per_epoch
    if checkpoints.load_best() is not None:  # written at the end alone
        return epochs
    finished = run_training(
        lambda: RefitTrainer(data, encoder, training, seed, evaluations, distributed),
        training,
        distributed,
        RunHooks(lambda evaluation: True, should_continue, checkpoints),
    )
    distributed.all_gather({})  # rank 0 has saved the weights before any rank goes on
    return epochs if finished else None


def _first(plan: StepPlan, evaluations: int) -> frozenset[int]:
    """Return the steps of the first evaluations of a plan."""
    return frozenset(sorted(plan.evaluations)[:evaluations])


class RefitTrainer(TrialTrainer):
    """Trains on train rows, saves states at evaluations without a score, and the last weights.

    Args:
        data: the rows.
        encoder: pre-trained weights to start from.
        training: hyperparameters.
        seed: seed of the head's weights, the data order and dropout.
        evaluations: number of evaluations until training ends.
        distributed: this worker.
    """

    def __init__(
        self,
        data: EncodedTask,
        encoder: Encoder,
        training: TrainingConfig,
        seed: int,
        evaluations: int,
        distributed: DistributedContext,
    ) -> None:
        super().__init__(data.task, data, encoder, training, seed, distributed)
        self._evaluations = _first(self.plan, evaluations)

    @property
    def evaluations(self) -> frozenset[int]:
        """Numbers of the steps after which the state is saved; training ends after the largest."""
        return self._evaluations

    def batches(self) -> Iterator[np.ndarray]:
        """Yield the row numbers of the global batches of the remaining steps."""
        return islice(self.plan.batches(self.state.step), max(self._evaluations) - self.state.step)

    def is_best(self) -> bool:
        """Whether training is done."""
        return self.state.step == max(self._evaluations)

    def _score_selection(self) -> EvalOutput:
        return EvalOutput(math.nan, {}, math.nan, 0.0)
