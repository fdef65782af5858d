"""The fine-tuning loop of one trial: steps, evaluations, checkpoints and reports, in plain torch."""

from __future__ import annotations

from collections.abc import Callable

from gluetune.config import TrainingConfig
from gluetune.data import EncodedTask
from gluetune.errors import TrialOutOfMemoryError
from gluetune.events import Evaluation, StepLog
from gluetune.models import Encoder
from gluetune.tasks import Task
from gluetune.training.checkpoints import AsyncCheckpointer, Checkpoints, noop, to_cpu
from gluetune.training.distributed_context import DistributedContext
from gluetune.training.memory import free_memory, is_out_of_memory
from gluetune.training.trainer import TrialTrainer


def always_continue(step: int) -> bool:
    """Default of ``should_continue``: never stops a trial."""
    return True


def ignore_log(log: StepLog) -> None:
    """Default of ``log``: drops the step log."""


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
    """Fine-tunes an encoder on a task: one trial.

    All workers of a trial must call this function with the same arguments but ``distributed``. They call ``report``
    and ``should_continue`` after the same steps with the same values, and the functions must return the same on all
    workers.

    Args:
        task: task to fine-tune on.
        data: training and selection rows.
        encoder: pre-trained weights to start from; not changed.
        training: hyperparameters.
        seed: seed of the head's weights, the data order and dropout. The same seed gives the same numbers on the same
            machine with the same number of threads, whatever the process has run before.
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
    try:
        trainer = TrialTrainer(task, data.train, encoder, training, seed, distributed, data.vocabulary)
        return _fine_tune(trainer, data, training, checkpoints, report, log, should_continue)
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        reason = str(error).split("\n", 1)[0] or type(error).__name__
    free_memory()  # after the except block, which keeps the trial's tensors alive through the traceback
    raise TrialOutOfMemoryError(
        f"the trial must fit the memory of {distributed.device}, but got (batch_size={training.batch_size}, "
        f"gradient_accumulation_steps={training.gradient_accumulation_steps}): {reason}"
    )


def _fine_tune(
    trainer: TrialTrainer,
    data: EncodedTask,
    training: TrainingConfig,
    checkpoints: Checkpoints | None,
    report: Callable[[Evaluation], bool],
    log: Callable[[StepLog], None],
    should_continue: Callable[[int], bool],
) -> bool:
    saved = checkpoints.load() if checkpoints else None
    if saved is not None:
        trainer.load_state_dict(saved)
        del saved
        if trainer.last and not report(trainer.last):
            return False
    with AsyncCheckpointer(report, trainer.distributed) as checkpointer:
        for batch in trainer.plan.batches(trainer.step):
            if not (should_continue(trainer.step) and checkpointer.poll(trainer.step)):
                return False
            trainer.train_step(batch)
            if training.logging_steps and trainer.step % training.logging_steps == 0:
                if not checkpointer.flush():  # evaluations and logs are reported in the order of their steps
                    return False
                trainer.exclude(checkpointer.pop_wait_seconds())
                log(trainer.log())
            if trainer.step in trainer.plan.evaluations:
                if not checkpointer.flush():
                    return False
                trainer.exclude(checkpointer.pop_wait_seconds())
                evaluation = trainer.evaluate(data.selection)
                deadline = trainer.step + max(1, trainer.plan.until_next(trainer.step) // 2)
                checkpointer.submit(evaluation, deadline, _save_fn(trainer, checkpoints), trainer.step)
        return checkpointer.flush()


def _save_fn(trainer: TrialTrainer, checkpoints: Checkpoints | None) -> Callable[[], None]:
    """Makes the function that writes the checkpoint of the last evaluation; every worker must call it.

    The function writes the weights first if they are the best so far, then the state: a crash between the two only
    repeats steps. After the last step there is nothing to resume, so the state is not written, and its tensors are not
    copied, because nothing changes them any more.
    """
    is_best, saved = trainer.is_best(), trainer.state_dict() if checkpoints else None
    if checkpoints is None or saved is None or trainer.distributed.rank != 0:
        return noop
    finished = trainer.step == trainer.plan.total
    copied = saved if finished else to_cpu(saved)

    def save() -> None:
        if is_best:
            checkpoints.save_best(trainer.pruner.merge(copied["model"], copied["pruned_embedding"]["decay_factor"]))
        if not finished:
            checkpoints.save(copied)

    return save
