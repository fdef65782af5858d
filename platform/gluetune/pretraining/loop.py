"""The pre-training algorithm: steps, evaluations, checkpoints and reports. Plain torch."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch

from gluetune.errors import TrialOutOfMemoryError
from gluetune.pretraining.config import PretrainJob
from gluetune.pretraining.encoder import weights_of
from gluetune.pretraining.evaluation import PretrainingEvaluation
from gluetune.pretraining.prepare import PretrainingData
from gluetune.pretraining.run import Run
from gluetune.training.async_checkpoint import AsyncCheckpointer, nothing, snapshot
from gluetune.training.checkpoints import Checkpoints
from gluetune.training.distributed import DistributedContext
from gluetune.training.loop import always
from gluetune.training.memory import free, out_of_memory


def pretrain(
    data: PretrainingData,
    job: PretrainJob,
    *,
    report: Callable[[PretrainingEvaluation], bool],
    checkpoints: Checkpoints | None = None,
    wanted: Callable[[int], bool] = always,
    distributed: DistributedContext = DistributedContext(),
) -> bool:
    """Pre-trains an encoder with AdamW and a linearly rising, then falling rate.

    All workers of a run call this with the same arguments but ``distributed``, and all call ``report`` and ``wanted``
    at the same steps with the same values; the answers must be the same on all of them.
    The caller's random state is kept.

    Args:
        data: the text as arrays; they are read only.
        job: ``model``, ``training`` and ``seed`` count here. The same job gives the same numbers on the same machine
            and number of threads; with another number of workers the same but for rounding and dropout.
        report: told every evaluation, after its checkpoint is saved, which training does not wait for; says whether
            to go on.
        checkpoints: where the run's state is kept. A run that finds one there tells its last evaluation again (it may
            have been saved but not told) and goes on from it to the same numbers as undisturbed. After the last step
            ``checkpoints.load_best()`` gives the weights for `save_encoder`.
        wanted: asked before every optimizer step, with the number of steps done; says whether to go on.
        distributed: this worker.

    Returns:
        ``True`` after the last step, ``False`` where ``report`` or ``wanted`` ended the run.

    Raises:
        DivergedError: a loss is not finite.
        TrialOutOfMemoryError: memory does not even suffice for a batch of one pair, or for the optimizer; of several
            workers, for a worker's share of the batch.
    """
    try:
        with torch.random.fork_rng(devices=[torch.device(distributed.device)] if distributed.cuda else []):
            return _pretrain(
                Run(data, job, distributed),
                job.training.max_steps,
                job.training.evaluate_every,
                checkpoints,
                report,
                wanted,
                distributed,
            )
    except (RuntimeError, MemoryError) as error:
        if not out_of_memory(error):
            raise
        reason = str(error).split("\n", 1)[0] or type(error).__name__
    free()  # only here: the traceback, which holds the run's tensors, is gone
    raise TrialOutOfMemoryError(
        f"the run must fit the memory of {distributed.device}, but got (batch_size={job.training.batch_size}, "
        f"gradient_accumulation_steps={job.training.gradient_accumulation_steps}): {reason}"
    )


def _pretrain(
    run: Run,
    steps: int,
    every: int,
    checkpoints: Checkpoints | None,
    report: Callable[[PretrainingEvaluation], bool],
    wanted: Callable[[int], bool],
    distributed: DistributedContext,
) -> bool:
    state = checkpoints.load() if checkpoints else None
    if state is not None:
        run.restore(state)
        del state
        if run.last and not report(run.last):
            return False
    with AsyncCheckpointer(report, distributed) as keeper:
        while run.step < steps:
            if not (wanted(run.step) and keeper.go_on(run.step)):
                return False
            run.train_step()
            if run.step % every == 0 or run.step == steps:
                if not keeper.settle():
                    return False
                evaluation = run.evaluate()
                saving = _saving(run, checkpoints, distributed, finished=run.step == steps)
                keeper.keep(evaluation, run.step + max(1, every // 2), saving, run.step)
        return keeper.settle()


def _saving(
    run: Run, checkpoints: Checkpoints | None, distributed: DistributedContext, *, finished: bool
) -> Callable[[], None]:
    """Saves the state to resume from; after the last step, the weights instead."""
    state = run.state() if checkpoints else None  # on all workers
    if checkpoints is None or distributed.rank != 0:
        return nothing
    if finished:
        return partial(checkpoints.save_best, weights_of(run.model))
    return partial(checkpoints.save, snapshot(state))
