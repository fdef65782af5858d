"""What passes between a search and a lane: assignments, the interface of a lane's workload, and lane errors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from gluetune.errors import GluetuneError
from gluetune.events import Evaluation, LaneEvent, PretrainingEvaluation, StepLog, TrialRecord, trial_folder

if TYPE_CHECKING:  # torch and transformers, which only workers need: a lane's other processes start without them
    from ray.train import ScalingConfig

    from gluetune.storage import Storage
    from gluetune.training import Checkpoints, DistributedContext


class LaneError(GluetuneError):
    """A lane's worker group could not be started or kept alive, or its actor died."""


@dataclass(frozen=True)
class LaneSpec:
    """The resources and limits that all lanes of a run share.

    Attributes:
        workers: number of Ray Train workers, one process each.
        cpus: CPU cores of one worker; fractions allowed.
        gpus: GPUs of one worker; fractions allowed.
        placement_strategy: Ray's placement strategy of the workers, such as ``PACK``.
        storage: the run's folder.
        max_failures: how often an assignment's worker group may die before the assignment counts as failed.
    """

    workers: int
    cpus: float
    gpus: float
    placement_strategy: str
    storage: Storage
    max_failures: int

    @property
    def scaling(self) -> ScalingConfig:
        """The worker group as Ray Train's configuration."""
        from ray.train import ScalingConfig

        resources = {"CPU": self.cpus} | ({"GPU": self.gpus} if self.gpus else {})
        return ScalingConfig(
            num_workers=self.workers,
            use_gpu=self.gpus > 0,
            resources_per_worker=resources,
            placement_strategy=self.placement_strategy,
        )


@dataclass(frozen=True, slots=True)
class TrialAssignment:
    """One trial that a lane has to run.

    Attributes:
        number: the trial's number in the search.
        task: the name of its task.
        training: the whole training configuration, by field.
        seed: seed of head, data order and dropout.
        folder: the trial's folder, relative to the search's folder.
        reported: number of evaluations in the journal; a resumed trial does not report them again.
        logged: step of the last log in the journal; a resumed trial does not report earlier ones again.
        model: the encoder; empty where the search does not choose among encoders.
        workload: reference to the `Workload`, in Ray's object store, that the workers run on this assignment; ``None``
            for the workload of their lane.
        assignment_id: number that the lane pool gives to each assignment, greater than those of earlier ones.
    """

    number: int
    task: str
    training: dict[str, Any] = field(hash=False)
    seed: int
    folder: str
    reported: int = 0
    logged: int = 0
    model: str = ""
    workload: Any = field(default=None, hash=False, compare=False)
    assignment_id: int = 0

    @classmethod
    def from_record(cls, trial: TrialRecord, workload: Any = None) -> TrialAssignment:
        """Assign a recorded trial, new or interrupted, from where the journal ends."""
        return cls(
            trial.number,
            trial.task,
            dict(trial.training),
            trial.seed,
            trial_folder(trial),
            reported=trial.reported,
            logged=trial.logs[-1].step if trial.logs else 0,
            model=trial.model,
            workload=workload,
        )


class TrialContext(Protocol):
    """A running assignment's connection to the search.

    All workers of a lane call its methods at the same steps with the same values, and get the same answers.
    """

    def report(self, evaluation: Evaluation | PretrainingEvaluation) -> bool:
        """Report an evaluation, after its checkpoint was saved; return whether to continue training."""

    def log(self, log: StepLog) -> None:
        """Report the training loss and speed between two evaluations."""

    def should_continue(self, step: int) -> bool:
        """Return whether to train this step; called before every step."""

    def send(self, event: LaneEvent) -> None:
        """Report any other event, such as the scores of a winner."""


class Workload(Protocol):
    """What a lane's workers run. It is pickled into every worker once and then runs every assignment."""

    def run(
        self,
        assignment: TrialAssignment,
        context: TrialContext,
        checkpoints: Checkpoints,
        distributed: DistributedContext,
    ) -> None:
        """Run one assignment to its end, or until the context's answer is not to continue.

        Args:
            assignment: the trial.
            context: its connection to the search.
            checkpoints: the trial's folder, for saving and resuming.
            distributed: this worker's rank, the number of workers, and the device.

        Raises:
            DivergedError: a loss is not finite.
            TrialOutOfMemoryError: the smallest micro-batch does not fit the memory.
        """


def describe_deaths(subject: str, reasons: Sequence[str]) -> str:
    """Return a message about the death of one or more lanes: the first reason, then the others.

    Args:
        subject: what died, such as ``its lane``.
        reasons: one per death, in order; an empty string stands for an unknown reason.
    """
    known = list(dict.fromkeys(reason for reason in reasons if reason))
    times = "died" if len(reasons) <= 1 else f"died {len(reasons)} times"
    return f"{subject} {times}" + (": " + "\nlater: ".join(known) if known else "")
