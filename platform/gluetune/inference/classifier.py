"""Trained classifiers: loaded from folders, asked for predictions, and scored on labelled rows."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from gluetune.config import DataConfig
from gluetune.data import Examples, encode_rows
from gluetune.data.examples import Labels
from gluetune.errors import DataError, ModelError
from gluetune.inference.model_folder import check_classes, local_model_folder, open_model_folder, read_text_settings
from gluetune.inference.predictions import Predictions, Rows, as_examples
from gluetune.models import check_token_ids, load_trained, move_to_device
from gluetune.tasks import Task
from gluetune.tasks.class_report import ClassReport, report_classes
from gluetune.tasks.metrics import compute_metrics, metric_value
from gluetune.tasks.outputs import Outputs
from gluetune.tasks.own_metrics import is_own
from gluetune.training import DistributedContext, predict_logits
from gluetune.training.evaluate import loss_sum


@dataclass(frozen=True)
class Classifier:
    """A trained model with all it takes to answer rows of text.

    Attributes:
        task: what it answers.
        model: one output per class, or a single one for regression.
        tokenizer: its tokenizer.
        config: how rows become tokens: ``max_seq_length`` and ``truncation``.
        batch_size: rows per batch where a call names no other number.
        device: what it computes on, such as ``cuda`` or ``cpu``; ``None`` for a GPU if there is one.
        thresholds: [classes] probabilities above which a class is predicted, as training chose them; ``None`` for 0.5.

    Example:
        >>> classifier = gluetune.load("runs/first/winners/cola")
        >>> set(classifier.predict(["The cat sat on the mat."])) <= {"acceptable", "unacceptable"}
        True
    """

    task: Task
    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    config: DataConfig
    batch_size: int = 32
    device: str | None = None
    thresholds: NDArray[np.float64] | None = None

    def predict(self, rows: Rows, *, batch_size: int | None = None) -> list[str] | list[list[str]] | list[float]:
        """Predict the label of each row, its labels where a row can have several, or the number of a regression.

        Args:
            rows: a list of texts; of pairs of texts for a task of two text columns, such as
                ``[("A man sleeps.", "No one sleeps.")]``; of dicts from the task's text columns to texts; a NumPy array
                of texts or pairs; or a DataFrame with the text columns.
            batch_size: rows per batch; ``None`` for `batch_size`.

        Returns:
            One label, list of labels or number for each row, in row order.

        Raises:
            DataError: the rows do not have the task's columns, or a value is no text.
            ModelError: the model's outputs are not finite.

        Example:
            >>> len(gluetune.load("runs/first", "cola").predict(["It rains.", "Rains it."], batch_size=1))
            2
        """
        found = self._predictions(rows, batch_size)
        if self.task.regression:
            return [float(score) for score in found.scores]
        return found.label_sets if self.task.multi_label else found.labels

    def predict_proba(self, rows: Rows, *, batch_size: int | None = None) -> NDArray[np.float64]:
        """Predict the probability of each class.

        Args:
            rows: as those of `predict`.
            batch_size: rows per batch; ``None`` for `batch_size`.

        Returns:
            [rows, classes] float64 probabilities; the classes are in the order of ``task.labels``.

        Raises:
            DataError: the rows do not have the task's columns, or a value is no text.
            ModelError: the task is a regression, or the model's outputs are not finite.

        Example:
            >>> gluetune.load("runs/first/winners/cola").predict_proba(["The cat sat on the mat."]).shape
            (1, 2)
        """
        if self.task.regression:
            raise ModelError(f"probabilities are those of classes, but {self.task.name} is a regression; use predict()")
        return self._predictions(rows, batch_size).probabilities

    def evaluate(self, rows: Rows, labels: Sequence[Any] | None = None, *, batch_size: int | None = None) -> Scores:
        """Score the model on labelled rows, with its thresholds where it has some.

        Args:
            rows: the path of a file with the task's text and label columns, in any format that train rows may have; a
                DataFrame, `datasets.Dataset` or Arrow table with these columns; or with ``labels`` the same as those of
                `predict`. The label column of a known task is called ``label``.
            labels: the label of each row: the name of its class, the names of its classes where it can have several,
                or the number of a regression. ``None`` where ``rows`` has labels. Rows of a file or table that have
                none are left out.
            batch_size: rows per batch; ``None`` for `batch_size`.

        Returns:
            All metrics of the task, the loss, and the scores of each class.

        Raises:
            DataError: the rows do not have the task's columns, or a label is missing or unknown.
            ModelError: the model's outputs are not finite.

        Example:
            >>> classifier = gluetune.load("runs/first/winners/cola")
            >>> scores = classifier.evaluate(["The cat sat.", "Sat cat the."], ["acceptable", "unacceptable"])
            >>> scores.rows, sorted(scores.metrics)
            (2, ['accuracy', 'matthews_correlation'])
        """
        from gluetune.inference.labelled_rows import as_labelled  # with pyarrow; predictions do not need it

        size = self._checked(batch_size)
        _, scores = evaluate_examples(self, as_labelled(rows, labels, self.task), size, self._distributed())
        return scores

    def _predictions(self, rows: Rows, batch_size: int | None) -> Predictions:
        size = self._checked(batch_size)
        examples = as_examples(rows, self.task)
        if not len(examples):
            return Predictions(self.task, np.zeros((0, self.task.num_labels), np.float32))
        return predict_examples(self, examples, size, self._distributed())

    def _checked(self, batch_size: int | None) -> int:
        size = self.batch_size if batch_size is None else batch_size
        if size < 1:
            raise DataError(f"batch_size must be a whole number >= 1, but got {size}")
        return size

    def _distributed(self) -> DistributedContext:
        return DistributedContext(device=self.device or ("cuda" if torch.cuda.is_available() else "cpu"))


def predict_examples(
    classifier: Classifier, examples: Examples, batch_size: int, distributed: DistributedContext = DistributedContext()
) -> Predictions:
    """Predict every row of ``examples``, whose labels do not matter.

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
    logits = predict_logits(classifier.model, encoded, batch_size, distributed)
    broken = int((~np.isfinite(logits).all(axis=1)).sum())
    if broken:
        raise ModelError(
            f"a model's outputs must be finite, but those for {broken} of {len(logits)} rows of "
            f"{examples.source} are not"
        )
    return Predictions(classifier.task, logits, classifier.thresholds)


def load_classifier(
    folder: str, task: Task, config: DataConfig | None = None, *, device: str | None = None, batch_size: int = 32
) -> Classifier:
    """Load a trained model, such as a search's ``winners/<task>``.

    Args:
        folder: a ``save_pretrained`` folder, by path or URI.
        task: what it shall answer.
        config: gives ``max_seq_length``, of which a model takes what it has positions for, and ``truncation``; ``None``
            takes both from the folder, as training left them there.
        device: what it computes on; ``None`` for a GPU if there is one.
        batch_size: rows per batch.

    Raises:
        ModelError: there is no such folder, it is no trained model, or it answers another task.
    """
    settings = read_text_settings(open_model_folder(folder))
    if config is None:
        config = settings.applied_to(DataConfig()) if settings else DataConfig()
    with local_model_folder(folder) as local:
        model, tokenizer = load_trained(local)
    check_classes(model, task, folder)
    longest = min(config.max_seq_length, int(tokenizer.model_max_length))
    fitted = config.model_copy(update={"max_seq_length": longest})
    thresholds = settings.thresholds_of(task) if settings else None
    return Classifier(task, model, tokenizer, fitted, batch_size, device, thresholds)


@dataclass(frozen=True)
class Scores:
    """Scores of predictions.

    Attributes:
        rows: number of rows.
        metrics: all of the task's metrics.
        loss: mean over rows: cross-entropy (of a multi-label task, the mean over classes too), or squared error for
            regression.
        batches: the primary metric of each batch in row order; 0.0 where a correlation is not defined. Empty where it
            is a function of the user.
        seconds: what tokenising and predicting took.
        classes: scores of each class; ``None`` for a regression.
        thresholds: probability above which a class is predicted, by class; ``None`` for 0.5.
        untuned: where there are thresholds, all metrics with 0.5.
    """

    rows: int
    metrics: dict[str, float]
    loss: float
    batches: tuple[float, ...]
    seconds: float = 0.0
    classes: ClassReport | None = None
    thresholds: dict[str, float] | None = None
    untuned: dict[str, float] | None = None


def evaluate_examples(
    classifier: Classifier, examples: Examples, batch_size: int, distributed: DistributedContext = DistributedContext()
) -> tuple[Predictions, Scores]:
    """Predict labelled rows and score them.

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
    """Score predictions whole and, as the PyTorch tutorial on CoLA prints them, per batch.

    Args:
        predictions: the rows.
        labels: [rows] class ids, or numbers for regression; [rows, classes] 0 and 1 for multi-label.
        batch_size: rows per batch; the last one may be shorter.
        seconds: what predicting took.
    """
    task, logits = predictions.task, predictions.logits
    starts = range(batch_size, len(labels), batch_size)
    parts = zip(np.split(logits, starts), np.split(labels, starts), strict=True)
    own = is_own(task.primary)  # a function of the user may need more rows
    batches = () if own else tuple(metric_value(task.primary, Outputs(task, *p, predictions.thresholds)) for p in parts)
    loss = loss_sum(torch.from_numpy(logits), torch.from_numpy(np.array(labels)), task).item() / len(labels)
    values = compute_metrics(task, logits, labels, predictions.thresholds)
    classes = report_classes(Outputs(task, logits, labels, predictions.thresholds))
    if predictions.thresholds is None:
        return Scores(len(labels), values, loss, batches, seconds, classes)
    thresholds = dict(zip(task.labels, predictions.thresholds.tolist(), strict=True))
    untuned = compute_metrics(task, logits, labels)
    return Scores(len(labels), values, loss, batches, seconds, classes, thresholds, untuned)
