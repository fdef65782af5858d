"""The trials of a confirmation as the workload of a lane: a configuration trained with a fresh seed, then scored."""

from __future__ import annotations

import tempfile
import time
from typing import TYPE_CHECKING, Any

import ray

from gluetune.config import TrainingConfig
from gluetune.errors import DivergedError, StorageError
from gluetune.events import CONFIRMATION_FOLDER, SELECTION, RowOutputs, SeedScored, outputs_file, save_outputs
from gluetune.tasks import scored_task
from gluetune.tasks.metrics import compute_metrics
from gluetune.tasks.thresholds import tune_thresholds, tunes_thresholds

if TYPE_CHECKING:  # torch and transformers: a lane's actor unpickles this class without them
    from transformers import PreTrainedModel

    from gluetune.data import EncodedTask
    from gluetune.lanes import TrialAssignment, TrialContext
    from gluetune.storage import Storage
    from gluetune.training import Checkpoints, DistributedContext
    from gluetune.workloads.fine_tuning import FineTuning


class SeedConfirmation:
    """Trains the assigned trial as a search does, then scores its best weights as those of winners are.

    The weights are saved for ``from_pretrained``, in a temporary folder, and loaded again: the scores are those of the
    model that a user would get.

    Args:
        workload: the encoders and the rows of the search.
        tokenizers: references to the tokenizer of each encoder, by the encoder's name.
        storage: the search's folder.
    """

    def __init__(self, workload: FineTuning, tokenizers: dict[str, Any], storage: Storage) -> None:
        self._workload, self._tokenizers, self._storage = workload, tokenizers, storage

    def run(
        self,
        assignment: TrialAssignment,
        context: TrialContext,
        checkpoints: Checkpoints,
        distributed: DistributedContext,
    ) -> None:
        """Train and score one trial, and report a `SeedScored`. Every worker scores a part of the rows.

        Args:
            assignment: the trial.
            context: receives evaluations and scores, and decides whether training continues.
            checkpoints: the trial's folder; training resumes from a checkpoint in it.
            distributed: this worker's rank, the number of workers, and the device.

        Raises:
            DivergedError: a loss or a logit is not finite.
            TrialOutOfMemoryError: the smallest micro-batch does not fit the memory.
            StorageError: the checkpoint is gone, or the outputs cannot be written.
        """
        if self._workload.train(assignment, context, checkpoints, distributed):
            context.send(self._score(assignment, checkpoints, distributed))

    def _score(
        self, assignment: TrialAssignment, checkpoints: Checkpoints, distributed: DistributedContext
    ) -> SeedScored:
        _, data = self._workload.inputs(assignment)
        model, task = self._trained(assignment, checkpoints, distributed), data.task
        outputs = predict_splits(model, data, TrainingConfig(**assignment.training), distributed)
        file = outputs_file(task.name, assignment.number)
        if distributed.rank == 0:
            save_outputs(self._storage.sub(CONFIRMATION_FOLDER), file, outputs)
        scores = {
            split: compute_metrics(scored_task(task, split), rows.logits, rows.labels, rows.thresholds)
            for split, rows in outputs.items()
        }
        selection = scores.pop(SELECTION)
        tuned = next((rows.thresholds for rows in outputs.values() if rows.thresholds is not None), None)
        named = {} if tuned is None else dict(zip(task.labels, tuned.tolist(), strict=True))
        return SeedScored(
            time=time.time(),
            number=assignment.number,
            scores=scores,
            rows={split: len(outputs[split].labels) for split in scores},
            selection_scores=selection,
            thresholds=named,
            outputs=file,
        )

    def _trained(
        self, assignment: TrialAssignment, checkpoints: Checkpoints, distributed: DistributedContext
    ) -> PreTrainedModel:
        """Return the model with the trial's best weights, on the worker's device."""
        from gluetune.models import load_trained, move_to_device, save_pretrained

        distributed.all_gather({})  # rank 0 has saved the weights before any rank loads them
        weights = checkpoints.load_best()
        if weights is None:
            raise StorageError(f"the checkpoint in {assignment.folder} is gone from {self._storage.uri()}")
        encoder, data = self._workload.inputs(assignment)
        tokenizer = ray.get(self._tokenizers[assignment.model])
        with tempfile.TemporaryDirectory() as local:
            save_pretrained(encoder, data.task, weights, tokenizer, local, TrainingConfig(**assignment.training))
            model, _ = load_trained(local)
        move_to_device(model, distributed.device)
        return model


def predict_splits(
    model: PreTrainedModel, data: EncodedTask, training: TrainingConfig, distributed: DistributedContext
) -> dict[str, RowOutputs]:
    """Return a model's outputs in fp32 for the selection rows and the official rows, by split.

    Where the task asks for thresholds they are tuned on the selection rows; those of the official rows have them.

    Args:
        model: the model, on the worker's device.
        data: the rows of its task.
        training: sets the batch size.
        distributed: the worker; every worker must call this function.

    Raises:
        DivergedError: a logit is not finite.
    """
    import numpy as np

    from gluetune.training import predict_logits

    outputs: dict[str, RowOutputs] = {}
    thresholds = None
    for split, rows in {SELECTION: data.selection, **data.dev}.items():
        logits, labels = predict_logits(model, rows, training.eval_batch_size, distributed), rows.labels
        assert labels is not None  # trials are ranked, and winners scored, on labelled rows only
        if not np.isfinite(logits).all():
            raise DivergedError(f"logits must be finite, but some of those of the {split} rows are not")
        if split == SELECTION and tunes_thresholds(data.task):
            thresholds = tune_thresholds(data.task, logits, labels)
        outputs[split] = RowOutputs(logits, labels, None if split == SELECTION else thresholds)
    return outputs
