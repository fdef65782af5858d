"""Fine-tuning trials as the workload of a lane."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import ray

from gluetune.config import TrainingConfig

if TYPE_CHECKING:  # torch and transformers: a lane's actor unpickles this class without them
    from gluetune.lanes import TrialAssignment, TrialContext
    from gluetune.training import Checkpoints, DistributedContext


class FineTuning:
    """Fine-tunes the search's encoder on the task of each assignment.

    Each worker process fetches the encoder and the rows of a task from Ray's object store once.

    Args:
        data: references to the `gluetune.data.EncodedTask` of each task, by task name.
        encoder: reference to the initial `gluetune.models.Encoder`.
    """

    def __init__(self, data: dict[str, Any], encoder: Any) -> None:
        self.data, self.encoder = data, encoder
        self._fetched: dict[Any, Any] = {}

    def run(
        self,
        assignment: TrialAssignment,
        context: TrialContext,
        checkpoints: Checkpoints,
        distributed: DistributedContext,
    ) -> None:
        """Train one trial with `gluetune.training.train_trial`.

        Args:
            assignment: the trial.
            context: receives evaluations and logs, and decides whether training continues.
            checkpoints: the trial's folder; training resumes from a checkpoint in it.
            distributed: this worker's rank, the number of workers, and the device.

        Raises:
            DivergedError: a loss is not finite.
            TrialOutOfMemoryError: the smallest micro-batch does not fit the memory.
        """
        from gluetune.training import train_trial

        data = self._fetch(self.data[assignment.task])
        train_trial(
            data.task,
            data,
            self._fetch(self.encoder),
            TrainingConfig.model_validate(assignment.training),
            assignment.seed,
            report=context.report,
            checkpoints=checkpoints,
            log=context.log,
            should_continue=context.should_continue,
            distributed=distributed,
        )

    def _fetch(self, reference: Any) -> Any:
        if reference not in self._fetched:
            self._fetched[reference] = ray.get(reference)
        return self._fetched[reference]
