"""The fine-tuning algorithm: steps, evaluations, checkpoints and reports."""

from __future__ import annotations

from collections.abc import Callable

from gluetune.config import TrainingConfig
from gluetune.data import EncodedTask
from gluetune.errors import TrialOutOfMemoryError
from gluetune.models import Encoder
from gluetune.tasks import Task
from gluetune.training.async_checkpoint import AsyncCheckpointer, nothing, snapshot
from gluetune.training.checkpoints import Checkpoints
from gluetune.training.distributed import DistributedContext
from gluetune.training.memory import free, out_of_memory
from gluetune.training.reports import Evaluation, StepLog
from gluetune.training.run import Run


def always(step: int) -> bool:
    """The answer of a trial that nobody stops."""
    return True


def unheard(log: StepLog) -> None:
    """Who listens to step logs where nobody does."""


def fine_tune(
    task: Task,
    data: EncodedTask,
    encoder: Encoder,
    training: TrainingConfig,
    seed: int,
    *,
    report: Callable[[Evaluation], bool],
    checkpoints: Checkpoints | None = None,
    log: Callable[[StepLog], None] = unheard,
    wanted: Callable[[int], bool] = always,
    distributed: DistributedContext = DistributedContext(),
) -> bool:
    """Fine-tunes an encoder on a task: one trial.

    All workers of a trial call this with the same arguments but ``distributed``, and all call ``report`` and ``wanted``
    at the same steps with the same values; the answers must be the same on all of them.

    Args:
        task: what is learnt.
        data: training and selection rows.
        encoder: what it starts from; it is not changed.
        training: hyperparameters.
        seed: of head, data order and dropout. The same seed gives the same numbers on the same machine and number of
            threads, whatever ran before in the process.
        report: told every evaluation, after its checkpoint is saved, which training does not wait for; says whether
            to go on.
        checkpoints: where the trial's state is kept. A trial that finds one there tells its last evaluation again (it
            may have been saved but not told) and goes on from it to the same numbers as undisturbed.
        log: told how training goes, every ``training.logging_steps`` steps.
        wanted: asked before every optimizer step, with the number of steps done; says whether to go on.
        distributed: this worker.

    Returns:
        ``True`` after the last step, ``False`` where ``report`` or ``wanted`` ended the trial.

    Raises:
        DivergedError: a loss or a logit is not finite.
        TrialOutOfMemoryError: memory does not even suffice for a batch of one row, or for the optimizer.
        StorageError: the state in ``checkpoints`` is of other data.
    """
    try:
        run = Run(task, data.train, encoder, training, seed, distributed, data.vocabulary)
        return _fine_tune(run, data, training, checkpoints, report, log, wanted)
    except (RuntimeError, MemoryError) as error:
        if not out_of_memory(error):
            raise
        reason = str(error).split("\n", 1)[0] or type(error).__name__
    free()  # only here: the traceback, which holds the trial's tensors, is gone
    raise TrialOutOfMemoryError(
        f"the trial must fit the memory of {distributed.device}, but got (batch_size={training.batch_size}, "
        f"gradient_accumulation_steps={training.gradient_accumulation_steps}): {reason}"
    )


def _fine_tune(
    run: Run,
    data: EncodedTask,
    training: TrainingConfig,
    checkpoints: Checkpoints | None,
    report: Callable[[Evaluation], bool],
    log: Callable[[StepLog], None],
    wanted: Callable[[int], bool],
) -> bool:
    state = checkpoints.load() if checkpoints else None
    if state is not None:
        run.restore(state)
        del state
        if run.last and not report(run.last):
            return False
    with AsyncCheckpointer(report, run.distributed) as keeper:
        for batch in run.plan.batches(run.step):
            if not (wanted(run.step) and keeper.go_on(run.step)):
                return False
            run.train_step(batch)
            if training.logging_steps and run.step % training.logging_steps == 0:
                if not keeper.settle():  # what came first is told first
                    return False
                run.pause(keeper.waited())
                log(run.log())
            if run.step in run.plan.evaluations:
                if not keeper.settle():
                    return False
                run.pause(keeper.waited())
                evaluation = run.evaluate(data.selection)
                last = run.step + max(1, run.plan.until_next(run.step) // 2)
                keeper.keep(evaluation, last, _saving(run, checkpoints), run.step)
        return keeper.settle()


def _saving(run: Run, checkpoints: Checkpoints | None) -> Callable[[], None]:
    """Saves the weights where they are the best so far, then the state: a crash between the two only repeats work.

    After the last step nothing is left to go on with, so its state is not saved, and nothing changes the weights.
    """
    improved, state = run.improved(), run.state() if checkpoints else None
    if checkpoints is None or state is None or run.distributed.rank != 0:
        return nothing
    finished = run.step == run.plan.total
    kept = state if finished else snapshot(state)

    def save() -> None:
        if improved:
            checkpoints.save_best(run.vocabulary.whole(kept["model"], kept["vocabulary"]["faded"]))
        if not finished:
            checkpoints.save(kept)

    return save
