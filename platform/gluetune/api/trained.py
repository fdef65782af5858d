"""The trained models of a job: where they are, how they read text, and one worker that they run on."""

from __future__ import annotations

import logging
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch

from gluetune.api.frontend import Frontend
from gluetune.api.new_runs import unnamed_runs
from gluetune.api.own_tasks import saved_tasks
from gluetune.api.places import check_lasting
from gluetune.api.ray_session import connection
from gluetune.api.session import run_kind
from gluetune.cluster import Resources, resolve_worker_resources, take_snapshot
from gluetune.config import JobConfig, Override, load_job, parse_job
from gluetune.data import DataSource, open_source, reopen_task
from gluetune.errors import ConfigError, ConfigIssue, StorageError
from gluetune.events import JOB_FILE, read_run_file, winner_folder
from gluetune.inference import open_model_folder, own_task_of, read_text_settings
from gluetune.storage import Storage
from gluetune.tasks import Task, get_task
from gluetune.training import DistributedContext

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


def rows_source(trained: Trained, name: str) -> DataSource:
    """Return the source of a task's rows: the job's, or the files that it names for an own task.

    Args:
        trained: the models and their job.
        name: the task's name.

    Raises:
        ConfigError: the task is one of the user's own files, which no job names.
    """
    task, files = trained.tasks[name], trained.job.own_tasks.get(name)
    if not task.own:
        return open_source(trained.job.data)
    if files is None:
        message = "answers a task of your own files, which no job names here: give --run or --config instead"
        raise ConfigError([ConfigIssue("--checkpoint", f"{message}, or rows by --input")])
    return reopen_task(task, files, trained.job.data.cache_dir)


def _latest_run(job: JobConfig, job_file: str | None) -> Storage:
    """Return the run that the job names, or the latest one of its file, with trained models for all its tasks."""
    root, kind = Storage(job.storage.path), run_kind(job, job_file)
    known = [job.name] if job.name else unnamed_runs(kind, root.list())
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
def one_worker(trained: Trained, address: str | None, frontend: Frontend) -> Iterator[Resources]:
    """Connect to Ray, and provide what one worker may take.

    Args:
        trained: the models and their job.
        address: the Ray cluster's.
        frontend: the program around it.
    """
    with connection(frontend):
        where = frontend.connect(address)
        frontend.begin()
        lanes = trained.job.lanes.model_copy(update={"max_concurrent_trials": 1, "workers_per_lane": 1})
        resources = resolve_worker_resources(lanes, take_snapshot())
        logger.info(f"running on {where} ({resources})")
        yield resources


def best_device() -> DistributedContext:
    """Return the context of a single worker on a GPU, if there is one."""
    return DistributedContext(device="cuda" if torch.cuda.is_available() else "cpu")


def check_one_task(job: JobConfig, files: Mapping[str, str | None]) -> None:
    """Refuse files of rows or answers beside several tasks.

    Args:
        job: the job.
        files: the files by flag; ``None`` for those that are not given.

    Raises:
        ConfigError: the job has several tasks, and a file is given.
    """
    given = [flag for flag, file in files.items() if file is not None]
    if len(job.tasks) > 1 and given:
        message = f"goes with one task, but the job has {', '.join(job.tasks)}; choose one by --tasks"
        raise ConfigError([ConfigIssue(given[0], message)])


def check_output_name(output: str, is_stream: Callable[[str], bool], check_ending: Callable[[str], object]) -> None:
    """Check the name of an output file.

    Args:
        output: the file.
        is_stream: whether a target is an open stream of the process.
        check_ending: raises a `ConfigError` for a file whose ending names no format.

    Raises:
        ConfigError: it is a folder, or its ending names no format.
    """
    if output.endswith("/") or Path(output).is_dir():
        raise ConfigError([ConfigIssue("--output", f"must be a file, but got the folder {output!r}")])
    if not is_stream(output):
        check_ending(output)
