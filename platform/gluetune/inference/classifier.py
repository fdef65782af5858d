"""Trained classifiers, from the folders that searches write."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from gluetune.config import DataConfig
from gluetune.data import Examples, encode_rows
from gluetune.errors import DataError, ModelError, did_you_mean
from gluetune.inference.predictions import Predictions
from gluetune.inference.rows import Rows, as_examples
from gluetune.inference.text_settings import read_text_settings
from gluetune.models import check_token_ids, load_trained, move_to_device
from gluetune.storage import Storage
from gluetune.tasks import TASKS, Task, get_task
from gluetune.training import DistributedContext, predict_logits


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

    def predict(self, rows: Rows, *, batch_size: int | None = None) -> list[str] | list[float]:
        """Predicts the label of each row, or its number where the task is a regression.

        Args:
            rows: a list of texts; of pairs of texts for a task of two text columns, such as
                ``[("A man sleeps.", "No one sleeps.")]``; of dicts from the task's text columns to texts; a NumPy array
                of texts or pairs; or a DataFrame with the text columns.
            batch_size: rows per batch; ``None`` for `batch_size`.

        Returns:
            One label or number for each row, in row order.

        Raises:
            DataError: the rows do not have the task's columns, or a value is no text.
            ModelError: the model's outputs are not finite.

        Example:
            >>> len(gluetune.load("runs/first", "cola").predict(["It rains.", "Rains it."], batch_size=1))
            2
        """
        found = self._predictions(rows, batch_size)
        return [float(score) for score in found.scores] if self.task.regression else found.labels

    def predict_proba(self, rows: Rows, *, batch_size: int | None = None) -> NDArray[np.float64]:
        """Predicts the probability of each class.

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

    def _predictions(self, rows: Rows, batch_size: int | None) -> Predictions:
        device = self.device or ("cuda" if torch.cuda.is_available() else "cpu")
        size = self.batch_size if batch_size is None else batch_size
        if size < 1:
            raise DataError(f"batch_size must be a whole number >= 1, but got {size}")
        examples = as_examples(rows, self.task)
        if not len(examples):
            return Predictions(self.task, np.zeros((0, self.task.num_labels), np.float32))
        return predict_examples(self, examples, size, DistributedContext(device=device))


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
    logits = predict_logits(classifier.model, encoded, batch_size, distributed)
    broken = int((~np.isfinite(logits).all(axis=1)).sum())
    if broken:
        raise ModelError(
            f"a model's outputs must be finite, but those for {broken} of {len(logits)} rows of "
            f"{examples.source} are not"
        )
    return Predictions(classifier.task, logits)


def load_classifier(
    folder: str, task: Task, config: DataConfig | None = None, *, device: str | None = None, batch_size: int = 32
) -> Classifier:
    """Loads a trained model, such as a search's ``winners/<task>``.

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
    if config is None:
        settings = read_text_settings(existing(folder))
        config = settings.applied_to(DataConfig()) if settings else DataConfig()
    with _local(folder) as local:
        model, tokenizer = load_trained(local)
    _check_classes(model, task, folder)
    longest = min(config.max_seq_length, int(tokenizer.model_max_length))
    fitted = config.model_copy(update={"max_seq_length": longest})
    return Classifier(task, model, tokenizer, fitted, batch_size, device)


def existing(folder: str) -> Storage:
    """The folder of a trained model.

    Raises:
        ModelError: there is none; names the nearest.
    """
    storage = Storage(folder)
    if not storage.exists():
        parent, _, name = storage.uri().rpartition("/")
        raise ModelError(
            f"a trained model must be a folder that exists, but got {folder!r}"
            f"{did_you_mean(name, Storage(parent or '/').list())}"
        )
    return storage


@contextmanager
def _local(folder: str) -> Iterator[Path]:
    """The folder on this machine, fetched where it is in a bucket."""
    storage = existing(folder)
    if storage.local:
        yield Path(storage.uri())
        return
    with tempfile.TemporaryDirectory() as local:
        storage.download("", local)
        yield Path(local)


def _classes(task: Task) -> tuple[str, ...]:
    """Names of a model's outputs, as `gluetune.models.save_pretrained` writes them."""
    return task.labels or (task.name,)


def _check_classes(model: PreTrainedModel, task: Task, folder: str) -> None:
    """Refuses a model whose outputs are not the task's: its answers would be read as what they are not."""
    settings: Any = model.config
    names = tuple(str(settings.id2label[number]) for number in range(settings.num_labels))
    if names != _classes(task):
        others = [other.name for other in TASKS.values() if other.train and _classes(other) == names]
        hint = f"; it answers {' or '.join(others)}" if others else ""
        raise ModelError(
            f"the classes of a model for {task.name} must be ({', '.join(_classes(task))}), but those of "
            f"{folder!r} are ({', '.join(names)}){hint}"
        )


def task_of(folder: str) -> Task:
    """The task that a trained model answers, by its settings, its folder's name or its classes.

    Args:
        folder: a ``save_pretrained`` folder, by path or URI.

    Raises:
        ModelError: there is no such folder, or several tasks have the model's classes.
    """
    storage = existing(folder)
    settings, name = read_text_settings(storage), storage.uri().rstrip("/").rpartition("/")[2]
    if settings is not None and settings.task is not None:
        return get_task(settings.task)
    if name in TASKS:
        return TASKS[name]
    text = storage.read("config.json")
    if text is None:
        raise ModelError(f"a trained model's folder must hold config.json, but {storage.uri()} does not")
    try:
        classes = json.loads(text).get("id2label", {})
        names = tuple(str(classes[str(number)]) for number in range(len(classes)))
    except (ValueError, KeyError, AttributeError) as error:
        raise ModelError(f"{storage.uri('config.json')} must hold the model's settings as JSON: {error}") from error
    fitting = [task for task in TASKS.values() if task.train and _classes(task) == names]
    if len(fitting) == 1:
        return fitting[0]
    hint = f", and several tasks have its classes: {', '.join(task.name for task in fitting)}" if fitting else ""
    raise ModelError(f"{folder!r} does not say which task its model answers{hint}; name the task (task=…)")
