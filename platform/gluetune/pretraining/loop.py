"""The pre-training loop: steps, evaluations, checkpoints and reports, in plain torch."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch

from gluetune.errors import TrialOutOfMemoryError
from gluetune.events import PretrainingEvaluation
from gluetune.pretraining.config import PretrainJob
from gluetune.pretraining.encoder import named_weights, save_encoder
from gluetune.pretraining.prepare import PretrainingData, prepare_text
from gluetune.pretraining.pretrainer import Pretrainer
from gluetune.pretraining.text import Text
from gluetune.storage import Storage
from gluetune.training.checkpoints import AsyncCheckpointer, Checkpoints, noop, to_cpu
from gluetune.training.distributed_context import DistributedContext
from gluetune.training.loop import always_continue
from gluetune.training.memory import free_memory, is_out_of_memory


def train_encoder(
    data: PretrainingData,
    job: PretrainJob,
    *,
    report: Callable[[PretrainingEvaluation], bool],
    checkpoints: Checkpoints | None = None,
    should_continue: Callable[[int], bool] = always_continue,
    distributed: DistributedContext = DistributedContext(),
) -> bool:
    """Pre-trains an encoder with AdamW and a learning rate that rises linearly, then falls linearly.

    All workers of a run must call this function with the same arguments but ``distributed``. They call ``report`` and
    ``should_continue`` after the same steps with the same values, and the functions must return the same on all
    workers. The random state of the caller is not changed.

    Args:
        data: the tokenised text; it is only read.
        job: the job, of which ``model``, ``training`` and ``seed`` are used. The same job gives the same numbers on
            the same machine with the same number of threads; with another number of workers the numbers differ by
            rounding and dropout.
        report: receives every evaluation after its checkpoint is saved (training continues meanwhile); returns
            whether the run is to continue.
        checkpoints: files of the run. If they hold a state, the run reports its last evaluation again, because the
            process may have ended between saving and reporting, and resumes to the same numbers as without the
            interruption. After the last step ``checkpoints.load_best()`` returns the weights for `save_encoder`.
        should_continue: called before every optimizer step with the number of steps done; returns whether the run is
            to continue.
        distributed: this worker.

    Returns:
        ``True`` after the last step; ``False`` if ``report`` or ``should_continue`` stopped the run.

    Raises:
        DivergedError: a loss is not finite.
        TrialOutOfMemoryError: a batch of one pair, or the optimizer, does not fit the memory; with several workers, a
            worker's share of the batch.
        StorageError: a checkpoint cannot be written.
    """
    try:
        with torch.random.fork_rng(devices=[torch.device(distributed.device)] if distributed.cuda else []):
            trainer = Pretrainer(data, job, distributed)
            return _pretrain(trainer, job, checkpoints, report, should_continue, distributed)
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        reason = str(error).split("\n", 1)[0] or type(error).__name__
    free_memory()  # after the except block, which keeps the run's tensors alive through the traceback
    raise TrialOutOfMemoryError(
        f"the run must fit the memory of {distributed.device}, but got (batch_size={job.training.batch_size}, "
        f"gradient_accumulation_steps={job.training.gradient_accumulation_steps}): {reason}"
    )


def _pretrain(
    trainer: Pretrainer,
    job: PretrainJob,
    checkpoints: Checkpoints | None,
    report: Callable[[PretrainingEvaluation], bool],
    should_continue: Callable[[int], bool],
    distributed: DistributedContext,
) -> bool:
    steps, every = job.training.max_steps, job.training.evaluate_every
    saved = checkpoints.load() if checkpoints else None
    if saved is not None:
        trainer.load_state_dict(saved)
        del saved
        if trainer.last and not report(trainer.last):
            return False
    with AsyncCheckpointer(report, distributed) as checkpointer:
        while trainer.step < steps:
            if not (should_continue(trainer.step) and checkpointer.poll(trainer.step)):
                return False
            trainer.train_step()
            if trainer.step % every == 0 or trainer.step == steps:
                if not checkpointer.flush():
                    return False
                evaluation = trainer.evaluate()
                save = _save_fn(trainer, checkpoints, distributed, finished=trainer.step == steps)
                checkpointer.submit(evaluation, trainer.step + max(1, every // 2), save, trainer.step)
        return checkpointer.flush()


def _save_fn(
    trainer: Pretrainer, checkpoints: Checkpoints | None, distributed: DistributedContext, *, finished: bool
) -> Callable[[], None]:
    """Makes the function that writes the state to resume from or, after the last step, the weights.

    Every worker must call it.
    """
    state = trainer.state_dict() if checkpoints else None
    if checkpoints is None or distributed.rank != 0:
        return noop
    if finished:
        return partial(checkpoints.save_best, named_weights(trainer.model))
    return partial(checkpoints.save, to_cpu(state))


def pretrain_folder(
    text: Text,
    folder: Path,
    job: PretrainJob,
    report: Callable[[PretrainingEvaluation], None],
) -> None:
    """Pre-trains an encoder on the CPU of this process and saves it with its tokenizer.

    Args:
        text: the text.
        folder: ``from_pretrained`` folder to write: config, safetensors (encoder, pooler, both heads), tokenizer.
        job: the job, of which lanes, storage and tracking are not used.
        report: receives every evaluation.

    Raises:
        DataError: the text has too few documents.
        DivergedError: a loss is not finite.
        ModelError: the tokenizer cannot be used.
    """
    data, tokenizer = prepare_text(text, job)

    def report_and_continue(evaluation: PretrainingEvaluation) -> bool:
        report(evaluation)
        return True

    with tempfile.TemporaryDirectory() as scratch:
        checkpoints = Checkpoints(Storage(scratch), "run")
        train_encoder(data, job, report=report_and_continue, checkpoints=checkpoints)
        weights = checkpoints.load_best()
        assert weights is not None  # saved after the last step
        save_encoder(folder, weights, job, tokenizer)
