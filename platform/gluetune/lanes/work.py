"""What a lane's workers do: any long-lived training that reports evaluations, such as fine-tuning or pre-training."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import ray

from gluetune.config import TrainingConfig
from gluetune.lanes.mailbox import TrialAssignment
from gluetune.tasks import get_task

if TYPE_CHECKING:  # torch and transformers, which only workers need: a lane's other processes start without them
    from gluetune.training import Checkpoints, DistributedContext, Evaluation, StepLog


class TrialContext(Protocol):
    """Whom a worker tells how an order goes. All workers of a lane call it at the same steps with the same values."""

    def report(self, evaluation: Evaluation) -> bool:
        """Tells an evaluation, after its checkpoint is saved; says whether to go on."""

    def log(self, log: StepLog) -> None:
        """Tells how training goes between evaluations."""

    def wanted(self, step: int) -> bool:
        """Says, before every step, whether to go on."""


class Workload(Protocol):
    """Carries out orders in a worker; it is pickled into every worker once."""

    def run(
        self, order: TrialAssignment, contact: TrialContext, checkpoints: Checkpoints, distributed: DistributedContext
    ) -> None:
        """Carries out an order to its end, or until the contact says that it is not wanted.

        Raises:
            DivergedError: a loss is not finite.
            TrialOutOfMemoryError: the smallest micro-batch does not fit.
        """


class FineTuning:
    """Fine-tunes an encoder on the order's task.

    Args:
        data: `gluetune.data.EncodedTask` by task, in the object store.
        encoder: the initial `gluetune.models.Encoder`, in the object store.
    """

    def __init__(self, data: dict[str, Any], encoder: Any) -> None:
        self.data, self.encoder = data, encoder
        self._here: dict[Any, Any] = {}  # what this process has fetched

    def run(
        self, order: TrialAssignment, contact: TrialContext, checkpoints: Checkpoints, distributed: DistributedContext
    ) -> None:
        """Trains one trial, see `gluetune.training.fine_tune`."""
        from gluetune.training import fine_tune

        fine_tune(
            get_task(order.task),
            self._get(self.data[order.task]),
            self._get(self.encoder),
            TrainingConfig.model_validate(order.training),
            order.seed,
            report=contact.report,
            checkpoints=checkpoints,
            log=contact.log,
            wanted=contact.wanted,
            distributed=distributed,
        )

    def _get(self, reference: Any) -> Any:
        if reference not in self._here:
            self._here[reference] = ray.get(reference)
        return self._here[reference]
