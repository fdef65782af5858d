"""Predictions of a job's trained models: for a file of the user's, or for the official test rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

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
from gluetune.config import DataConfig
from gluetune.data import Examples, read_file
from gluetune.errors import ConfigError, ConfigIssue
from gluetune.inference import Predictions, load_classifier, predict_examples, prediction_format
from gluetune.search.ray_tasks import run_on_worker
from gluetune.storage.output_file import check_output
from gluetune.tasks import Task


@dataclass(frozen=True)
class TaskPredictions:
    """Predictions of one task's model for a file or a split.

    Attributes:
        predictions: one for each row, in row order.
        source: where the rows come from, in words.
        target: the file that they are to be written to.
    """

    predictions: Predictions
    source: str
    target: str


def predict_trained(
    trained: Trained,
    address: str | None,
    frontend: Frontend,
    *,
    rows_file: str | None = None,
    output: str | None = None,
    is_stream: Callable[[str], bool] = lambda target: False,
) -> Iterator[TaskPredictions]:
    """Predict a file's rows, or the official test rows.

    Args:
        trained: the models.
        address: the Ray cluster's.
        frontend: the program around it.
        rows_file: a file with the task's text columns; ``None`` for the official test rows.
        output: the file to write to, whose ending names its format; ``None`` for one in the run's folder.
        is_stream: whether a target is an open stream of the process, which need not be checked.

    Raises:
        ConfigError: a file is named for several tasks, or for several splits, or its ending names no format.
    """
    job = trained.job
    check_one_task(job, {"--input": rows_file, "--output": output})
    rows = {(name, part.split): part for name in trained.tasks for part in _to_predict(trained, name, rows_file)}
    _check_output(output, [split for _, split in rows], is_stream)
    targets = {(task, split): output or _default_output(trained, task, split) for task, split in rows}
    check_lasting(("--output", target) for target in targets.values())
    for target in targets.values():
        if not is_stream(target):
            check_output(target)
    with one_worker(trained, address, frontend) as resources:
        for (task, split), examples in rows.items():
            size = job.training.eval_batch_size
            model = trained.folders[task], trained.tasks[task]
            answers = run_on_worker(resources, _predict, *model, job.data, examples, size)
            yield TaskPredictions(answers, examples.source, targets[task, split])


def _check_output(output: str | None, splits: list[str], is_stream: Callable[[str], bool]) -> None:
    if output is None:
        return
    if len(splits) > 1:
        message = f"takes one file's rows, but there are {', '.join(splits)}; leave it out, or choose a file by --input"
        raise ConfigError([ConfigIssue("--output", message)])
    check_output_name(output, is_stream, prediction_format)


def _to_predict(trained: Trained, name: str, rows_file: str | None) -> list[Examples]:
    task = trained.tasks[name]
    if rows_file is not None:
        return [read_file(rows_file, task, labels=False)]
    if not task.test:
        raise ConfigError([ConfigIssue("--input", f"must be given: {name} has no test rows")])
    source = rows_source(trained, name)
    return [source.load(task, split, labels=False) for split in task.test]


def _default_output(trained: Trained, task: str, split: str) -> str:
    file = f"predictions/{task}_{Path(split).stem}.tsv"
    return trained.run.uri(file) if trained.run is not None else file


def _predict(folder: str, task: Task, config: DataConfig, examples: Examples, batch_size: int) -> Predictions:
    return predict_examples(load_classifier(folder, task, config), examples, batch_size, best_device())
