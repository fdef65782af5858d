"""Trained classifiers, from the folders that searches write."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from gluetune.config import DataConfig
from gluetune.errors import ModelError, did_you_mean
from gluetune.inference.text_settings import read_text_settings
from gluetune.models import load_trained
from gluetune.storage import Storage
from gluetune.tasks import TASKS, Task


@dataclass(frozen=True)
class Classifier:
    """A trained model with all it takes to answer rows of text.

    Attributes:
        task: what it answers.
        model: one output per class, or a single one for regression.
        tokenizer: its tokenizer.
        config: how rows become tokens: ``max_seq_length`` and ``truncation``.
    """

    task: Task
    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    config: DataConfig


def load_classifier(folder: str, task: Task, config: DataConfig | None = None) -> Classifier:
    """Loads a trained model, such as a search's ``winners/<task>``.

    Args:
        folder: a ``save_pretrained`` folder, by path or URI.
        task: what it shall answer.
        config: gives ``max_seq_length``, of which a model takes what it has positions for, and ``truncation``; ``None``
            takes both from the folder, as training left them there.

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
    return Classifier(task, model, tokenizer, config.model_copy(update={"max_seq_length": longest}))


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
