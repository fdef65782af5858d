"""Finished runs made by hand: job file, journal and tiny random winners, for the tests that read runs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gluetune.config import DataConfig, JobConfig, TrainingConfig, dump_job
from gluetune.events import Journal, TrialStarted, WinnerEvaluated
from gluetune.storage import Storage
from gluetune.tasks import get_task
from sample_search import BEGIN, ended, evaluated
from tiny_classifiers import write_classifier


def write_run(root: Path, name: str, scores: Mapping[str, float], **data: Any) -> Path:
    """Write a run in which one trial per task was evaluated once and won.

    Args:
        root: the folder of all runs.
        name: the run's name.
        scores: the winners' selection scores by task.
        data: values of the job's ``data`` section.
    """
    folder = root / name
    storage = Storage(str(folder))
    job = JobConfig(name=name, tasks=dict.fromkeys(scores, 1.0), data=DataConfig(max_seq_length=32, **data))
    storage.write("job.yaml", dump_job(job).encode())
    journal = Journal(storage)
    training = TrainingConfig(eval_batch_size=64).model_dump()
    for number, (task, score) in enumerate(scores.items()):
        metrics = {get_task(task).primary: score}
        journal.append(TrialStarted(time=BEGIN, number=number, task=task, params={}, training=training, seed=number))
        journal.append(evaluated(number, 1, score, metrics=metrics, steps_per_epoch=10, step=10, total_steps=10))
        journal.append(ended(number))
        saved = write_classifier(folder / "winners" / task, get_task(task), seed=number)
        journal.append(
            WinnerEvaluated(
                time=BEGIN + 900, number=number, task=task, scores={"validation": metrics}, folder=str(saved)
            )
        )
    return folder
