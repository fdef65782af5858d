"""The final model of a cross-validation: trained on all rows, or an ensemble of the models of the folds."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gluetune.config import TrainingConfig
from gluetune.tasks import Task
from gluetune.workloads.winner_scoring import ThresholdTuning, WinnerScoring

if TYPE_CHECKING:  # torch and transformers: a lane's actor unpickles this class without them
    from transformers import PreTrainedModel

    from gluetune.data import EncodedTask
    from gluetune.inference import TextSettings
    from gluetune.lanes import TrialAssignment, TrialContext
    from gluetune.storage import Storage
    from gluetune.training import Checkpoints, DistributedContext
    from gluetune.workloads.fine_tuning import FineTuning


class FinalModel(WinnerScoring):
    """Trains the final model of a winner that was chosen by cross-validation, saves it, and scores the saved model.

    The models of an ensemble are the folds' own at the epoch with the best mean score. Trials keep no weights, because
    that epoch is known at their end only. The winner's folds are therefore trained again up to there, to the same
    weights on lanes with one CPU worker.

    Args:
        workload: the encoders and the rows of the search.
        tokenizer: reference to the tokenizer of the winner's encoder, which is saved with the model.
        text: how texts become tokens, saved with the model.
        storage: the search's folder.
        evaluations: number of the evaluation with the best mean score over folds, counted from 1.
        ensemble: whether to average the logits of the folds' models, instead of training one on all rows.
    """

    def __init__(
        self,
        workload: FineTuning,
        tokenizer: Any,
        text: TextSettings,
        storage: Storage,
        *,
        evaluations: int,
        ensemble: bool,
    ) -> None:
        super().__init__(workload, tokenizer, text, storage, score_selection=False)
        self._evaluations, self._ensemble = evaluations, ensemble

    def run(
        self,
        assignment: TrialAssignment,
        context: TrialContext,
        checkpoints: Checkpoints,
        distributed: DistributedContext,
    ) -> None:
        """Train, save and score one winner, and report a `WinnerEvaluated`.

        Args:
            assignment: the winner.
            context: receives the event, and decides whether training continues.
            checkpoints: the winner's folder.
            distributed: this worker's rank, the number of workers, and the device.

        Raises:
            DivergedError: a loss is not finite.
            TrialOutOfMemoryError: the smallest micro-batch does not fit the memory.
            StorageError: the model cannot be written.
        """
        from gluetune.training import train_refit

        encoder, data = self._workload.inputs(assignment)
        began = time.monotonic()
        epochs: list[float] = []
        for files, rows in self._parts(checkpoints, data):
            done = train_refit(
                rows,
                encoder,
                TrainingConfig.model_validate(assignment.training),
                assignment.seed,
                self._evaluations,
                checkpoints=files,
                should_continue=context.should_continue,
                distributed=distributed,
            )
            if done is None:
                return
            epochs.append(done)
        update: dict[str, float] = {"refit_epochs": max(epochs), "refit_seconds": time.monotonic() - began}
        update |= {"members": len(epochs)} if self._ensemble else {"refit_rows": len(data.train)}
        context.send(self.evaluate(assignment, checkpoints, distributed).model_copy(update=update))

    def _parts(self, checkpoints: Checkpoints, data: EncodedTask) -> Iterator[tuple[Checkpoints, EncodedTask]]:
        """Yield the rows that each model is trained on, and its checkpoints.

        A resumed search may give the winner more folds and choose another epoch, for which training starts anew.
        """
        if not self._ensemble:
            yield checkpoints.part(f"refit-{self._evaluations}"), data
            return
        for number in range(1, data.fold_count + 1):
            yield checkpoints.part(f"member-{number}-{self._evaluations}"), data.of_fold(number)

    def _write_model(
        self,
        task: Task,
        training: TrainingConfig,
        encoder: Any,
        tokenizer: Any,
        checkpoints: Checkpoints,
        data: EncodedTask,
        folder: Path,
    ) -> None:
        from gluetune.models import save_ensemble, save_pretrained

        weights = [self._weights(files, task) for files, _ in self._parts(checkpoints, data)]
        if self._ensemble:
            save_ensemble(encoder, task, weights, tokenizer, folder, training)
        else:
            save_pretrained(encoder, task, weights[0], tokenizer, folder, training)

    def _tune(
        self,
        model: PreTrainedModel,
        task: Task,
        data: EncodedTask,
        training: TrainingConfig,
        distributed: DistributedContext,
    ) -> ThresholdTuning:
        """Choose no thresholds: all rows that could tell which are best were trained on."""
        return ThresholdTuning()
