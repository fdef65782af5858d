"""Fine-tuning trials as the workload of a lane."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import ray

from gluetune.config import TrainingConfig

if TYPE_CHECKING:  # torch and transformers: a lane's actor unpickles this class without them
    from gluetune.data import EncodedTask
    from gluetune.lanes import TrialAssignment, TrialContext
    from gluetune.models import Encoder
    from gluetune.training import Checkpoints, DistributedContext


KEPT_ENCODERS = 2
"""Number of encoders whose weights a worker keeps: those of the last trials. A lane's next trial may train any."""


class FineTuning:
    """Fine-tunes the encoder of each assignment on its task.

    A worker process maps the weights of an encoder, and the rows of a task as its tokens, from Ray's object store. It
    keeps those of the `KEPT_ENCODERS` encoders that it trained last, so that the memory that a node needs does not grow
    with the number of encoders.

    Args:
        data: references to the `gluetune.data.EncodedTask` of each task, by encoder and task name.
        encoders: references to the initial `gluetune.models.Encoder`, by name; one by an empty name where the search
            does not choose among encoders.
    """

    def __init__(self, data: dict[str, dict[str, Any]], encoders: dict[str, Any]) -> None:
        self.data, self.encoders = data, encoders
        self._kept: dict[str, dict[Any, Any]] = {}  # objects by reference, by encoder; the last one was used last

    def run(
        self,
        assignment: TrialAssignment,
        context: TrialContext,
        checkpoints: Checkpoints,
        distributed: DistributedContext,
    ) -> None:
        """Train one trial with `gluetune.training.train_trial`, on each fold where the rows have folds.

        Args:
            assignment: the trial.
            context: receives evaluations and logs, and decides whether training continues.
            checkpoints: the trial's folder; training resumes from a checkpoint in it.
            distributed: this worker's rank, the number of workers, and the device.

        Raises:
            DivergedError: a loss is not finite.
            TrialOutOfMemoryError: the smallest micro-batch does not fit the memory.
        """
        self.train(assignment, context, checkpoints, distributed)

    def train(
        self,
        assignment: TrialAssignment,
        context: TrialContext,
        checkpoints: Checkpoints,
        distributed: DistributedContext,
    ) -> bool:
        """Train one trial as `run` does.

        Args:
            assignment: the trial.
            context: receives evaluations and logs, and decides whether training continues.
            checkpoints: the trial's folder; training resumes from a checkpoint in it.
            distributed: this worker's rank, the number of workers, and the device.

        Returns:
            Whether the trial was trained to its end.

        Raises:
            DivergedError: a loss is not finite.
            TrialOutOfMemoryError: the smallest micro-batch does not fit the memory.
        """
        from gluetune.training import train_trial

        encoder, data = self.inputs(assignment)
        if data.folds is not None:
            from gluetune.workloads.cross_validation import train_folds

            return train_folds(assignment, data, encoder, context, checkpoints, distributed)
        return train_trial(
            data.task,
            data,
            encoder,
            TrainingConfig.model_validate(assignment.training),
            assignment.seed,
            report=context.report,
            checkpoints=checkpoints,
            log=context.log,
            should_continue=context.should_continue,
            distributed=distributed,
        )

    def inputs(self, assignment: TrialAssignment) -> tuple[Encoder, EncodedTask]:
        """Return the encoder and the rows of a trial, from Ray's object store or from what this process keeps."""
        kept = self._kept.pop(assignment.model, {})
        self._kept[assignment.model] = kept
        while len(self._kept) > KEPT_ENCODERS:
            del self._kept[next(iter(self._kept))]
        references = self.encoders[assignment.model], self.data[assignment.model][assignment.task]
        for reference in references:
            if reference not in kept:
                kept[reference] = ray.get(reference)
        return kept[references[0]], kept[references[1]]
