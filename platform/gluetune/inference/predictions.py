"""Predictions for rows, their scores where the rows have labels, and the file that they are written to."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import softmax

from gluetune.data import Examples
from gluetune.data.examples import Labels
from gluetune.errors import DataError
from gluetune.inference.classifier import Classifier, predict_examples
from gluetune.storage.output_file import write_output
from gluetune.tasks import Task
from gluetune.tasks.metrics import compute_metrics
from gluetune.training import DistributedContext
from gluetune.training.evaluate import loss_sum


@dataclass(frozen=True)
class Predictions:
    """Predictions of a classifier, in the order of the rows.

    Attributes:
        task: the task.
        logits: [rows, num_labels] float32, finite.
    """

    task: Task
    logits: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.logits)

    @property
    def label_ids(self) -> NDArray[np.int64]:
        """[rows] the likeliest classes; for classification."""
        ids: NDArray[np.int64] = self.logits.argmax(axis=1)
        return ids

    @property
    def labels(self) -> list[str]:
        """[rows] names of `label_ids`."""
        return [self.task.labels[number] for number in self.label_ids]

    @property
    def probabilities(self) -> NDArray[np.float64]:
        """[rows, classes] softmax of the logits; for classification."""
        shares: NDArray[np.float64] = softmax(self.logits.astype(np.float64), axis=1)
        return shares

    @property
    def scores(self) -> NDArray[np.float32]:
        """[rows] the predicted numbers; for regression."""
        return self.logits[:, 0]


def write_predictions(predictions: Predictions, target: str | Path | BinaryIO) -> None:
    """Writes predictions as a tab-separated file with a header; links and devices included.

    Columns: ``index`` (rows count from 0), ``label``, ``probability`` (the label's), then ``probability_<class>`` for
    each class; for regression ``index`` and ``score``. Numbers have six decimals.

    Args:
        predictions: the rows.
        target: a file, local or by URI, or an open binary stream, which stays open.

    Raises:
        StorageError: the file cannot be written.
    """
    data = "".join("\t".join(cells) + "\n" for cells in _cells(predictions)).encode()
    if isinstance(target, str | Path):
        write_output(target, data)
        return
    target.write(data)
    target.flush()


def _cells(predictions: Predictions) -> Iterator[tuple[str, ...]]:
    if predictions.task.regression:
        yield "index", "score"
        yield from ((str(row), f"{score:.6f}") for row, score in enumerate(predictions.scores))
        return
    yield "index", "label", "probability", *(f"probability_{name}" for name in predictions.task.labels)
    for row, (label, shares) in enumerate(zip(predictions.labels, predictions.probabilities, strict=True)):
        yield str(row), label, f"{shares.max():.6f}", *(f"{share:.6f}" for share in shares)


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
