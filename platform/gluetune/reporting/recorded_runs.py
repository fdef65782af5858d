"""Runs as their folders record them: searches, fine-tuning runs and pre-training runs, also running ones.

Nothing is written, and neither Ray nor MLflow is asked: what is known of a run is known from any machine that reaches
its folder.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from gluetune.config import StorageConfig, Value
from gluetune.errors import StorageError, UserError, did_you_mean
from gluetune.events import JOB_FILE, TrialRecord, ranking
from gluetune.reporting.planned_trials import planned_trials
from gluetune.reporting.progress import busy_seconds
from gluetune.reporting.run_files import RunFiles, RunKind, RunState, TaskLabels, is_run
from gluetune.storage import Storage
from gluetune.tasks.metrics import value_of_score

_LISTED = 10  # names in a message


@dataclass(frozen=True, slots=True)
class RecordedTask:
    """One task of a recorded run.

    Attributes:
        task: the task's name; ``pretraining`` of a pre-training run.
        title: its name in tables.
        metric: name of its primary metric; ``loss`` of a pre-training run.
        trials: number of trials by status.
        planned: number of planned trials; ``None`` where only a time budget ends the search, or it is not known.
        best: the best trial's metric on the selection rows; ``None`` before the first evaluation.
        best_trial: the best trial's name.
        params: its searched fields and their values.
        dev: the primary metric on official development rows by split; empty before the winner was scored.
        seconds: seconds that all trials spent in training and evaluation.
    """

    task: str
    title: str
    metric: str
    trials: Mapping[str, int]
    planned: int | None
    best: float | None
    best_trial: str | None
    params: Mapping[str, Value]
    dev: Mapping[str, float]
    seconds: float


@dataclass(frozen=True, slots=True)
class RecordedRun:
    """A run as its folder records it.

    Attributes:
        name: the run's name.
        folder: its folder, by path or URI.
        kind: ``search``, ``fine-tuning`` (of one configuration) or ``pre-training``.
        state: ``running`` where a process has the folder's lock; ``complete``, ``out_of_time``, ``out_of_budget``,
            ``interrupted`` (also by a kill) or ``failed`` where it has ended; ``unfinished`` in a bucket, which has no
            locks, where the run goes on or was killed; ``unreadable`` where ``message`` says why.
        started: when the first trial started, in seconds since the epoch; ``None`` before.
        updated: when the last event was recorded, in seconds since the epoch; ``None`` before.
        tasks: its tasks, in the order of the job.
        message: why the run is unreadable; empty otherwise.

    Example:
        >>> run = gluetune.runs()[-1]
        >>> run.name, run.kind, run.state, [task.task for task in run.tasks]
        ('first', 'search', 'complete', ['cola'])
    """

    name: str
    folder: str
    kind: RunKind
    state: RunState
    started: float | None
    updated: float | None
    tasks: tuple[RecordedTask, ...]
    message: str = ""


def runs(storage_path: str | os.PathLike[str] | None = None) -> list[RecordedRun]:
    """List the runs of a folder or bucket, the latest first; also those that another process runs at this moment.

    Args:
        storage_path: what contains the runs' folders, by path or URI; ``None`` for ``runs``.

    Returns:
        The runs: searches, fine-tuning runs and pre-training runs.

    Raises:
        StorageError: the folder or bucket cannot be reached.

    Example:
        >>> [(run.name, run.state) for run in gluetune.runs("runs") if run.kind == "search"]
        [('first', 'complete')]
    """
    root = Storage(StorageConfig().path if storage_path is None else os.fspath(storage_path))
    found = [recorded_run(RunFiles(root.sub(name), name)) for name in run_names(root)]
    return sorted(found, key=lambda run: (-(run.started or float("inf")), run.name))


def run_names(root: Storage) -> list[str]:
    """Return the names of the runs in a folder.

    Raises:
        StorageError: the folder cannot be reached.
    """
    return [name for name in root.list() if is_run(root, f"{name}/")]


def find_run(name: str, storage_path: str) -> RunFiles:
    """Return the files of a run.

    Args:
        name: the run's name, or its folder by path or URI.
        storage_path: what contains the runs' folders.

    Raises:
        StorageError: there is no such run; names the nearest one and those there are.
    """
    root = Storage(storage_path)
    for folder in (Storage(name), root.sub(name)):
        if is_run(folder):
            return RunFiles(folder, folder.uri().rstrip("/").rpartition("/")[2])
    known = run_names(root)
    listed = ", ".join(known[:_LISTED]) + (f", … {len(known) - _LISTED} more" if len(known) > _LISTED else "")
    there = f"there are: {listed}" if known else "there are none"
    raise StorageError(
        f"no run {name!r} in {root.uri()} ({there}), nor a run's folder of this name"
        f"{did_you_mean(name.rstrip('/').rpartition('/')[2], known)}"
    )


def recorded_run(files: RunFiles, *, strict: bool = False) -> RecordedRun:
    """Return what a run's folder records.

    Args:
        files: the folder.
        strict: whether a run that cannot be read is an error; else it is ``unreadable``, and says why.

    Raises:
        UserError: with ``strict``, the run cannot be read.
    """
    try:
        state = files.state
        started = min((trial.started for trial in files.trials), default=None)
        tasks = tuple(_task(files, task, labels) for task, labels in files.labels.items())
        return RecordedRun(files.name, files.folder.uri(), files.kind, state, started, files.updated, tasks)
    except UserError as error:
        if strict:
            raise
        kind: RunKind = "search" if files.folder.exists(JOB_FILE) else "pre-training"
        return RecordedRun(files.name, files.folder.uri(), kind, "unreadable", None, None, (), str(error))


def best_value(trial: TrialRecord, metric: str) -> float | None:
    """Return a trial's best metric; of a pre-training run the loss at its last evaluation; ``None`` before the first.

    Args:
        trial: the trial.
        metric: the task's primary metric.
    """
    if trial.pretraining:
        last = trial.pretraining[-1]
        return last.masked_lm_loss + last.next_sentence_loss
    return None if trial.best_score is None else value_of_score(metric, trial.best_score)


def ranked(trials: Iterable[TrialRecord], task: str) -> list[TrialRecord]:
    """Return a task's trials, best first, those without an evaluation last."""
    own = [trial for trial in trials if trial.task == task]
    best = ranking(own, task)
    return best + [trial for trial in own if trial.best_score is None]


def trial_seconds(trial: TrialRecord) -> float:
    """Return the seconds that a trial of any kind has spent in training and evaluation."""
    return busy_seconds(trial) + sum(each.train_seconds + each.eval_seconds for each in trial.pretraining)


def _task(files: RunFiles, task: str, labels: TaskLabels) -> RecordedTask:
    trials = ranked(files.trials, task)
    value = best_value(trials[0], labels.metric) if trials else None
    winner = next((trial.winner for trial in trials if trial.winner), None)
    scores = winner.scores if winner else {}
    return RecordedTask(
        task,
        labels.title,
        labels.metric,
        dict(Counter(str(trial.status) for trial in trials)),
        planned_trials(files, task),
        value,
        None if value is None else trials[0].name,
        {} if value is None else dict(trials[0].params),
        {split: metrics[labels.metric] for split, metrics in scores.items() if labels.metric in metrics},
        sum(map(trial_seconds, trials)),
    )
