"""Rows of tables: a check of an own task's columns, and the rows for evaluation and prediction."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from gluetune.config import TaskFiles
from gluetune.data.examples import UNLABELLED, Examples, parse_labels
from gluetune.data.label_rules import LabelRule, known_labels
from gluetune.data.own_tasks import SPLITS, OwnSource
from gluetune.data.table import Table
from gluetune.data.table_files import Frame, frame_table, open_dataset, open_tables
from gluetune.data.texts import parse_text
from gluetune.errors import ConfigError, ConfigIssue, DataError, did_you_mean
from gluetune.tasks import Task

_TEST, _LABEL = "test", "label"


def check_columns(name: str, files: TaskFiles) -> None:
    """Check that the files of a task have its text, label and group columns, by a look at their first lines.

    Args:
        name: the task's name.
        files: its description.

    Raises:
        ConfigError: columns are missing; all of them at once, each with the nearest name.
        DataError: a file does not exist, or its format is unknown.
    """
    issues: dict[tuple[str, str], ConfigIssue] = {}
    for split in SPLITS:
        place = getattr(files, split)
        for table in open_tables(place) if place is not None else ():
            names = table.names()
            for key, columns in _needed(files, split, names):
                for column in columns:
                    if column not in names:
                        rule = f"must be a column of {table.place}, whose columns are {', '.join(map(repr, names))}"
                        message = f"{rule}, but got {column!r}{did_you_mean(column, names)}"
                        issues.setdefault((key, column), ConfigIssue.at(("tasks", name, key), message))
    if issues:
        raise ConfigError(issues.values())


def _needed(files: TaskFiles, split: str, names: Sequence[str]) -> Iterator[tuple[str, Sequence[str]]]:
    """Yield the keys of a task whose columns the rows of a split must have; test rows may lack labels and groups."""
    yield "text", files.text_columns
    if split != "test" or set(files.label_columns) & set(names):
        yield "label", files.label_columns
    if files.group is not None and split != "test":
        yield "group", (files.group,)


def reopen_task(task: Task, files: TaskFiles, cache_dir: str | None = None) -> OwnSource:
    """Return the source of the validation and test rows of a task, without a look at train.

    Args:
        task: the task, as the folder of a run or a model defines it.
        files: where its rows are; the text and label columns are those of ``task.files``.
        cache_dir: cache folder of the datasets library; ``None`` for its default.

    Raises:
        DataError: a file does not exist, or its format is unknown.
    """
    places = {split: getattr(files, split) for split in (*task.dev, *task.test)}
    given = {split: place for split, place in places.items() if place is not None}
    if files.dataset is None:
        return _source(task, {split: open_tables(place) for split, place in given.items()})
    of_dataset = files.dataset, files.dataset_config
    return _source(task, {split: [open_dataset(*of_dataset, place, cache_dir)] for split, place in given.items()})


def read_own_file(file: str | Path, task: Task, *, labels: bool | None) -> Examples:
    """Read a file of a task of the user's own, of any format that its train rows may have.

    Args:
        file: the path or URI of the file, with the task's text columns.
        task: the task.
        labels: ``True`` requires labels, ``False`` ignores them, ``None`` reads them if the file has them.

    Returns:
        The rows; ``Examples.split`` is the name of the file.

    Raises:
        DataError: the file cannot be read, or a column is missing.
    """
    files, tables = _description(task), open_tables(file)
    for table in tables if labels else ():
        table.check_columns([*files.text_columns, *files.label_columns], table.names())
    rows = _source(task, {_TEST: tables}).load(replace(task, test=(_TEST,)), _TEST, labels=labels is not False)
    if labels and rows.labels is None:
        columns = ", ".join(files.label_columns)
        raise DataError(f"a file of {task.name} must have labels in the column {columns}, but has none", file)
    return replace(rows, split=Path(file).name)


def read_texts(file: Path, task: Task) -> Examples:
    """Read the texts of a table for a known task, such as a CSV file with the task's columns.

    Args:
        file: the table, of any format that the train rows of an own task may have.
        task: names the columns.

    Returns:
        The rows without labels; ``Examples.split`` is the name of the file.

    Raises:
        DataError: the file cannot be read, or a column is missing.
    """
    return replace(_texts_of(task, open_tables(file)), split=file.name)


def read_labelled_table(file: Path, task: Task) -> Examples:
    """Read the texts and labels of a table for a known task: a file with the task's columns and ``label``.

    Args:
        file: the table, of any format that the train rows of an own task may have.
        task: names the columns and the classes.

    Returns:
        The rows; ``Examples.split`` is the name of the file.

    Raises:
        DataError: the file cannot be read, a column is missing, or a label is unknown.
    """
    return replace(_labelled_of(task, open_tables(file)), split=file.name)


def read_labelled_frame(frame: Frame, task: Task) -> Examples:
    """Return the texts and labels of rows in memory.

    Args:
        frame: has the task's text columns and its label columns; those of a known task are called ``label``.
        task: the task, a known one or one of the user's own.

    Raises:
        DataError: a column is missing, a label is unknown, or no row has one.
    """
    files = _description(task) if task.own else None
    columns = (*task.columns, _LABEL) if files is None else (*files.text_columns, *files.label_columns)
    tables = [frame_table(frame, columns, f"the {type(frame).__name__} given")]
    if files is None:
        return _labelled_of(task, tables)
    rows = _source(task, {_TEST: tables}).load(replace(task, test=(_TEST,)), _TEST)
    if rows.labels is None:
        raise DataError(f"rows must have labels in the column {', '.join(files.label_columns)}, but have none")
    return rows


def _labelled_of(task: Task, tables: Sequence[Table]) -> Examples:
    """Return the rows of tables for a known task; rows whose label the task ignores are left out."""
    rows = _texts_of(task, tables)
    found = [(cell, table, row) for table in tables for row, cell in enumerate(_label_cells(table))]
    labels = parse_labels(
        task, [cell for cell, _, _ in found], Path(tables[0].place), [table.line(row) or 0 for _, table, row in found]
    )
    known = np.flatnonzero(labels != UNLABELLED) if task.ignored_labels else np.arange(len(labels))
    return replace(rows, labels=labels).take(known)


def _label_cells(table: Table) -> list[str]:
    column = table.read([_LABEL]).column(_LABEL)
    return ["" if cell is None else str(cell).strip() for cell in column.to_pylist()]


def _texts_of(task: Task, tables: Sequence[Table]) -> Examples:
    unread = LabelRule(task.problem, (), task.labels, "")
    source = OwnSource(task.name, {_TEST: tables}, parse_text(task.columns, task.name), unread, None)
    return source.load(replace(task, test=(_TEST,)), _TEST, labels=False)


def _source(task: Task, tables: Mapping[str, Sequence[Table]]) -> OwnSource:
    files = _description(task)
    return OwnSource(task.name, tables, parse_text(files.text, task.name), _rule(task, files, tables), None)


def _description(task: Task) -> TaskFiles:
    """Return the description that the task was made from; one in a model's folder does not say where its rows are."""
    return TaskFiles.model_validate(task.files)


def _rule(task: Task, files: TaskFiles, tables: Mapping[str, Sequence[Table]]) -> LabelRule:
    """Return how label columns become the task's labels: by the first tables that have them."""
    for several in tables.values():
        if all(set(files.label_columns) <= set(table.names()) for table in several):
            return known_labels(several, files.label_columns, task.problem, task.labels)
    return LabelRule(task.problem, files.label_columns, task.labels, "")
