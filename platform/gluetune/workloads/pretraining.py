"""Pre-training as the workload of a lane, and the conversion of its evaluations to and from the journal's."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import ray

from gluetune.events import Evaluated
from gluetune.lanes import TrialAssignment, TrialContext
from gluetune.pretraining import PretrainingEvaluation, PretrainJob, train_encoder
from gluetune.training import Checkpoints, DistributedContext, Evaluation

_LOSSES = ("masked_lm_loss", "next_sentence_loss")
_METRICS = (*_LOSSES, "masked_lm_accuracy", "next_sentence_accuracy", *(f"train_{name}" for name in _LOSSES))
_SHARED = ("index", "step", "epoch", "learning_rate", "train_seconds", "eval_seconds", "precision")


class Pretraining:
    """Pre-trains one encoder; its lane gets a single assignment.

    Args:
        data: reference to the `gluetune.pretraining.PretrainingData` in Ray's object store.
        job: the pre-training job.
    """

    def __init__(self, data: Any, job: PretrainJob) -> None:
        self._data, self._job = data, job

    def run(
        self,
        assignment: TrialAssignment,
        context: TrialContext,
        checkpoints: Checkpoints,
        distributed: DistributedContext,
    ) -> None:
        """Runs the job with `gluetune.pretraining.train_encoder`.

        Args:
            assignment: not read: the job says what is trained.
            context: receives each evaluation, and decides whether training continues.
            checkpoints: the run's folder; training resumes from a checkpoint in it.
            distributed: this worker's rank, the number of workers, and the device.

        Raises:
            DivergedError: a loss is not finite.
            TrialOutOfMemoryError: the smallest micro-batch does not fit the memory.
        """
        train_encoder(
            ray.get(self._data),
            self._job,
            report=lambda evaluation: context.report(to_evaluation(evaluation)),
            checkpoints=checkpoints,
            should_continue=context.should_continue,
            distributed=distributed,
        )


def to_evaluation(evaluation: PretrainingEvaluation) -> Evaluation:
    """Convert a pre-training evaluation to the record that lanes and journals share with fine-tuning.

    Losses and accuracies become metrics. The score, of which more is better, is minus the sum of the two held-out
    losses.
    """
    loss = evaluation.masked_lm_loss + evaluation.next_sentence_loss
    return Evaluation(
        **{name: getattr(evaluation, name) for name in (*_SHARED, "first_step_at", "last_step_at")},
        score=-loss,
        metrics={name: getattr(evaluation, name) for name in _METRICS},
        eval_loss=loss,
        train_loss=evaluation.train_masked_lm_loss + evaluation.train_next_sentence_loss,
        train_accuracy=None,
        train_examples=evaluation.pairs,
        train_tokens=evaluation.tokens,
    )


def to_pretraining_evaluation(event: Evaluated) -> PretrainingEvaluation:
    """Restore a pre-training evaluation from its journal event.

    ``first_step_at`` and ``last_step_at``, readings of the worker's monotonic clock, are not in the journal: they are
    ``None`` and 0.
    """
    known = {name: getattr(event, name) for name in _SHARED} | event.metrics
    known |= {"pairs": event.train_examples, "tokens": event.train_tokens, "first_step_at": None, "last_step_at": 0.0}
    return PretrainingEvaluation(**{field.name: known[field.name] for field in fields(PretrainingEvaluation)})
