"""From the winners of finished runs to the zip of a submission."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gluetune.config import DataConfig, Override, TrainingConfig, parse_job
from gluetune.data import DataSource, Examples, open_source
from gluetune.errors import ConfigError, ConfigIssue, StorageError, did_you_mean
from gluetune.events import JOB_FILE, JournalReader, RunInputs, TrialRecord, load_inputs, read_run_file, winner_folder
from gluetune.inference.classifier import Classifier, load_classifier, predict_examples
from gluetune.inference.submission import (
    FILES,
    MODEL_TASKS,
    SubmissionFile,
    check_archive,
    check_submission,
    load_test,
    write_archive,
)
from gluetune.storage import Storage
from gluetune.storage.output_file import check_output, replaces
from gluetune.tasks import get_task
from gluetune.training import DistributedContext

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Answers:
    """What one file of a submission says.

    Attributes:
        file: the file.
        values: predictions as they are spelled, in row order.
        by: the winner that gave them; ``None`` where they are constant.
        constant: how the constant was chosen, in words.
        synthetic: whether gluetune generated the rows they answer.
    """

    file: SubmissionFile
    values: list[str]
    by: Winner | None
    constant: str = ""
    synthetic: bool = False


def missing_tasks(winners: Mapping[str, Winner]) -> list[str]:
    """Return the tasks that a submission takes a winner of and that have none."""
    return [task for task in MODEL_TASKS if task not in winners]


def export_submission(
    winners: Mapping[str, Winner],
    path: str | Path,
    distributed: DistributedContext,
    *,
    fill_missing: bool = False,
    batch_size: int | None = None,
) -> list[Answers]:
    """Predict all test rows, write the zip and read it back (from a device or a pipe nothing is read back).

    Args:
        winners: by task; at least one.
        path: the zip, local or by URI.
        distributed: the device to predict on.
        fill_missing: whether tasks without a winner get constant predictions; the rows of their files come from the
            first winner's data, or are as many as the official ones where that lacks them.
        batch_size: rows per batch; ``None`` is what each winner's run evaluated with.

    Returns:
        The answers in the order of `FILES`.

    Raises:
        ConfigError: a task has no winner and is not to be filled.
        DataError: test rows are missing or not the official ones.
        ModelError: a winner's model cannot be used.
        StorageError: the zip cannot be written.
    """
    missing = missing_tasks(winners)
    if missing and not fill_missing:
        raise ConfigError(
            [
                ConfigIssue(
                    "--run",
                    f"a submission takes a winner of every task, but there is none of "
                    f"{', '.join(missing)}; name more runs, or give --fill-missing for "
                    "constant predictions",
                )
            ]
        )
    check_output(path)
    lasting = replaces(path)
    tests = {file: _load_test(file, winners[file.model_task].data) for file in FILES if file.model_task in winners}
    answers = {
        answer.file: answer
        for winner in winners.values()
        for answer in _predicted(winner, tests, distributed, batch_size or winner.batch_size)
    }
    spare = next(iter(winners.values())).data
    answers |= {file: _constant(file, spare) for file in FILES if file not in answers}
    ordered = [answers[file] for file in FILES]
    official = not any(answer.synthetic for answer in ordered)
    packed = write_archive(path, {answer.file.name: answer.values for answer in ordered})
    if lasting:
        check_submission(path, official)
    else:
        check_archive(packed, path, official)
    return ordered


def _load_test(file: SubmissionFile, data: DataConfig) -> Examples:
    return load_test(file, open_source(data))


def _predicted(
    winner: Winner,
    tests: Mapping[SubmissionFile, Examples],
    distributed: DistributedContext,
    batch_size: int,
) -> Iterable[Answers]:
    """Yield a winner's answers to all files of its task."""
    classifier: Classifier = load_classifier(winner.folder, get_task(winner.task), winner.data)
    for file, examples in tests.items():
        if file.model_task == winner.task:
            logger.info(f"{file.name}: {len(examples):,} rows by {winner.run}/{winner.trial} …")
            predictions = predict_examples(classifier, examples, batch_size, distributed)
            yield Answers(file, file.spell(predictions), winner, synthetic=examples.synthetic)


def _constant(file: SubmissionFile, data: DataConfig) -> Answers:
    """Return the same prediction for every row, where no winner gives one."""
    source = open_source(data)
    rows = len(load_test(file, source)) if source.has(file.task, file.split) else file.rows
    value, how = _constant_value(file, source)
    return Answers(file, [value] * rows, None, how, source.synthetic)


def _constant_value(file: SubmissionFile, source: DataSource) -> tuple[str, str]:
    task = get_task(file.model_task)
    labels = source.load(task, task.train).labels if task.train and source.has(task, task.train) else None
    if task.regression:
        if labels is None:
            return file.number((task.minimum + task.maximum) / 2), "middle of the range"
        return file.number(labels.mean()), "mean of train"
    if labels is None:
        return file.spellings[0], "first class"
    return file.spellings[np.bincount(labels).argmax()], "majority of train"


@dataclass(frozen=True)
class Winner:
    """A trained model that won its task in a run.

    Attributes:
        run: the run's name.
        trial: the trial's name.
        task: the task's name.
        score: the primary metric on the run's selection rows, of the saved model in fp32.
        folder: the ``save_pretrained`` folder, by path or URI.
        data: where the run's rows come from and how they become tokens.
        batch_size: rows per batch the run evaluated with.
        selection: fingerprint of the selection rows; empty where the run kept none.
    """

    run: str
    trial: str
    task: str
    score: float
    folder: str
    data: DataConfig
    batch_size: int
    selection: str = ""


def read_winners(root: Storage, run: str, overrides: Sequence[Override] = ()) -> list[Winner]:
    """Return the winners of a run that a submission can take.

    Args:
        root: the folder of all runs.
        run: the run's name.
        overrides: what replaces values of its job file, such as another data folder.

    Raises:
        ConfigError: the job file, with the overrides on it, breaks its rules.
        StorageError: there is no such run, or it has no winner of a GLUE task.
    """
    text = read_run_file(root, f"{run}/{JOB_FILE}")
    if text is None:
        known = [entry for entry in root.list() if root.exists(f"{entry}/{JOB_FILE}")]
        there = f"there are: {', '.join(known)}" if known else "there are none"
        raise StorageError(f"no run {run!r} in {root.uri()}; {there}{did_you_mean(run, known)}")
    job, storage = parse_job(text, root.uri(f"{run}/{JOB_FILE}"), overrides), root.sub(run)
    trials = [trial for trial in JournalReader(storage).trials.values() if trial.winner is not None]
    inputs = load_inputs(storage) or RunInputs()
    winners = [_winner(run, trial, storage, job.data, inputs) for trial in trials if trial.task in MODEL_TASKS]
    if not winners:
        others = f" (it has winners of {', '.join(trial.task for trial in trials)})" if trials else ""
        raise StorageError(f"a run must have saved a winner of a GLUE task, but {storage.uri()} has none{others}")
    return winners


def _winner(run: str, trial: TrialRecord, storage: Storage, data: DataConfig, inputs: RunInputs) -> Winner:
    folder = winner_folder(trial.task)
    if not storage.exists(folder):
        raise StorageError(
            f"the model of winner {trial.name} must be in {storage.uri(folder)}, but there is no such folder"
        )
    training = TrainingConfig(**trial.training)  # type: ignore[arg-type]
    score = trial.selection_scores.get(get_task(trial.task).primary, 0.0)
    rows = inputs.tasks.get(trial.task, {}).get("selection")
    return Winner(
        run,
        trial.name,
        trial.task,
        score,
        storage.uri(folder),
        data,
        training.eval_batch_size,
        rows.sha256 if rows else "",
    )


def of_different_rows(winners: Iterable[Winner]) -> dict[str, list[str]]:
    """Tasks of several runs whose winners were not all scored on the same selection rows, with the runs' names.

    Their scores can be compared with care only: a harder selection gives a lower score. Rows that are not known count
    as different.
    """
    by_task: dict[str, list[Winner]] = {}
    for winner in winners:
        by_task.setdefault(winner.task, []).append(winner)
    return {
        task: [winner.run for winner in several]
        for task, several in by_task.items()
        if len(several) > 1 and (len({winner.selection for winner in several}) > 1 or not several[0].selection)
    }


def best_winners(winners: Iterable[Winner]) -> dict[str, Winner]:
    """Return the winner with the highest selection score of every task, by task; of equals the first."""
    best: dict[str, Winner] = {}
    for winner in winners:
        if winner.task not in best or winner.score > best[winner.task].score:
            best[winner.task] = winner
    return best
