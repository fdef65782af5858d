"""From winners to a submission zip."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gluetune.config import DataConfig
from gluetune.data import DataSource, Examples, open_source
from gluetune.errors import ConfigError, ConfigIssue
from gluetune.inference.archive import check_archive, check_submission, write_archive
from gluetune.inference.classifier import Classifier, load_classifier, predict_examples
from gluetune.inference.submission_files import FILES, MODEL_TASKS, SubmissionFile, load_test
from gluetune.inference.winners import Winner
from gluetune.storage.output_file import check_output, replaces
from gluetune.tasks import get_task
from gluetune.training import DistributedContext


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
    """The tasks that a submission takes a winner of and that have none."""
    return [task for task in MODEL_TASKS if task not in winners]


def export_submission(
    winners: Mapping[str, Winner],
    path: str | Path,
    distributed: DistributedContext,
    *,
    fill_missing: bool = False,
    batch_size: int | None = None,
    progress: Callable[[str], None] = lambda line: None,
) -> list[Answers]:
    """Predicts all test rows, writes the zip and reads it back (from a device or a pipe nothing is read back).

    Args:
        winners: by task; at least one.
        path: the zip, local or by URI.
        distributed: the device to predict on.
        fill_missing: whether tasks without a winner get constant predictions; the rows of their files come from the
            first winner's data, or are as many as the official ones where that lacks them.
        batch_size: rows per batch; ``None`` is what each winner's run evaluated with.
        progress: called with a line of text before each long step.

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
        for answer in _predicted(winner, tests, distributed, batch_size or winner.batch_size, progress)
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
    progress: Callable[[str], None],
) -> Iterable[Answers]:
    """A winner's answers to all files of its task."""
    classifier: Classifier = load_classifier(winner.folder, get_task(winner.task), winner.data)
    for file, examples in tests.items():
        if file.model_task == winner.task:
            progress(f"{file.name}: {len(examples):,} rows by {winner.run}/{winner.trial} …")
            predictions = predict_examples(classifier, examples, batch_size, distributed)
            yield Answers(file, file.spell(predictions), winner, synthetic=examples.synthetic)


def _constant(file: SubmissionFile, data: DataConfig) -> Answers:
    """The same prediction for every row, where no winner gives one."""
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
