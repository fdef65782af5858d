"""Scores of a trained classifier on labelled rows."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
import torch

from gluetune.data import Examples
from gluetune.data.examples import Labels
from gluetune.errors import DataError
from gluetune.inference.classifier import Classifier, predict_examples
from gluetune.inference.predictions import Predictions
from gluetune.tasks.metrics import compute_metrics
from gluetune.training import DistributedContext
from gluetune.training.evaluate import loss_sum


@dataclass(frozen=True)
class Scores:
    """Scores of predictions.

    Attributes:
        rows: number of rows.
        metrics: all of the task's metrics.
        loss: mean over rows: cross-entropy, or squared error for regression.
        batches: the primary metric of each batch in row order; 0.0 where a correlation is not defined.
        seconds: what tokenising and predicting took.
    """

    rows: int
    metrics: dict[str, float]
    loss: float
    batches: tuple[float, ...]
    seconds: float = 0.0


def evaluate_examples(
    classifier: Classifier, examples: Examples, batch_size: int, distributed: DistributedContext = DistributedContext()
) -> tuple[Predictions, Scores]:
    """Predicts labelled rows and scores them.

    Args:
        classifier: answers them.
        examples: the rows.
        batch_size: rows per batch, of the model's work as of ``Scores.batches``.
        distributed: the workers that share the rows; each must call this.

    Raises:
        DataError: the rows have no labels.
        ModelError: the model's outputs are not finite.
    """
    if examples.labels is None:
        raise DataError("rows must have labels to be scored, but these have none", examples.source)
    begun = time.monotonic()
    predictions = predict_examples(classifier, examples, batch_size, distributed)
    return predictions, score_predictions(predictions, examples.labels, batch_size, time.monotonic() - begun)


def score_predictions(predictions: Predictions, labels: Labels, batch_size: int, seconds: float = 0.0) -> Scores:
    """Scores predictions whole and, as the PyTorch tutorial on CoLA prints them, per batch.

    Args:
        predictions: the rows.
        labels: [rows] class ids, or numbers for regression.
        batch_size: rows per batch; the last one may be shorter.
        seconds: what predicting took.
    """
    task, logits = predictions.task, predictions.logits
    starts = range(batch_size, len(labels), batch_size)
    parts = zip(np.split(logits, starts), np.split(labels, starts), strict=True)
    batches = tuple(compute_metrics(task, some, truth)[task.primary] for some, truth in parts)
    loss = loss_sum(torch.from_numpy(logits), torch.from_numpy(np.array(labels)), task).item() / len(labels)
    return Scores(len(labels), compute_metrics(task, logits, labels), loss, batches, seconds)
