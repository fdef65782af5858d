"""What the models of a configuration say of labelled rows: one model for each seed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gluetune.tasks import Task
from gluetune.tasks.outputs import Outputs


@dataclass(frozen=True, slots=True, eq=False)
class SeedOutputs:
    """Outputs of the models of one configuration, one for each seed, for the same labelled rows.

    Attributes:
        task: the task.
        logits: [seeds, rows, num_labels], finite.
        labels: [rows] class ids, or numbers of a regression; [rows, num_labels] 0 and 1 of a multi-label task.
        thresholds: for each seed [num_labels] probabilities, as `gluetune.tasks.outputs.predicted_classes` takes them;
            empty where no thresholds were tuned.

    Raises:
        ValueError: shapes do not fit together, or there are no seeds or no rows.
    """

    task: Task
    logits: NDArray[np.float32]
    labels: np.ndarray
    thresholds: tuple[NDArray[np.float64], ...] = ()

    def __post_init__(self) -> None:
        if self.logits.ndim != 3 or 0 in self.logits.shape or self.logits.shape[1] != len(self.labels):
            raise ValueError(
                "logits must be [seeds, rows, num_labels] with as many rows as labels, at least one each, but got "
                f"(logits={self.logits.shape}, labels={self.labels.shape})"
            )
        if self.thresholds and len(self.thresholds) != len(self.logits):
            raise ValueError(f"thresholds must be those of {len(self.logits)} seeds, but got {len(self.thresholds)}")

    @property
    def seeds(self) -> int:
        """Number of seeds."""
        return len(self.logits)

    @property
    def rows(self) -> int:
        """Number of rows."""
        return len(self.labels)


@dataclass(frozen=True, slots=True)
class ModelOutputs:
    """One model's outputs for all rows.

    Attributes:
        logits: [rows, num_labels].
        outputs: what metrics take.
    """

    logits: NDArray[np.float32]
    outputs: Outputs

    @property
    def predictions(self) -> np.ndarray:
        """[rows] class ids or numbers; [rows, classes] of a multi-label task."""
        return self.outputs.predictions

    @property
    def decisions(self) -> NDArray[np.bool_]:
        """[rows, classes] whether a class is predicted, of a classification."""
        if self.outputs.task.multi_label:
            return np.asarray(self.predictions, bool)
        return np.asarray(np.arange(self.outputs.task.num_labels) == self.predictions[:, None])


def model_outputs(parts: Sequence[SeedOutputs]) -> Iterator[ModelOutputs]:
    """Yield all models of some configurations."""
    for part in parts:
        for logits, thresholds in zip(part.logits, part.thresholds or [None] * part.seeds, strict=True):
            yield ModelOutputs(logits, Outputs(part.task, logits, part.labels, thresholds))
