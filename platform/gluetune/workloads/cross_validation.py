"""The folds of one configuration, trained one after another on one lane."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gluetune.config import TrainingConfig

if TYPE_CHECKING:  # torch and transformers: a lane's actor unpickles this module's classes without them
    from gluetune.data import EncodedTask
    from gluetune.events import Evaluation, StepLog
    from gluetune.lanes import TrialAssignment, TrialContext
    from gluetune.models import Encoder
    from gluetune.training import Checkpoints, DistributedContext


def train_folds(
    assignment: TrialAssignment,
    data: EncodedTask,
    encoder: Encoder,
    context: TrialContext,
    checkpoints: Checkpoints,
    distributed: DistributedContext,
) -> bool:
    """Train one configuration on each fold of a cross-validation, until the context ends the trial.

    The trial's own state is the list of the folds that are done, written when the evaluations of a fold are in the
    journal. A resumed trial continues with the next fold, from the state in that fold's folder. Weights are not kept:
    those of the final model are trained once the winner and its number of epochs are known.

    Args:
        assignment: the trial.
        data: the rows and their folds.
        encoder: pre-trained weights, from which each fold starts.
        context: receives evaluations and logs, and decides whether training continues.
        checkpoints: the trial's folder.
        distributed: this worker's rank, the number of workers, and the device.

    Returns:
        Whether all folds were trained to their end.

    Raises:
        DivergedError: a loss is not finite.
        TrialOutOfMemoryError: the smallest micro-batch does not fit the memory.
    """
    from gluetune.training import train_trial

    count, training = data.fold_count, TrainingConfig.model_validate(assignment.training)
    done: list[list[int]] = (checkpoints.load() or {"folds": []})["folds"]
    first = len(done) + 1
    for number in range(first, count + 1):
        if number > first:
            if not context.should_continue(0):
                return False
            if distributed.rank == 0:
                checkpoints.part(f"fold-{number - 1}").delete()
        fold = FoldContext(context, number, *(sum(counts) for counts in zip(*done, strict=True)))
        finished = train_trial(
            data.task,
            data.of_fold(number),
            encoder,
            training,
            assignment.seed,
            report=fold.report,
            checkpoints=checkpoints.part(f"fold-{number}", keeps_best=False),
            log=fold.log,
            should_continue=context.should_continue,
            distributed=distributed,
        )
        if not finished:
            return False
        done.append([fold.evaluations, fold.steps])
        if distributed.rank == 0 and number < count:
            checkpoints.save({"folds": done})  # waits until the fold's last evaluation is in the journal
    return True


@dataclass
class FoldContext:
    """Passes a fold's evaluations and logs on, numbered after those of the folds before.

    Attributes:
        context: the trial's.
        fold: the fold, counted from 1.
        evaluations_before: number of evaluations of earlier folds.
        steps_before: number of optimizer steps of earlier folds.
        evaluations: number of evaluations of this fold so far.
        steps: number of optimizer steps of this fold at its last evaluation.
    """

    context: TrialContext
    fold: int
    evaluations_before: int = 0
    steps_before: int = 0
    evaluations: int = 0
    steps: int = 0

    def report(self, evaluation: Evaluation) -> bool:
        """Report an evaluation; return whether to continue training."""
        self.evaluations, self.steps = evaluation.index, evaluation.step
        index = self.evaluations_before + evaluation.index
        return self.context.report(evaluation.model_copy(update={"index": index, "fold": self.fold}))

    def log(self, log: StepLog) -> None:
        """Report the training loss and speed between two evaluations."""
        self.context.log(log.model_copy(update={"step": self.steps_before + log.step, "fold": self.fold}))
