"""The official rows with labels that a trained model is scored on."""

from __future__ import annotations

from collections.abc import Mapping

from gluetune.config import DataConfig
from gluetune.data.examples import Examples, Labels
from gluetune.data.source import DataSource
from gluetune.data.splits import stratified_sample
from gluetune.errors import DataError
from gluetune.tasks import TASKS, Task


def labelled_eval_splits(task: Task, source: DataSource, config: DataConfig, seed: int) -> dict[str, Examples]:
    """Loads all labelled official rows of a task but those to train on, by name, the ranking split first.

    These are the development splits, the test split where its rows have labels (SNLI's official ones, or a user's own),
    and tasks that are answered by this task's model (AX with MNLI's), by their names. A source may lack all but the
    first: a folder without the diagnostic set, or without ``MNLI/dev_mismatched.tsv``, is a whole GLUE folder all the
    same.

    Args:
        task: the task.
        source: where the rows come from.
        config: ``max_eval_samples`` limits each part.
        seed: of the rows that a limit leaves.

    Raises:
        DataError: rows of the first development split are missing, or rows break their format.
    """
    own = config.test_file is not None or config.source == "custom"
    first, *others = task.dev
    found = {first: _limited(load_labelled(source, task, first), task, config, seed)}
    wanted = [(split, task, split) for split in others]
    wanted += [
        (split if other is task else other.name, other, split)
        for other in (task, *_answered_by(task))
        for split in other.test[:1]
        if other.labelled_test or (own and other is task)
    ]
    for name, other, split in wanted:
        if source.has(other, split):
            examples = source.load(other, split)
            if examples.labels is not None:
                found[name] = _limited((examples, examples.labels), other, config, seed)
    return found


def find_identical_splits(train: Examples | None, dev: Mapping[str, Examples]) -> dict[str, str]:
    """Splits that hold, row by row, the texts of another one, by that one's name.

    They come from a copied file, or from a dataset class that does not look at ``split``.

    Args:
        train: all rows of the train split, those included that are held out of it; ``None`` where nothing is trained.
        dev: the rows to score on, by split.
    """
    found: dict[str, str] = {}
    before = {} if train is None else {"train": train}
    for split, rows in dev.items():
        twin = next((name for name, others in before.items() if others.columns == rows.columns), None)
        if twin is None:
            before[split] = rows
        else:
            found[split] = twin
    return found


def load_labelled(source: DataSource, task: Task, split: str) -> tuple[Examples, Labels]:
    """One split, which must have labels.

    Raises:
        DataError: it has none.
    """
    examples = source.load(task, split)
    if examples.labels is None:
        raise DataError(f"the {split} rows of {task.name} must have labels, but got none", examples.source)
    return examples, examples.labels


def _answered_by(task: Task) -> list[Task]:
    return [other for other in TASKS.values() if other.evaluated_with == task.name]


def _limited(labelled: tuple[Examples, Labels], task: Task, config: DataConfig, seed: int) -> Examples:
    examples, labels = labelled
    return examples.take(stratified_sample(labels, task, config.max_eval_samples, seed))
