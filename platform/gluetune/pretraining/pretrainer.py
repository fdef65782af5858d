"""Pre-training of one encoder: its trainer, and the functions that run it."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn import functional
from torch.optim import AdamW
from torch.optim.lr_scheduler import LambdaLR
from transformers import BertForPreTraining

from gluetune.events import PretrainingEvaluation
from gluetune.models import move_to_device
from gluetune.pretraining.batches import Batch, BatchStream, Collator
from gluetune.pretraining.config import PretrainingConfig, PretrainJob
from gluetune.pretraining.encoder import PretrainingHeads, build_encoder, head_scores, named_weights, save_encoder
from gluetune.pretraining.evaluation import ValidationSet
from gluetune.pretraining.prepare import PretrainingData, prepare_text
from gluetune.pretraining.text import Text
from gluetune.storage import Storage
from gluetune.training.checkpoints import Checkpoints
from gluetune.training.distributed_context import DistributedContext, to_device
from gluetune.training.loop import RunHooks, always_continue, run_training
from gluetune.training.optimizer import make_optimizer
from gluetune.training.trainer_state import TrainerState


def train_encoder(
    data: PretrainingData,
    job: PretrainJob,
    *,
    report: Callable[[PretrainingEvaluation], bool],
    checkpoints: Checkpoints | None = None,
    should_continue: Callable[[int], bool] = always_continue,
    distributed: DistributedContext = DistributedContext(),
) -> bool:
    """Pre-train an encoder with AdamW and a learning rate that rises linearly, then falls linearly.

    All workers of a run must call this function with the same arguments but ``distributed``. They call ``report`` and
    ``should_continue`` after the same steps with the same values, and the functions must return the same on all
    workers. The caller's random state is not changed.

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
    return run_training(
        lambda: Pretrainer(data, job, distributed),
        job.training,
        distributed,
        RunHooks(report, should_continue, checkpoints),
    )


def pretrain_folder(
    text: Text,
    folder: Path,
    job: PretrainJob,
    report: Callable[[PretrainingEvaluation], None],
) -> None:
    """Pre-train an encoder on the CPU of this process and save it with its tokenizer.

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


class Pretrainer:
    """Trains and evaluates the model of one pre-training run on one worker.

    Args:
        data: the tokenised text.
        job: encoder, hyperparameters and seed.
        distributed: this worker.

    Attributes:
        model: the model that is trained.
        state: its optimizer, learning rate and random generators.
        evaluations: numbers of the steps after which the run is evaluated; the last step is among them.
    """

    def __init__(self, data: PretrainingData, job: PretrainJob, distributed: DistributedContext) -> None:
        training, self._distributed = job.training, distributed
        self._total = training.max_steps
        self.evaluations = frozenset((*range(0, self._total, training.evaluate_every), self._total)) - {0}
        collator = Collator.from_config(data.tokens, training)
        self._stream = BatchStream(data.train, collator, training, job.seed)
        self._validation = ValidationSet(data.held_out, collator, training, job.seed)
        self.model: BertForPreTraining = build_encoder(job, data.tokens)
        move_to_device(self.model, distributed.device)
        self._heads = PretrainingHeads(self.model)
        optimizer = make_optimizer(self.model, training)
        self.state = TrainerState(
            self.model,
            optimizer,
            make_schedule(optimizer, training),
            training,
            distributed,
            lambda values: PretrainingEvaluation(**({"total_steps": training.max_steps} | values)),
            job.seed,
            forward=self._heads,
            losses=("masked_lm", "next_sentence"),
        )

    @property
    def epoch(self) -> float:
        """Passes over the training pairs done."""
        return self._stream.epoch

    def batches(self) -> Iterator[Batch]:
        """Yield the global batches of the remaining steps."""
        while self.state.step < self._total:
            yield self._stream.next_batch()

    def train_step(self, batch: Batch) -> None:
        """Do one optimizer step.

        Args:
            batch: the global batch.

        Raises:
            DivergedError: a loss of the last few steps is not finite.
        """
        self.state.train_step(np.arange(len(batch)), batch.tokens, partial(self._loss, batch, max(1, batch.masked)))

    def _loss(self, batch: Batch, masked: int, rows: np.ndarray, factor: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Compute a micro-batch's part of a batch's losses: their sum, and [2] masked-LM and next-sentence loss."""
        tensors = to_device(batch.tensors(rows), self._distributed)
        token_scores, pair_scores = head_scores(self.state.forward, tensors, self._distributed, bf16=self.state.bf16)
        masked_lm = functional.cross_entropy(token_scores, tensors["labels"], reduction="sum") * factor / masked
        next_sentence = functional.cross_entropy(pair_scores, tensors["next_sentence_labels"], reduction="sum")
        next_sentence = next_sentence * factor / len(batch)
        return masked_lm + next_sentence, torch.stack((masked_lm, next_sentence)).detach()

    def evaluate(self) -> PretrainingEvaluation:
        """Evaluate the model on the held-out pairs and summarise the steps since the last evaluation.

        All workers must call it after the same step.

        Raises:
            DivergedError: a loss is not finite.
        """
        state, trained = self.state, self.state.summary()
        started = time.monotonic()
        scores = self._validation.evaluate(self._heads, self._distributed, bf16=state.bf16)
        state.last = PretrainingEvaluation(
            index=state.next_index,
            step=state.step,
            total_steps=self._total,
            epoch=self.epoch,
            train_masked_lm_loss=trained.losses[0],
            train_next_sentence_loss=trained.losses[1],
            **asdict(scores),
            learning_rate=state.learning_rate,
            train_seconds=trained.seconds,
            eval_seconds=time.monotonic() - started,
            pairs=trained.examples,
            tokens=trained.tokens,
            first_step_at=trained.started if state.next_index == 1 else None,
            last_step_at=trained.ended,
            precision=state.precision,
        )
        return state.last

    def is_best(self) -> bool:
        """Whether the last step is done: the weights that a run ends with are its result."""
        return self.state.step == self._total

    def best_weights(self, state: Mapping[str, Any]) -> dict[str, torch.Tensor]:
        """Return the weights of a `state_dict` by parameter name; a weight that two layers share is listed once."""
        return {name: state["model"][name] for name in named_weights(self.model)}

    def state_dict(self) -> dict[str, Any]:
        """Return the state to resume from, as `TrainerState.state_dict` does."""
        return self.state.state_dict() | {"stream": self._stream.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Resume from the `state_dict` of an earlier process, as `TrainerState.load_state_dict` does."""
        self.state.load_state_dict(state)
        self._stream.load_state_dict(state["stream"])


def make_schedule(optimizer: AdamW, training: PretrainingConfig) -> LambdaLR:
    """Make the learning-rate schedule: it rises linearly in the warm-up, then falls linearly to 0.

    ``transformers.get_scheduler("linear")`` has the same shape, but counts the warm-up from 0: its first step trains
    with learning rate 0, and its warm-up is a whole number of steps. Here the first step is trained on.

    Args:
        optimizer: its parameter groups keep the ratios of their learning rates.
        training: number of steps, and share of them in the warm-up.
    """
    total, warmup = training.max_steps, training.warmup_ratio * training.max_steps
    return LambdaLR(
        optimizer, lambda step: min((step + 1) / max(1.0, warmup), (total - step) / max(1.0, total - warmup))
    )
