"""Pre-training as the workload of a lane."""

from __future__ import annotations

from typing import Any

import ray

from gluetune.lanes import TrialAssignment, TrialContext
from gluetune.pretraining import PretrainJob, train_encoder
from gluetune.training import Checkpoints, DistributedContext


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
        """Run the job with `gluetune.pretraining.train_encoder`.

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
            report=context.report,
            checkpoints=checkpoints,
            should_continue=context.should_continue,
            distributed=distributed,
        )
