"""Trained models of a job: scored on official rows, and asked for predictions."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable, Container, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from gluetune.api.frontend import Frontend
from gluetune.api.own_tasks import saved_tasks
from gluetune.api.places import check_lasting
from gluetune.api.ray_session import connection
from gluetune.api.session import run_kind
from gluetune.cluster import Resources, resolve_worker_resources, take_snapshot
from gluetune.config import DataConfig, JobConfig, Override, PublishedConfig, load_job, parse_job
from gluetune.data import DataSource, Examples, labelled_eval_splits, open_source, read_file, reopen_task
from gluetune.errors import ConfigError, ConfigIssue, StorageError
from gluetune.events import JOB_FILE, read_run_file, winner_folder
from gluetune.inference import (
    Predictions,
    Scores,
    evaluate_examples,
    load_classifier,
    open_model_folder,
    own_task_of,
    predict_examples,
    prediction_format,
    read_text_settings,
)
from gluetune.search.ray_tasks import run_on_worker
from gluetune.storage import Storage
from gluetune.storage.output_file import check_output
from gluetune.tasks import Task, get_task, scored_task
from gluetune.training import DistributedContext

EVALUATION = "evaluation.json"
logger = logging.getLogger(__name__)
_NO_DATA = tuple(
    Override(f"data.{field}", value, "--input")
    for field, value in {"source": "synthetic", "dir": None, "dataset": None}.items()
)  # the file is all that is read


@dataclass(frozen=True)
class Trained:
    """Trained models of a job's tasks.

    Attributes:
        job: the job.
        tasks: the tasks by name.
        folders: their ``save_pretrained`` folders by name.
        run: the run's folder; ``None`` where a model was named by itself.
    """

    job: JobConfig
    tasks: dict[str, Task]
    folders: dict[str, str]
    run: Storage | None

    def folder_uri(self, file: str) -> str | None:
        """Where a file of the run's folder is; ``None`` where a model was named by itself."""
        return None if self.run is None else self.run.uri(file)


def open_trained(
    job_file: str | None, overrides: Sequence[Override] = (), *, checkpoint: str | None = None, reads_data: bool = True
) -> Trained:
    """Find the trained models of a job.

    Args:
        job_file: the job file.
        overrides: values on top of it.
        checkpoint: the folder of a trained model; ``None`` takes the models of the job's latest run.
        reads_data: whether the job's data is read; a model that is named and a file of rows need none.

    Raises:
        ConfigError: mistakes in the values or the job file.
        StorageError: there is no such run.
    """
    own = None if checkpoint is None else own_task_of(checkpoint)
    chosen = [override for override in overrides if own is None or override.path != "tasks"]
    reads_data = reads_data and own is None
    job = load_job(job_file, (*chosen, *(() if reads_data else _NO_DATA)), reads_files=False)
    given = {override.path for override in overrides}
    check_lasting([("storage.path (--storage-path)", job.storage.path)] if checkpoint is None else [])
    if checkpoint is None:
        run = _latest_run(job, job_file)
        logger.info(f"the trained model is that of run {run.uri()}")
        job, saved = _as_trained(job, run, given), saved_tasks(run)
        tasks = {name: saved[name] if name in saved else get_task(name) for name in job.tasks}
        return Trained(job, tasks, {name: run.uri(winner_folder(name)) for name in tasks}, run)
    if own is not None:
        _check_chosen(own, overrides)
        job = job.model_copy(update={"tasks": {own.name: job.own_tasks.get(own.name, 1.0)}})
    if len(job.tasks) > 1:
        raise ConfigError(
            [
                ConfigIssue(
                    "--checkpoint", f"answers one task, but the job has {', '.join(job.tasks)}; choose one by --tasks"
                )
            ]
        )
    job = _as_saved(job, open_model_folder(checkpoint), given)
    tasks = {name: own or get_task(name) for name in job.tasks}
    return Trained(job, tasks, dict.fromkeys(tasks, checkpoint), None)


def _check_chosen(own: Task, overrides: Sequence[Override]) -> None:
    """Refuse another task than the one that a model of the user's own files answers.

    Raises:
        ConfigError: ``--tasks`` names another one.
    """
    chosen = [override.value for override in overrides if override.path == "tasks"]
    if chosen and chosen[-1] not in (own.name, [own.name]):
        raise ConfigError(
            [ConfigIssue("--tasks", f"must be {own.name}, which the model answers, but got {chosen[-1]}")]
        )


def _as_trained(job: JobConfig, run: Storage, flags: Container[str]) -> JobConfig:
    """Return the job with rows cut as the run cut them, unless flags say otherwise."""
    text = read_run_file(run, JOB_FILE)
    if text is None:
        raise StorageError(
            f"{run.uri(JOB_FILE)} must say how the run cut its rows, but there is none; name the model by --checkpoint"
        )
    recorded = parse_job(text, run.uri(JOB_FILE)).data
    cut = {name: getattr(recorded, name) for name in ("max_seq_length", "truncation") if f"data.{name}" not in flags}
    return job.model_copy(update={"data": job.data.model_copy(update=cut)})


def _as_saved(job: JobConfig, folder: Storage, flags: Container[str]) -> JobConfig:
    """Return the job with rows cut as a saved model says that it was trained, unless flags say otherwise."""
    settings = read_text_settings(folder)
    if settings is None:
        return job
    cut = {name: value for name, value in settings.cut.items() if f"data.{name}" not in flags}
    return job.model_copy(update={"data": job.data.model_copy(update=cut)})


@dataclass(frozen=True)
class TaskEvaluation:
    """Scores of one task's model on the official labelled rows, or on those of the user's own files.

    Attributes:
        task: the task.
        splits: the rows, by split.
        scores: the scores, by split.
        published: figures of others for these splits.
        batch_size: rows per batch.
        file: where the figures are recorded; ``None`` for a model that is of no run.
    """

    task: Task
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
    def rows(self) -> dict[str, int]:
        """Numbers of rows, by split."""
        return {split: score.rows for split, score in self.scores.items()}


def evaluate_trained(trained: Trained, address: str | None, frontend: Frontend) -> Iterator[TaskEvaluation]:
    """Score the models on the official labelled rows, and record the figures in the run's folder.

    Args:
        trained: the models.
        address: the Ray cluster's.
        frontend: the program around it.
    """
    job = trained.job
    rows = {name: _labelled_rows(trained, name) for name in trained.tasks}
    size = job.training.eval_batch_size
    with _one_worker(trained, address, frontend) as resources:
        for name, splits in rows.items():
            task, folder = trained.tasks[name], trained.folders[name]
            scores = run_on_worker(resources, _score, folder, task, job.data, splits, size)
            published = _comparable(job.published, scores)
            file = f"report/{name}_{EVALUATION}"
            found = TaskEvaluation(task, splits, scores, published, size, trained.folder_uri(file))
            if trained.run is not None:
                content = {"task": name, "folder": folder, "figures": found.figures, "rows": found.rows}
                trained.run.write(file, (json.dumps(content, indent=2, allow_nan=False) + "\n").encode())
            yield found


def _labelled_rows(trained: Trained, name: str) -> dict[str, Examples]:
    """Return the rows that a task's model is scored on, by split.

    Raises:
        ConfigError: the task is one of the user's own files, and no labelled validation or test rows are known.
    """
    rows = labelled_eval_splits(trained.tasks[name], _source(trained, name), trained.job.data, trained.job.seed)
    if not rows:
        message = f"has no labelled rows but those of train: give the task validation or test rows (tasks.{name}.test)"
        raise ConfigError([ConfigIssue(f"tasks.{name}", message)])
    return rows


def _source(trained: Trained, name: str) -> DataSource:
    """Return the source of a task's rows: the job's, or the files that it names for an own task."""
    task, files = trained.tasks[name], trained.job.own_tasks.get(name)
    if not task.own:
        return open_source(trained.job.data)
    if files is None:
        message = "answers a task of your own files, which no job names here: give --run or --config instead"
        raise ConfigError([ConfigIssue("--checkpoint", f"{message}, or rows to predict by --input")])
    return reopen_task(task, files, trained.job.data.cache_dir)


def _comparable(published: PublishedConfig | None, splits: Container[str]) -> PublishedConfig | None:
    """Return the published figures of some splits: those of training cannot be measured any more."""
    if published is None:
        return None
    figures = {name: value for name, value in published.figures.items() if name.partition(".")[0] in splits}
    return published.model_copy(update={"figures": figures})


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
    named = [flag for flag, value in (("--input", rows_file), ("--output", output)) if value is not None]
    if len(job.tasks) > 1 and named:
        message = f"goes with one task, but the job has {', '.join(job.tasks)}; choose one by --tasks"
        raise ConfigError([ConfigIssue(named[0], message)])
    rows = {(name, part.split): part for name in trained.tasks for part in _to_predict(trained, name, rows_file)}
    _check_output(output, [split for _, split in rows], is_stream)
    targets = {(task, split): output or _default_output(trained, task, split) for task, split in rows}
    check_lasting(("--output", target) for target in targets.values())
    for target in targets.values():
        if not is_stream(target):
            check_output(target)
    with _one_worker(trained, address, frontend) as resources:
        for (task, split), examples in rows.items():
            size = job.training.eval_batch_size
            model = trained.folders[task], trained.tasks[task]
            answers = run_on_worker(resources, _predict, *model, job.data, examples, size)
            yield TaskPredictions(answers, examples.source, targets[task, split])


def _check_output(output: str | None, splits: list[str], is_stream: Callable[[str], bool]) -> None:
    if output is None:
        return
    if len(splits) > 1:
        raise ConfigError(
            [
                ConfigIssue(
                    "--output",
                    f"takes one file's rows, but there are {', '.join(splits)}; leave it "
                    "out, or choose a file by --input",
                )
            ]
        )
    if output.endswith("/") or Path(output).is_dir():
        raise ConfigError([ConfigIssue("--output", f"must be a file, but got the folder {output!r}")])
    if not is_stream(output):
        prediction_format(output)


def _to_predict(trained: Trained, name: str, rows_file: str | None) -> list[Examples]:
    task = trained.tasks[name]
    if rows_file is not None:
        return [read_file(Path(rows_file).expanduser(), task, labels=False)]
    if not task.test:
        raise ConfigError([ConfigIssue("--input", f"must be given: {name} has no test rows")])
    source = _source(trained, name)
    return [source.load(task, split, labels=False) for split in task.test]


def _default_output(trained: Trained, task: str, split: str) -> str:
    file = f"predictions/{task}_{Path(split).stem}.tsv"
    return trained.run.uri(file) if trained.run is not None else file


def _latest_run(job: JobConfig, job_file: str | None) -> Storage:
    """Return the run that the job names, or the latest one of its file, with trained models for all its tasks."""
    root, kind = Storage(job.storage.path), run_kind(job, job_file)
    started = re.compile(re.escape(kind) + r"-\d{8}-\d{6}")
    known = [job.name] if job.name else sorted(filter(started.fullmatch, root.list()))
    for name in reversed(known):
        run = root.sub(name)
        if all(run.exists(f"{winner_folder(task)}/config.json") for task in job.tasks):
            return run
    wanted = f"run {job.name!r}" if job.name else f"run of {kind}"
    raise StorageError(
        f"no {wanted} with a trained model for {', '.join(job.tasks)} is in {root.uri()}; train one by "
        "gluetune finetune, or name a model by --checkpoint or a run by --run (with gluetune finetune: by --name)"
    )


@contextmanager
def _one_worker(trained: Trained, address: str | None, frontend: Frontend) -> Iterator[Resources]:
    """Connect to Ray, and provide what one worker may take."""
    with connection(frontend):
        where = frontend.connect(address)
        frontend.begin()
        lanes = trained.job.lanes.model_copy(update={"max_concurrent_trials": 1, "workers_per_lane": 1})
        resources = resolve_worker_resources(lanes, take_snapshot())
        logger.info(f"running on {where} ({resources})")
        yield resources


def _distributed() -> DistributedContext:
    return DistributedContext(device="cuda" if torch.cuda.is_available() else "cpu")


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
            replace(classifier, task=scored_task(task, rows.task)), rows, batch_size, _distributed()
        )[1]
        for split, rows in splits.items()
    }


def _predict(folder: str, task: Task, config: DataConfig, examples: Examples, batch_size: int) -> Predictions:
    return predict_examples(load_classifier(folder, task, config), examples, batch_size, _distributed())
