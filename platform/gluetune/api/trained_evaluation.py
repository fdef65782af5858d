"""Scores of a job's trained models: on the official labelled rows, or on a labelled file of the user's."""

from __future__ import annotations

import json
from collections.abc import Callable, Container, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import PurePosixPath
from typing import Any

from gluetune.api.frontend import Frontend
from gluetune.api.places import check_lasting
from gluetune.api.trained import (
    Trained,
    best_device,
    check_one_task,
    check_output_name,
    one_worker,
    rows_source,
)
from gluetune.config import DataConfig, PublishedConfig
from gluetune.data import Examples, labelled_eval_splits, read_labelled_file
from gluetune.errors import ConfigError, ConfigIssue
from gluetune.inference import Scores, evaluate_examples, load_classifier
from gluetune.search.ray_tasks import run_on_worker
from gluetune.storage.output_file import check_output, replaces
from gluetune.tasks import Task, scored_task

FILE_ROWS = "input"
"""Stands for the rows of a file among the splits of an evaluation."""

_RECORD = "evaluation.json"


@dataclass(frozen=True)
class TaskEvaluation:
    """Scores of one task's model on the official labelled rows, or on those of the user's own files.

    Attributes:
        task: the task.
        folder: the model's folder.
        splits: the rows, by split; those of a file as `FILE_ROWS`.
        scores: the scores, by split.
        published: figures of others for these splits.
        batch_size: rows per batch.
        file: where the figures are recorded; ``None`` for a model that is of no run, and for a file's rows.
    """

    task: Task
    folder: str
    splits: dict[str, Examples]
    scores: dict[str, Scores]
    published: PublishedConfig | None
    batch_size: int
    file: str | None

    @property
    def figures(self) -> dict[str, float]:
        """All metrics and losses, by ``<split>.<metric>``."""
        return {
            f"{split}.{name}": value
            for split, score in self.scores.items()
            for name, value in (score.metrics | {"loss": score.loss}).items()
        }

    @property
    def untuned(self) -> dict[str, float]:
        """All metrics with thresholds of 0.5, by ``<split>.<metric>``; empty where the model has no thresholds."""
        return {
            f"{split}.{name}": value
            for split, score in self.scores.items()
            for name, value in (score.untuned or {}).items()
        }

    @property
    def rows(self) -> dict[str, int]:
        """Numbers of rows, by split."""
        return {split: score.rows for split, score in self.scores.items()}

    def to_json(self) -> bytes:
        """Return all figures as a JSON object.

        Its keys are ``task``, ``folder``, and ``splits``: an object by split with ``source``, ``rows``, ``loss``,
        ``metrics``, ``thresholds`` and ``untuned_metrics`` (null for 0.5), and ``classes`` (null for a regression).
        """
        splits = {split: _split_record(self.splits[split].source, score) for split, score in self.scores.items()}
        content = {"task": self.task.name, "folder": self.folder, "splits": splits}
        return (json.dumps(content, indent=2, allow_nan=False, ensure_ascii=False) + "\n").encode()


def _split_record(source: str, score: Scores) -> dict[str, Any]:
    return {
        "source": source,
        "rows": score.rows,
        "loss": score.loss,
        "metrics": score.metrics,
        "thresholds": score.thresholds,
        "untuned_metrics": score.untuned,
        "classes": None if score.classes is None else asdict(score.classes),
    }


def evaluate_trained(
    trained: Trained,
    address: str | None,
    frontend: Frontend,
    *,
    rows_file: str | None = None,
    output: str | None = None,
    is_stream: Callable[[str], bool] = lambda target: False,
) -> Iterator[TaskEvaluation]:
    """Score the models on the official labelled rows, and record the figures in the run's folder; or on a file's rows.

    Args:
        trained: the models.
        address: the Ray cluster's.
        frontend: the program around it.
        rows_file: a file with the task's text and label columns; ``None`` for the official labelled rows.
        output: the JSON file that the caller will write the figures to; it is checked before anything is scored.
        is_stream: whether a target is an open stream of the process, which need not be checked.

    Raises:
        ConfigError: a file is named for several tasks, or the output is no ``.json`` file.
        DataError: the rows cannot be read, or have no labels.
        StorageError: the output cannot be written.
    """
    job = trained.job
    check_one_task(job, {"--input": rows_file, "--output": output})
    rows = {name: _labelled_rows(trained, name, rows_file) for name in trained.tasks}
    if output is not None:
        _check_output(output, is_stream)
    size = job.training.eval_batch_size
    with one_worker(trained, address, frontend) as resources:
        for name, splits in rows.items():
            task, folder = trained.tasks[name], trained.folders[name]
            scores = run_on_worker(resources, _score, folder, task, job.data, splits, size)
            published = _comparable(job.published, scores) if rows_file is None else None
            recorded = f"report/{name}_{_RECORD}" if trained.run is not None and rows_file is None else None
            file = None if recorded is None else trained.folder_uri(recorded)
            found = TaskEvaluation(task, folder, splits, scores, published, size, file)
            if trained.run is not None and recorded is not None:
                content = {"task": name, "folder": folder, "figures": found.figures, "rows": found.rows}
                trained.run.write(recorded, (json.dumps(content, indent=2, allow_nan=False) + "\n").encode())
            yield found


def _labelled_rows(trained: Trained, name: str, rows_file: str | None) -> dict[str, Examples]:
    """Return the rows that a task's model is scored on, by split.

    Raises:
        ConfigError: the task is one of the user's own files, and no labelled validation or test rows are known.
        DataError: the file cannot be read, or has no labels.
    """
    if rows_file is not None:
        return {FILE_ROWS: read_labelled_file(rows_file, trained.tasks[name])}
    splits = labelled_eval_splits(trained.tasks[name], rows_source(trained, name), trained.job.data, trained.job.seed)
    if not splits:
        message = (
            f"has no labelled rows but those of train: give the task validation or test rows (tasks.{name}.test), or "
            "rows by --input"
        )
        raise ConfigError([ConfigIssue(f"tasks.{name}", message)])
    return splits


def _check_output(output: str, is_stream: Callable[[str], bool]) -> None:
    check_output_name(output, is_stream, _check_ending)
    check_lasting([("--output", output)])
    if not is_stream(output):
        check_output(output)


def _check_ending(output: str) -> None:
    if replaces(output) and PurePosixPath(output).suffix.lower() != ".json":
        raise ConfigError([ConfigIssue("--output", f"must be a file that ends in .json, but got {output}")])


def _comparable(published: PublishedConfig | None, splits: Container[str]) -> PublishedConfig | None:
    """Return the published figures of some splits: those of training cannot be measured any more."""
    if published is None:
        return None
    figures = {name: value for name, value in published.figures.items() if name.partition(".")[0] in splits}
    return published.model_copy(update={"figures": figures})


def _score(
    folder: str,
    task: Task,
    config: DataConfig,
    splits: dict[str, Examples],
    batch_size: int,
) -> dict[str, Scores]:
    classifier = load_classifier(folder, task, config)
    return {
        split: evaluate_examples(
            replace(classifier, task=scored_task(task, rows.task)), rows, batch_size, best_device()
        )[1]
        for split, rows in splits.items()
    }
