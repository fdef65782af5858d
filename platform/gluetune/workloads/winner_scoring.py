"""A winner's evaluation as the workload of a lane: saved for ``from_pretrained``, loaded again, and scored once."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ray

from gluetune.config import TrainingConfig
from gluetune.errors import StorageError
from gluetune.events import WinnerEvaluated, winner_folder
from gluetune.tasks import TASKS, Task, get_task

if TYPE_CHECKING:  # torch and transformers: a lane's actor unpickles this class without them
    from transformers import PreTrainedModel

    from gluetune.data import EncodedRows, EncodedTask
    from gluetune.inference import Scores, TextSettings
    from gluetune.lanes import TrialAssignment, TrialContext
    from gluetune.storage import Storage
    from gluetune.training import Checkpoints, DistributedContext
    from gluetune.workloads.fine_tuning import FineTuning


class WinnerScoring:
    """Saves the best weights of the assigned trial as a model, and scores the saved model.

    Args:
        workload: the encoder and the rows of the search.
        tokenizer: reference to the tokenizer, which is saved with the model.
        text: how texts become tokens, saved with the model.
        storage: the search's folder.
        score_selection: whether to score the selection rows too.
    """

    def __init__(
        self, workload: FineTuning, tokenizer: Any, text: TextSettings, storage: Storage, *, score_selection: bool
    ) -> None:
        self._workload, self._tokenizer, self._text, self._storage = workload, tokenizer, text, storage
        self._score_selection = score_selection

    def run(
        self,
        assignment: TrialAssignment,
        context: TrialContext,
        checkpoints: Checkpoints,
        distributed: DistributedContext,
    ) -> None:
        """Save and score one winner, and report a `WinnerEvaluated`. Every worker scores a part of the rows.

        Args:
            assignment: the winner.
            context: receives the event.
            checkpoints: the winner's folder, with its best weights.
            distributed: this worker's rank, the number of workers, and the device.

        Raises:
            StorageError: the checkpoint is gone, or the model cannot be written.
        """
        context.send(self.evaluate(assignment, checkpoints, distributed))

    def evaluate(
        self, assignment: TrialAssignment, checkpoints: Checkpoints, distributed: DistributedContext
    ) -> WinnerEvaluated:
        """Save and score one winner, and return the event.

        Args:
            assignment: the winner.
            checkpoints: the winner's folder, with its best weights.
            distributed: this worker; only rank 0 uploads the model.

        Raises:
            StorageError: the checkpoint is gone, or the model cannot be written.
        """
        task, training = get_task(assignment.task), TrainingConfig(**assignment.training)
        encoder, data, tokenizer = ray.get(
            [self._workload.encoder, self._workload.data[assignment.task], self._tokenizer]
        )
        model = self._save(task, training, encoder, tokenizer, checkpoints, upload=distributed.rank == 0)
        scores, selection = score_saved(model, task, data, training, distributed, score_selection=self._score_selection)
        return WinnerEvaluated(
            time=time.time(),
            number=assignment.number,
            task=task.name,
            folder=self._storage.uri(winner_folder(task.name)),
            scores={split: found.metrics for split, found in scores.items()},
            rows={split: found.rows for split, found in scores.items()},
            batch_scores={split: list(found.batches) for split, found in scores.items() if task.correlation},
            selection_scores=selection.metrics if selection else {},
            selection_loss=selection.loss if selection else None,
        )

    def _save(
        self,
        task: Task,
        training: TrainingConfig,
        encoder: Any,
        tokenizer: Any,
        checkpoints: Checkpoints,
        *,
        upload: bool,
    ) -> PreTrainedModel:
        """Write the model's folder; return the model as loaded from it, because that is what users get."""
        from gluetune.models import load_trained, save_pretrained

        weights = checkpoints.load_best()
        if weights is None:
            raise StorageError(f"the checkpoint of the winner of {task.name} is gone from {self._storage.uri()}")
        with tempfile.TemporaryDirectory() as local:
            save_pretrained(encoder, task, weights, tokenizer, local, training)
            self._text.model_copy(update={"task": task.name}).write(Path(local))
            model, _ = load_trained(local)
            if upload:
                self._storage.upload(local, winner_folder(task.name))
        return model


def score_saved(
    model: PreTrainedModel,
    task: Task,
    data: EncodedTask,
    training: TrainingConfig,
    distributed: DistributedContext,
    *,
    score_selection: bool,
) -> tuple[dict[str, Scores], Scores | None]:
    """Score a saved model in fp32, the precision in which it is used.

    Args:
        model: the model.
        task: its task.
        data: the rows of the task.
        training: sets the batch size.
        distributed: the worker; every worker must call this function.
        score_selection: whether to score the selection rows too.

    Returns:
        The scores on the development rows, by split; and those on the selection rows, ``None`` where they are not
        scored.
    """
    from gluetune.models import move_to_device

    move_to_device(model, distributed.device)

    def score(on: Task, rows: EncodedRows) -> Scores:
        return _score_rows(on, model, rows, training.eval_batch_size, distributed)

    scores = {split: score(TASKS.get(split, task), rows) for split, rows in data.dev.items()}
    return scores, score(task, data.selection) if score_selection else None


def _score_rows(task: Task, model: Any, rows: EncodedRows, batch_size: int, distributed: DistributedContext) -> Scores:
    from gluetune.inference import Predictions, score_predictions
    from gluetune.training import predict_logits

    assert rows.labels is not None  # winners are scored only on splits with labels
    return score_predictions(
        Predictions(task, predict_logits(model, rows, batch_size, distributed)), rows.labels, batch_size
    )
