"""A trained model put to use: ``jobs/finetune.py --mode eval`` and ``--mode predict``."""

from __future__ import annotations

import json
import re
from collections.abc import Container, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import ray
import torch

from gluetune.cli.flags import ParsedArguments
from gluetune.cli.ray_session import join
from gluetune.cli.session import run_kind
from gluetune.cli.submitted import check_lasting
from gluetune.cli.terminal import Terminal
from gluetune.cluster import Resources, resolve_worker_resources
from gluetune.config import DataConfig, JobConfig, Override, PublishedConfig, load_job, parse_job
from gluetune.data import Examples, find_identical_splits, labelled_eval_splits, open_source, read_file
from gluetune.errors import ConfigError, ConfigIssue, StorageError
from gluetune.events import JOB_FILE, read_run_file, winner_folder
from gluetune.inference import (
    Predictions,
    Scores,
    evaluate_examples,
    existing,
    load_classifier,
    predict_examples,
    read_text_settings,
    write_predictions,
)
from gluetune.reporting import print_batch_metrics, print_metrics
from gluetune.search.remote import run_on_worker
from gluetune.storage import Storage
from gluetune.storage.output_file import check_output
from gluetune.supervisor import report
from gluetune.tasks import get_task
from gluetune.training import DistributedContext

EVALUATION = "evaluation.json"
_NO_DATA = tuple(
    Override(f"data.{field}", value, "--input")
    for field, value in {"source": "synthetic", "dir": None, "dataset": None}.items()
)  # the file is all that is read


@dataclass(frozen=True)
class Trained:
    """Trained models of a job's tasks.

    Attributes:
        job: the job.
        folders: their ``save_pretrained`` folders by task.
        run: the run's folder; ``None`` where a model was named by itself.
    """

    job: JobConfig
    folders: dict[str, str]
    run: Storage | None


def open_trained(arguments: ParsedArguments, terminal: Terminal) -> Trained:
    """Finds the trained models that the arguments mean.

    Raises:
        ConfigError: mistakes in flags or job file.
        StorageError: there is no such run.
    """
    checkpoint = arguments.options.get("--checkpoint")
    overrides = arguments.overrides + (_NO_DATA if checkpoint and "--input" in arguments.options else ())
    job = load_job(arguments.config, overrides, terminal.note)
    check_lasting([("storage.path (--storage-path)", job.storage.path)] if checkpoint is None else [])
    if checkpoint is None:
        run = _latest_run(job, arguments.config)
        terminal.note(f"the trained model is that of run {run.uri()}")
        job = _as_trained(job, run, {override.path for override in overrides})
        return Trained(job, {task: run.uri(winner_folder(task)) for task in job.tasks}, run)
    if len(job.tasks) > 1:
        raise ConfigError(
            [
                ConfigIssue(
                    "--checkpoint", f"answers one task, but the job has {', '.join(job.tasks)}; choose one by --tasks"
                )
            ]
        )
    job = _as_saved(job, existing(checkpoint), {override.path for override in overrides})
    return Trained(job, dict.fromkeys(job.tasks, checkpoint), None)


def _as_trained(job: JobConfig, run: Storage, flags: Container[str]) -> JobConfig:
    """The job with rows cut as the run cut them, unless flags say otherwise."""
    text = read_run_file(run, JOB_FILE)
    if text is None:
        raise StorageError(
            f"{run.uri(JOB_FILE)} must say how the run cut its rows, but there is none; name the model by --checkpoint"
        )
    recorded = parse_job(text, run.uri(JOB_FILE)).data
    cut = {name: getattr(recorded, name) for name in ("max_seq_length", "truncation") if f"data.{name}" not in flags}
    return job.model_copy(update={"data": job.data.model_copy(update=cut)})


def _as_saved(job: JobConfig, folder: Storage, flags: Container[str]) -> JobConfig:
    """The job with rows cut as a saved model says that it was trained, unless flags say otherwise."""
    settings = read_text_settings(folder)
    if settings is None:
        return job
    cut = {name: value for name, value in settings.model_dump().items() if f"data.{name}" not in flags}
    return job.model_copy(update={"data": job.data.model_copy(update=cut)})


def evaluate(trained: Trained, address: str | None, terminal: Terminal) -> None:
    """Scores the models on the official labelled rows, and prints the published figures beside."""
    job, source = trained.job, open_source(trained.job.data)
    rows = {task: labelled_eval_splits(get_task(task), source, job.data, job.seed) for task in job.tasks}
    with _cluster(trained, address, terminal) as resources:
        for task, splits in rows.items():
            scores = run_on_worker(
                resources, _score, trained.folders[task], task, job.data, splits, job.training.eval_batch_size
            )
            figures = {
                f"{split}.{name}": value
                for split, score in scores.items()
                for name, value in (score.metrics | {"loss": score.loss}).items()
            }
            counts = {split: score.rows for split, score in scores.items()}
            print_metrics(
                figures,
                counts,
                _comparable(job.published, counts),
                terminal.out,
                source="; ".join(dict.fromkeys(part.source for part in splits.values())),
                synthetic=any(part.synthetic for part in splits.values()),
                same_rows=find_identical_splits(None, splits),
            )
            if get_task(task).correlation:
                print_batch_metrics(
                    get_task(task).primary,
                    {split: list(score.batches) for split, score in scores.items()},
                    job.training.eval_batch_size,
                    terminal.out,
                )
            if trained.run is not None:
                content = {"task": task, "folder": trained.folders[task], "figures": figures, "rows": counts}
                file = f"report/{task}_{EVALUATION}"
                trained.run.write(file, (json.dumps(content, indent=2) + "\n").encode())
                terminal.out.print(
                    f"written to {trained.run.uri(file)}", soft_wrap=True, highlight=False, markup=False, emoji=False
                )


def _comparable(published: PublishedConfig | None, splits: Container[str]) -> PublishedConfig | None:
    """The published figures of some splits: those of training cannot be measured any more."""
    if published is None:
        return None
    figures = {name: value for name, value in published.figures.items() if name.partition(".")[0] in splits}
    return published.model_copy(update={"figures": figures})


def predict(trained: Trained, options: Mapping[str, str], address: str | None, terminal: Terminal) -> None:
    """Writes labels and probabilities for a file's rows, or for the official test rows.

    Raises:
        ConfigError: a file is named for several tasks.
    """
    job = trained.job
    if len(job.tasks) > 1 and options:
        raise ConfigError(
            [
                ConfigIssue(
                    next(iter(options)),
                    f"goes with one task, but the job has {', '.join(job.tasks)}; choose one by --tasks",
                )
            ]
        )
    rows = {(task, part.split): part for task in job.tasks for part in _to_predict(task, options, job.data)}
    _check_output(options.get("--output"), [split for _, split in rows])
    targets = {(task, split): options.get("--output") or _default_output(trained, task, split) for task, split in rows}
    check_lasting(("--output", target) for target in targets.values())
    for target in targets.values():
        if terminal.data_stream(target) is None:
            check_output(target)
    with _cluster(trained, address, terminal) as resources:
        for (task, split), examples in rows.items():
            answers = run_on_worker(
                resources, _predict, trained.folders[task], task, job.data, examples, job.training.eval_batch_size
            )
            target = targets[task, split]
            write_predictions(answers, terminal.data_stream(target) or target)
            terminal.out.print(
                f"{len(answers):,} rows of {examples.source} → {target}",
                soft_wrap=True,
                highlight=False,
                markup=False,
                emoji=False,
            )


def _check_output(output: str | None, splits: list[str]) -> None:
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


def _to_predict(task: str, options: Mapping[str, str], config: DataConfig) -> list[Examples]:
    if "--input" in options:
        return [read_file(Path(options["--input"]).expanduser(), get_task(task), labels=False)]
    source = open_source(config)
    return [source.load(get_task(task), split, labels=False) for split in get_task(task).test]


def _default_output(trained: Trained, task: str, split: str) -> str:
    file = f"predictions/{task}_{Path(split).stem}.tsv"
    return trained.run.uri(file) if trained.run is not None else file


def _latest_run(job: JobConfig, job_file: str | None) -> Storage:
    """The run that the job names, or the latest one of its file, with trained models for all its tasks."""
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
        "--mode train, or name a model by --checkpoint or a run by --name"
    )


@contextmanager
def _cluster(trained: Trained, address: str | None, terminal: Terminal) -> Iterator[Resources]:
    """Joins Ray; what one worker may take."""
    where = join(address, terminal)
    report(starting=False)
    try:
        lanes = trained.job.lanes.model_copy(update={"max_concurrent_trials": 1, "workers_per_lane": 1})
        resources = resolve_worker_resources(lanes)
        terminal.note(f"running on {where} ({resources})")
        yield resources
    finally:
        ray.shutdown()


def _distributed() -> DistributedContext:
    return DistributedContext(device="cuda" if torch.cuda.is_available() else "cpu")


def _score(
    folder: str,
    task: str,
    config: DataConfig,
    splits: dict[str, Examples],
    batch_size: int,
) -> dict[str, Scores]:
    classifier = load_classifier(folder, get_task(task), config)
    return {
        split: evaluate_examples(replace(classifier, task=get_task(rows.task)), rows, batch_size, _distributed())[1]
        for split, rows in splits.items()
    }


def _predict(folder: str, task: str, config: DataConfig, examples: Examples, batch_size: int) -> Predictions:
    return predict_examples(load_classifier(folder, get_task(task), config), examples, batch_size, _distributed())
