"""The folder of a trained model: the task that it answers, and how text becomes tokens, kept in ``gluetune.json``."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from transformers import PreTrainedModel

from gluetune.config import DataConfig
from gluetune.data.truncation import Truncation
from gluetune.errors import ModelError, did_you_mean
from gluetune.storage import Storage
from gluetune.tasks import TASKS, Task, get_task
from gluetune.tasks.definition import TaskDefinition

SETTINGS_FILE = "gluetune.json"


class TextSettings(BaseModel):
    """What training did to text, beside what the tokenizer's own files say.

    Attributes:
        max_seq_length: most tokens per row, special tokens included.
        truncation: how pairs that are too long are cut, see `gluetune.data.truncation`.
        task: the name of the task that the model answers; ``None`` in folders of earlier versions.
        thresholds: probability above which a class is predicted, by class; ``None`` for 0.5.
        definition: the task itself, where it is one of the user's own files.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    max_seq_length: int = Field(ge=1)
    truncation: Truncation
    task: str | None = None
    thresholds: dict[str, float] | None = None
    definition: TaskDefinition | None = None

    @property
    def cut(self) -> dict[str, int | str]:
        """The settings that are keys of a job's ``data`` section too."""
        return self.model_dump(include={"max_seq_length", "truncation"})

    def of_task(self, task: Task) -> TextSettings:
        """Return the settings of a model that answers a task."""
        definition = TaskDefinition.of(task).without_places() if task.own else None
        return self.model_copy(update={"task": task.name, "definition": definition})

    def thresholds_of(self, task: Task) -> NDArray[np.float64] | None:
        """Return the thresholds in the order of a task's classes; ``None`` for 0.5, and where the classes differ."""
        if self.thresholds is None or set(self.thresholds) != set(task.labels):
            return None
        return np.array([self.thresholds[label] for label in task.labels])

    def write(self, folder: Path) -> None:
        """Write the file into a ``save_pretrained`` folder."""
        unset = {name for name in ("thresholds", "definition") if getattr(self, name) is None}
        (folder / SETTINGS_FILE).write_text(self.model_dump_json(indent=2, exclude=unset) + "\n", encoding="utf-8")

    def applied_to(self, config: DataConfig) -> DataConfig:
        """Return a data section with these settings in it."""
        return config.model_copy(update=self.cut)


def read_text_settings(folder: Storage) -> TextSettings | None:
    """Return the settings that a trained model's folder holds; ``None`` where other software has made it.

    Raises:
        ModelError: the file breaks its format.
    """
    text = folder.read(SETTINGS_FILE)
    if text is None:
        return None
    try:
        return TextSettings.model_validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise ModelError(
            f"{folder.uri(SETTINGS_FILE)} must hold max_seq_length and truncation as training wrote them, but got: "
            f"{where + ': ' if where else ''}{first['msg']}"
        ) from error


def open_model_folder(folder: str) -> Storage:
    """Return the folder of a trained model.

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
def local_model_folder(folder: str) -> Iterator[Path]:
    """Provide the folder on this machine, fetched where it is in a bucket."""
    storage = open_model_folder(folder)
    if storage.local:
        yield Path(storage.uri())
        return
    with tempfile.TemporaryDirectory() as local:
        storage.download("", local)
        yield Path(local)


def class_names(task: Task) -> tuple[str, ...]:
    """Name of a model's outputs, as `gluetune.models.save_pretrained` writes them."""
    return task.labels or (task.name,)


def check_classes(model: PreTrainedModel, task: Task, folder: str) -> None:
    """Refuse a model whose outputs are not the task's: its answers would be read as what they are not."""
    settings: Any = model.config
    names = tuple(str(settings.id2label[number]) for number in range(settings.num_labels))
    if names != class_names(task):
        others = [other.name for other in TASKS.values() if other.train and class_names(other) == names]
        hint = f"; it answers {' or '.join(others)}" if others else ""
        raise ModelError(
            f"the classes of a model for {task.name} must be ({', '.join(class_names(task))}), but those of "
            f"{folder!r} are ({', '.join(names)}){hint}"
        )


def own_task_of(folder: str) -> Task | None:
    """Return the task of the user's own files that a trained model answers; ``None`` where it answers another one.

    Args:
        folder: a ``save_pretrained`` folder, by path or URI.

    Raises:
        ModelError: there is no such folder, or its settings file is broken.
    """
    settings = read_text_settings(open_model_folder(folder))
    return None if settings is None or settings.definition is None else settings.definition.task()


def task_of(folder: str) -> Task:
    """Return the task that a trained model answers, by its settings, its folder's name or its classes.

    Args:
        folder: a ``save_pretrained`` folder, by path or URI.

    Raises:
        ModelError: there is no such folder, or several tasks have the model's classes.
    """
    storage = open_model_folder(folder)
    settings, name = read_text_settings(storage), storage.uri().rstrip("/").rpartition("/")[2]
    if settings is not None and settings.definition is not None:
        return settings.definition.task()
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
    fitting = [task for task in TASKS.values() if task.train and class_names(task) == names]
    if len(fitting) == 1:
        return fitting[0]
    hint = f", and several tasks have its classes: {', '.join(task.name for task in fitting)}" if fitting else ""
    raise ModelError(f"{folder!r} does not say which task its model answers{hint}; name the task (task=…)")
