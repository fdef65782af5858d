"""Rules between the settings of tasks of the user's own files."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from string import Formatter

from gluetune.config.job import JobConfig
from gluetune.config.task_files import TaskFiles
from gluetune.errors import ConfigIssue, KeyPath, did_you_mean_file

SPLITS = ("train", "validation", "test")
_ENDINGS = re.compile(r"(\.(csv|tsv|txt|json|jsonl|ndjson|parquet|arrow|gz|bz2|xz|zst|zip))+$", re.IGNORECASE)
_PAIR = 2  # texts that an encoder takes


def name_from_file(place: str) -> str:
    """Return the name of a task whose rows are in a file, a folder or a dataset: its own without endings."""
    stem = _ENDINGS.sub("", PurePosixPath(place.rstrip("/")).name)
    return re.sub(r"[^A-Za-z0-9._-]+", "-", stem).strip("-._")[:100] or "task"


def own_task_issues(config: JobConfig) -> Iterator[ConfigIssue]:
    """Find the rules of a job's own tasks that do not hold, without a look at their files."""
    for name, task in config.own_tasks.items():
        keys: KeyPath = ("tasks", name)
        yield from _rows(task, keys)
        yield from _text(task, keys)
        yield from _label(task, keys)
        if task.validation is None and config.data.selection == "dev":
            yield ConfigIssue.at(
                (*keys, "validation"),
                "must be given with data.selection dev (--selection), which holds no selection rows out of train; "
                "holdout, train_test_split and kfold do",
            )


def missing_files(config: JobConfig) -> Iterator[ConfigIssue]:
    """Find the files of a job's own tasks that do not exist on this machine."""
    for name, task in config.own_tasks.items():
        for split in SPLITS if task.dataset is None else ():
            path = getattr(task, split)
            if path is None or "://" in path:
                continue
            file = Path(path).expanduser()
            if not file.exists():
                near = did_you_mean_file(file)
                yield ConfigIssue.at(
                    ("tasks", name, split), f"must be a file or a folder, but there is no {str(file)!r}{near}"
                )


def _rows(task: TaskFiles, keys: KeyPath) -> Iterator[ConfigIssue]:
    if task.train is None and task.dataset is None:
        yield ConfigIssue.at(
            (*keys, "train"), "must be given: the file or folder of the train rows, or dataset for one of datasets"
        )
    if task.dataset_config is not None and task.dataset is None:
        yield ConfigIssue.at((*keys, "dataset_config"), "must not be given without dataset, whose configuration it is")
    given = {split: path for split in SPLITS if (path := getattr(task, split)) is not None}
    for split, path in given.items():
        first = next(other for other, same in given.items() if same == path)
        if first != split:
            yield ConfigIssue.at((*keys, split), f"must be other rows than those of {first}, but both are {path!r}")


def _text(task: TaskFiles, keys: KeyPath) -> Iterator[ConfigIssue]:
    place, texts = (*keys, "text"), task.texts
    for text in texts:
        if "{" in text:
            yield from _template(text, place)
    if len(texts) > _PAIR:
        joined = r"\n".join(text if "{" in text else f"{{{text}}}" for text in texts)
        yield ConfigIssue.at(
            place,
            f"must be one column or two that form a pair, but got {len(texts)}: {', '.join(texts)}; a template "
            f'joins columns into one text: text: "{joined}"',
        )
    else:
        yield from _distinct(texts, place)
    for name in dict.fromkeys(task.label_columns):
        if name in task.text_columns:
            yield ConfigIssue.at((*keys, "label"), f"must be another column than those of text, but got {name!r}")


def _template(text: str, keys: KeyPath) -> Iterator[ConfigIssue]:
    """Check that a template holds names of columns in braces, and nothing else that ``str.format`` would read."""
    rule = "must be a template of column names in braces, such as '{title}: {body}' ({{ and }} are braces)"
    try:
        parts = list(Formatter().parse(text))
    except ValueError as error:
        yield ConfigIssue.at(keys, f"{rule}, but got {text!r}: {error}")
        return
    names = [name for _, name, _, _ in parts if name is not None]
    if not names or not all(names):
        yield ConfigIssue.at(keys, f"{rule}, but got {text!r}, which {'has an empty name' if names else 'names none'}")
    elif any(form or conversion for _, _, form, conversion in parts):
        yield ConfigIssue.at(keys, f"{rule}, without format or conversion, but got {text!r}")


def _label(task: TaskFiles, keys: KeyPath) -> Iterator[ConfigIssue]:
    yield from _distinct(task.label_columns, (*keys, "label"))
    if len(task.label_columns) > 1 and task.problem in ("single_label", "regression"):
        yield ConfigIssue.at(
            (*keys, "problem"),
            f"must be multi_label or auto where label names several columns, but got {task.problem}",
        )
    if task.labels is not None:
        yield from _distinct(task.labels, (*keys, "labels"))
        if task.problem == "regression":
            yield ConfigIssue.at((*keys, "labels"), "must not be given with problem regression")


def _distinct(names: Sequence[str], keys: KeyPath) -> Iterator[ConfigIssue]:
    if twice := [name for name, count in Counter(names).items() if count > 1]:
        yield ConfigIssue.at(keys, f"must name each once, but got {', '.join(map(repr, twice))} more than once")
