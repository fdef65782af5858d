"""A winner's evaluation as the workload of a lane: saved for ``from_pretrained``, loaded again, and scored once."""

from __future__ import annotations

import tempfile
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import ray

from gluetune.config import TrainingConfig
from gluetune.errors import StorageError
from gluetune.events import ClassScores, WinnerEvaluated, winner_folder
from gluetune.tasks import Task, scored_task
from gluetune.tasks.class_report import ClassReport, report_classes
from gluetune.tasks.metrics import compute_metrics
from gluetune.tasks.outputs import Outputs
from gluetune.tasks.thresholds import tune_thresholds, tunes_thresholds

if TYPE_CHECKING:  # torch and transformers: a lane's actor unpickles this class without them
    import torch
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
        workload: the encoders and the rows of the search.
        tokenizer: reference to the tokenizer of the winner's encoder, which is saved with the model.
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
        began = time.monotonic()
        training = TrainingConfig(**assignment.training)
        encoder, data = self._workload.inputs(assignment)
        tokenizer = ray.get(self._tokenizer)
        task: Task = data.task
        model, tuning = self._save(task, training, encoder, tokenizer, checkpoints, data, distributed)
        scores, selection = score_saved(
            model, task, data, training, distributed, score_selection=self._score_selection, tuning=tuning
        )
        reports = {split: found.classes for split, found in scores.items()} or {"selection": tuning.classes}
        return WinnerEvaluated(
            time=time.time(),
            number=assignment.number,
            task=task.name,
            folder=self._storage.uri(winner_folder(task.name)),
            seconds=time.monotonic() - began,
            scores={split: found.metrics for split, found in scores.items()},
            rows={split: found.rows for split, found in scores.items()},
            batch_scores={split: list(found.batches) for split, found in scores.items() if task.correlation},
            selection_scores=selection.metrics if selection else {},
            selection_loss=selection.loss if selection else None,
            thresholds=tuning.by_label(task),
            untuned_scores={split: found.untuned for split, found in scores.items() if found.untuned},
            tuned_selection_scores=tuning.scores,
            classes={split: ClassScores(**asdict(report)) for split, report in reports.items() if report},
        )

    def _save(
        self,
        task: Task,
        training: TrainingConfig,
        encoder: Any,
        tokenizer: Any,
        checkpoints: Checkpoints,
        data: EncodedTask,
        distributed: DistributedContext,
    ) -> tuple[PreTrainedModel, ThresholdTuning]:
        """Write the model's folder; return the model as loaded from it, because that is what users get."""
        from gluetune.models import load_trained

        with tempfile.TemporaryDirectory() as local:
            self._write_model(task, training, encoder, tokenizer, checkpoints, data, Path(local))
            model, _ = load_trained(local)
            tuning = self._tune(model, task, data, training, distributed)
            settings = {"thresholds": tuning.by_label(task) or None}
            self._text.of_task(task).model_copy(update=settings).write(Path(local))
            if distributed.rank == 0:
                self._storage.upload(local, winner_folder(task.name))
        return model, tuning

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
        from gluetune.models import save_pretrained

        save_pretrained(encoder, task, self._weights(checkpoints, task), tokenizer, folder, training)

    def _weights(self, checkpoints: Checkpoints, task: Task) -> dict[str, torch.Tensor]:
        weights = checkpoints.load_best()
        if weights is None:
            raise StorageError(f"the checkpoint of the winner of {task.name} is gone from {self._storage.uri()}")
        return weights

    def _tune(
        self,
        model: PreTrainedModel,
        task: Task,
        data: EncodedTask,
        training: TrainingConfig,
        distributed: DistributedContext,
    ) -> ThresholdTuning:
        return tune_saved(model, task, data, training, distributed, score_selection=self._score_selection)


@dataclass(frozen=True)
class ThresholdTuning:
    """What a saved model says of the selection rows, and the thresholds that follow.

    Attributes:
        logits: [rows, num_labels] of the selection rows; ``None`` where nothing needs them.
        thresholds: [classes] probabilities above which a class is predicted; ``None`` for 0.5.
        scores: where there are thresholds, metrics on the selection rows with them.
        classes: scores of each class on the selection rows, with the thresholds.
    """

    logits: np.ndarray | None = None
    thresholds: np.ndarray | None = None
    scores: dict[str, float] = field(default_factory=dict)
    classes: ClassReport | None = None

    def by_label(self, task: Task) -> dict[str, float]:
        """Return the thresholds by class name; empty for 0.5."""
        return {} if self.thresholds is None else dict(zip(task.labels, self.thresholds.tolist(), strict=True))


def tune_saved(
    model: PreTrainedModel,
    task: Task,
    data: EncodedTask,
    training: TrainingConfig,
    distributed: DistributedContext,
    *,
    score_selection: bool,
) -> ThresholdTuning:
    """Predict the selection rows where they are needed, and choose thresholds where the task asks for them.

    Args:
        model: the saved model.
        task: its task.
        data: the rows of the task.
        training: sets the batch size.
        distributed: the worker; every worker must call this function.
        score_selection: whether the selection rows are to be scored.
    """
    from gluetune.models import move_to_device
    from gluetune.training import predict_logits

    if not (score_selection or tunes_thresholds(task) or not data.dev):
        return ThresholdTuning()
    move_to_device(model, distributed.device)
    logits, labels = predict_logits(model, data.selection, training.eval_batch_size, distributed), data.selection.labels
    assert labels is not None  # trials are ranked by them
    thresholds = tune_thresholds(task, logits, labels) if tunes_thresholds(task) else None
    scores = {} if thresholds is None else compute_metrics(task, logits, labels, thresholds)
    return ThresholdTuning(logits, thresholds, scores, report_classes(Outputs(task, logits, labels, thresholds)))


def score_saved(
    model: PreTrainedModel,
    task: Task,
    data: EncodedTask,
    training: TrainingConfig,
    distributed: DistributedContext,
    *,
    score_selection: bool,
    tuning: ThresholdTuning | None = None,
) -> tuple[dict[str, Scores], Scores | None]:
    """Score a saved model in fp32, the precision in which it is used.

    Args:
        model: the model.
        task: its task.
        data: the rows of the task.
        training: sets the batch size.
        distributed: the worker; every worker must call this function.
        score_selection: whether to score the selection rows too.
        tuning: its thresholds, with which the development rows are scored, and its logits of the selection rows.

    Returns:
        The scores on the development rows, by split; and those on the selection rows with thresholds of 0.5, ``None``
        where they are not scored.
    """
    from gluetune.inference import Predictions, score_predictions
    from gluetune.models import move_to_device
    from gluetune.training import predict_logits

    move_to_device(model, distributed.device)
    tuning = tuning or ThresholdTuning()

    def score(on: Task, rows: EncodedRows, thresholds: Any, logits: Any = None) -> Scores:
        assert rows.labels is not None  # winners are scored only on splits with labels
        found = predict_logits(model, rows, training.eval_batch_size, distributed) if logits is None else logits
        return score_predictions(Predictions(on, found, thresholds), rows.labels, training.eval_batch_size)

    scores = {split: score(scored_task(task, split), rows, tuning.thresholds) for split, rows in data.dev.items()}
    return scores, score(task, data.selection, None, tuning.logits) if score_selection else None
