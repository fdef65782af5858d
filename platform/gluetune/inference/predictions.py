"""Predictions for rows with or without labels, and the file they are written to."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from gluetune.data import Examples, encode_rows
from gluetune.errors import ModelError
from gluetune.inference.classifier import Classifier
from gluetune.models import check_token_ids, move_to_device
from gluetune.storage.output_file import write_output
from gluetune.tasks import Task
from gluetune.training import DistributedContext, predict


@dataclass(frozen=True)
class Predictions:
    """What a classifier says of rows, in row order.

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


def predict_examples(
    classifier: Classifier, examples: Examples, batch_size: int, distributed: DistributedContext = DistributedContext()
) -> Predictions:
    """Predicts every row of ``examples``, whose labels do not matter.

    Args:
        classifier: answers them; its model is moved to ``distributed.device``.
        examples: the rows.
        batch_size: rows per batch and worker.
        distributed: the workers that share the rows; each must call this.

    Raises:
        ModelError: the tokenizer gives ids that the model has no embeddings for, or the outputs are not finite.
    """
    config = classifier.config
    encoded = encode_rows(examples, classifier.task, classifier.tokenizer, config.max_seq_length, config.truncation)
    check_token_ids(classifier.model, [encoded], classifier.tokenizer, str(classifier.model.name_or_path))
    move_to_device(classifier.model, distributed.device)
    logits = predict(classifier.model, encoded, batch_size, distributed)
    broken = int((~np.isfinite(logits).all(axis=1)).sum())
    if broken:
        raise ModelError(
            f"a model's outputs must be finite, but those for {broken} of {len(logits)} rows of "
            f"{examples.source} are not"
        )
    return Predictions(classifier.task, logits)


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
