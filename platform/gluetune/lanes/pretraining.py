"""Pre-training as a lane's work: its evaluations in the words that lanes and journals have for them."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import ray

from gluetune.events import Evaluated
from gluetune.lanes.mailbox import TrialAssignment
from gluetune.lanes.work import TrialContext
from gluetune.pretraining import PretrainingEvaluation, PretrainJob, pretrain
from gluetune.training import Checkpoints, DistributedContext, Evaluation

_LOSSES = ("masked_lm_loss", "next_sentence_loss")
_METRICS = (*_LOSSES, "masked_lm_accuracy", "next_sentence_accuracy", *(f"train_{name}" for name in _LOSSES))
_SHARED = ("index", "step", "epoch", "learning_rate", "train_seconds", "eval_seconds", "precision")


class Pretraining:
    """Pre-trains an encoder; there is one order.

    Args:
        data: `gluetune.pretraining.PretrainingData`, in the object store.
        job: what is trained, and how.
    """

    def __init__(self, data: Any, job: PretrainJob) -> None:
        self._data, self._job = data, job

    def run(
        self, order: TrialAssignment, contact: TrialContext, checkpoints: Checkpoints, distributed: DistributedContext
    ) -> None:
        """Runs the pre-training of the job, and reports each evaluation to the lane's mailbox.

        Raises:
            DivergedError: a loss is not finite.
            TrialOutOfMemoryError: the smallest batch does not fit the memory.
        """
        pretrain(
            ray.get(self._data),
            self._job,
            report=lambda at: contact.report(to_evaluation(at)),
            checkpoints=checkpoints,
            wanted=contact.wanted,
            distributed=distributed,
        )


def to_evaluation(at: PretrainingEvaluation) -> Evaluation:
    """Losses and accuracies become metrics; the score is minus the sum of the held-out losses."""
    loss = at.masked_lm_loss + at.next_sentence_loss
    return Evaluation(
        **{name: getattr(at, name) for name in (*_SHARED, "first_step_at", "last_step_at")},
        score=-loss,
        metrics={name: getattr(at, name) for name in _METRICS},
        eval_loss=loss,
        train_loss=at.train_masked_lm_loss + at.train_next_sentence_loss,
        train_accuracy=None,
        train_examples=at.pairs,
        train_tokens=at.tokens,
    )


def to_pretraining_evaluation(event: Evaluated) -> PretrainingEvaluation:
    """What `to_evaluation` was made from, by the journal; without the times of a clock that is gone."""
    known = {name: getattr(event, name) for name in _SHARED} | event.metrics
    known |= {"pairs": event.train_examples, "tokens": event.train_tokens, "first_step_at": None, "last_step_at": 0.0}
    return PretrainingEvaluation(**{field.name: known[field.name] for field in fields(PretrainingEvaluation)})
