"""The training loop of fine-tuning and pre-training: steps, evaluations, checkpoints and reports."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

import torch

from gluetune.events import Evaluation, PretrainingEvaluation, StepLog
from gluetune.training.checkpoints import AsyncCheckpointer, Checkpoints, noop, to_cpu
from gluetune.training.distributed_context import DistributedContext
from gluetune.training.memory import run_in_memory
from gluetune.training.optimizer import TrainingSettings
from gluetune.training.trainer_state import TrainerState

_Batch = TypeVar("_Batch")
_Evaluation = TypeVar("_Evaluation", bound=Evaluation | PretrainingEvaluation)


class Trainer(Protocol[_Batch, _Evaluation]):
    """Trains and evaluates the model of one run on one worker. All workers of the run make the same calls."""

    @property
    def state(self) -> TrainerState[_Evaluation]:
        """Model, optimizer and what else changes in every step."""

    @property
    def evaluations(self) -> frozenset[int]:
        """Numbers of the steps after which the run is evaluated; the largest is the last step."""

    @property
    def epoch(self) -> float:
        """Passes over the training rows done."""

    def batches(self) -> Iterator[_Batch]:
        """Yield the global batches of the remaining steps."""

    def train_step(self, batch: _Batch) -> None:
        """Do one optimizer step on a global batch."""

    def evaluate(self) -> _Evaluation:
        """Evaluate the model and summarise the steps since the last evaluation."""

    def is_best(self) -> bool:
        """Whether the weights of the last evaluation are to be saved; called once after each evaluation."""

    def best_weights(self, state: Mapping[str, Any]) -> dict[str, torch.Tensor]:
        """Return the weights to save, by parameter name, from a copy of a `state_dict`."""

    def state_dict(self) -> dict[str, Any]:
        """Return the state to resume from; further steps change its tensors."""

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Resume from the `state_dict` of an earlier process."""


def always_continue(step: int) -> bool:
    """Default of ``should_continue``: never stops a run."""
    return True


def ignore_log(log: StepLog) -> None:
    """Default of ``log``: drops the step log."""


@dataclass(frozen=True)
class RunHooks(Generic[_Evaluation]):
    """How a run reports, is stopped and is resumed. All workers of a run must get the same answers.

    Attributes:
        report: receives every evaluation after its checkpoint is saved; returns whether the run is to continue.
        should_continue: called before every optimizer step with the number of steps done; returns whether the run is
            to continue.
        checkpoints: files of the run; ``None`` to save none.
        log: receives the training progress between evaluations.
        log_every: number of steps between logs; ``None`` for no logs.
    """

    report: Callable[[_Evaluation], bool]
    should_continue: Callable[[int], bool] = always_continue
    checkpoints: Checkpoints | None = None
    log: Callable[[StepLog], None] = ignore_log
    log_every: int | None = None


def run_training(
    make_trainer: Callable[[], Trainer[_Batch, _Evaluation]],
    settings: TrainingSettings,
    distributed: DistributedContext,
    hooks: RunHooks[_Evaluation],
) -> bool:
    """Train one run to its end, from its beginning or from its checkpoint. The caller's random state is not changed.

    Args:
        make_trainer: makes the run's trainer, which is freed when the function returns.
        settings: the run's batch size and micro-batches, for the message of a lack of memory.
        distributed: this worker.
        hooks: if its checkpoint has an evaluation, that is reported again, because the process may have ended between
            saving and reporting.

    Returns:
        ``True`` after the last step; ``False`` if ``report`` or ``should_continue`` stopped the run.

    Raises:
        DivergedError: a loss or a logit is not finite.
        TrialOutOfMemoryError: a micro-batch of one row, or the optimizer, does not fit the memory; with several
            workers, a worker's share of the batch.
        StorageError: the checkpoint belongs to other data, or a checkpoint cannot be written.
    """
    with torch.random.fork_rng(devices=[torch.device(distributed.device)] if distributed.cuda else []):
        return run_in_memory(
            lambda: _train(make_trainer(), hooks),
            distributed.device,
            settings.batch_size,
            settings.gradient_accumulation_steps,
        )


def _train(trainer: Trainer[_Batch, _Evaluation], hooks: RunHooks[_Evaluation]) -> bool:
    state = trainer.state
    saved = hooks.checkpoints.load() if hooks.checkpoints else None
    if saved is not None:
        trainer.load_state_dict(saved)
        del saved
        if state.last and not hooks.report(state.last):
            return False
    with AsyncCheckpointer(hooks.report, state.distributed) as checkpointer:
        for batch in trainer.batches():
            if not (hooks.should_continue(state.step) and checkpointer.poll(state.step)):
                return False
            trainer.train_step(batch)
            logs, evaluates = hooks.log_every and state.step % hooks.log_every == 0, state.step in trainer.evaluations
            if logs or evaluates:
                if not checkpointer.flush():  # evaluations and logs are reported in the order of their steps
                    return False
                state.exclude(checkpointer.pop_wait_seconds())
            if logs:
                hooks.log(state.log(trainer.epoch))
            if evaluates:
                evaluation = trainer.evaluate()
                checkpointer.submit(evaluation, _deadline(trainer), _save_fn(trainer, hooks.checkpoints), state.step)
        return checkpointer.flush()


def _deadline(trainer: Trainer[_Batch, _Evaluation]) -> int:
    """Step after which the checkpoint of the last evaluation must be written: halfway to the next evaluation."""
    step = trainer.state.step
    following = min((other for other in trainer.evaluations if other > step), default=step)
    return step + max(1, (following - step) // 2)


def _save_fn(trainer: Trainer[_Batch, _Evaluation], checkpoints: Checkpoints | None) -> Callable[[], None]:
    """Make the function that writes the checkpoint of the last evaluation; every worker must call it.

    The function writes the weights first if they are the best so far, then the state: a crash between the two only
    repeats steps. After the last step there is nothing to resume, so the state is not written, and its tensors are not
    copied, because nothing changes them any more.
    """
    is_best, saved = trainer.is_best(), trainer.state_dict() if checkpoints else None
    if checkpoints is None or saved is None or trainer.state.distributed.rank != 0:
        return noop
    finished = trainer.state.step == max(trainer.evaluations)
    copied = saved if finished else to_cpu(saved)

    def save() -> None:
        if is_best:
            checkpoints.save_best(trainer.best_weights(copied))
        if not finished:
            checkpoints.save(copied)

    return save
