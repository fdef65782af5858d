"""Predictions for rows with or without labels, and the file they are written to."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from gluetune.storage.output_file import write_output
from gluetune.tasks import Task


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
