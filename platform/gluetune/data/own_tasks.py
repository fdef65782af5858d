"""Tasks that are made from tables of the user's own, and the data source of their rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import numpy as np

from gluetune.config import TaskFiles
from gluetune.data.examples import DataSource, Examples, Texts, check_split
from gluetune.data.label_rules import LabelRule, decide_labels
from gluetune.data.table import Table
from gluetune.data.table_files import open_tables
from gluetune.data.texts import TextTemplate, check_texts, concatenate, parse_text
from gluetune.errors import ConfigError, ConfigIssue
from gluetune.tasks import Task
from gluetune.tasks.metrics import METRICS

SPLITS = ("train", "validation", "test")
"""Names of the splits of a task of the user's own; train is always there."""

_CLASS_METRICS = ("f1_macro", "accuracy")
_METRICS = {
    "single_label": _CLASS_METRICS,
    "multi_label": ("f1_macro", "f1_micro"),
    "regression": ("pearson", "spearman"),
}


class OwnSource(DataSource):
    """Rows of one task of the user's own.

    Args:
        name: name of the task.
        tables: the tables of each split, one after the other.
        texts: how the text columns are made.
        labels: how the label columns become labels.
        group: the column of groups.

    Attributes:
        decided: how the task's problem was decided, a sentence to print.
    """

    own: ClassVar[bool] = True

    def __init__(
        self,
        name: str,
        tables: Mapping[str, Sequence[Table]],
        texts: tuple[TextTemplate, ...],
        labels: LabelRule,
        group: str | None,
    ) -> None:
        self.name, self.tables, self.texts, self.labels, self.group = name, dict(tables), texts, labels, group
        self.decided = labels.decided

    def load(self, task: Task, split: str, *, labels: bool = True) -> Examples:
        """Load all rows of one split.

        Rows without a label are left out and counted in ``Examples.source``. A test split without label columns, or
        without any label, has no labels.

        Args:
            task: the task whose rows are loaded.
            split: one of ``task.splits``.
            labels: whether to read labels. If ``False``, every row is returned, whatever its label.

        Raises:
            DataError: the task has no such split, a table cannot be read, or a row has the wrong format.
        """
        check_split(task, split, self.describe(task))
        with_labels = labels and self._has_labels(split)
        parts = [self._load_table(table, split, with_labels) for table in self.tables[split]]
        return _joined(parts, self._place(split))

    def has(self, task: Task, split: str) -> bool:
        """Return whether the task has tables of the split."""
        return split in self.tables

    def describe(self, task: Task) -> str:
        """Return ``file:`` and the file or dataset of the train rows."""
        return self._place("train")

    def _place(self, split: str) -> str:
        tables = self.tables[split]
        many = f" and {len(tables) - 1} more" if len(tables) > 1 else ""
        return f"file:{tables[0].place}{many}"

    def _has_labels(self, split: str) -> bool:
        return split != "test" or all(set(self.labels.columns) <= set(table.names()) for table in self.tables[split])

    def _load_table(self, table: Table, split: str, labels: bool) -> Examples:
        fields = [field for template in self.texts for field in template.fields]
        fields += [*(self.labels.columns if labels else ()), *([self.group] if self.group else ())]
        rows = table.read(list(dict.fromkeys(fields)))
        columns = {}
        for template in self.texts:
            texts = template.render(rows)
            check_texts(texts, table)
            columns[template.name] = Texts(texts)
        examples = Examples(self.name, split, columns, None, "")
        if not labels:
            return examples
        found, known = self.labels.parse(rows, table)
        if split == "test" and not known.any():
            return examples
        examples = replace(examples, labels=found)
        return examples if known.all() else examples.take(np.flatnonzero(known))


def _joined(parts: Sequence[Examples], place: str) -> Examples:
    """Return the rows of several tables, one after the other."""
    first = parts[0]
    if len(parts) == 1:
        return replace(first, source=place)
    columns = {name: concatenate([part.columns[name] for part in parts]) for name in first.columns}
    labels = [part.labels for part in parts if part.labels is not None]
    return replace(first, columns=columns, labels=np.concatenate(labels) if labels else None, source=place)


def open_task(name: str, files: TaskFiles) -> tuple[Task, OwnSource]:
    """Read the labels of a task's train rows, and return the task and the source of its rows.

    The metric that ranks is ``files.metric``, else F1 (macro) for classes and Pearson's correlation for a regression.

    Args:
        name: name of the task.
        files: the task's section of the job.

    Returns:
        The task; and its source, whose attribute ``decided`` says how the problem was decided.

    Raises:
        ConfigError: a field of the section is wrong.
        DataError: a file is missing or malformed, or the labels do not form a task.
    """
    places = {split: getattr(files, split) for split in SPLITS}
    if places["train"] is None:
        raise ConfigError([ConfigIssue.at(("tasks", name, "train"), "must name the train rows, but got none")])
    tables = {split: open_tables(Path(place)) for split, place in places.items() if place is not None}
    return _build(name, files, tables)


def _build(name: str, files: TaskFiles, tables: Mapping[str, Sequence[Table]]) -> tuple[Task, OwnSource]:
    texts = parse_text(files.text, name)
    rule = decide_labels(tables["train"], files, name)
    metrics = tuple(metric for metric in _METRICS[rule.problem] if metric in METRICS) or ("accuracy",)
    primary = files.metric or metrics[0]
    task = Task(
        name,
        name,
        tuple(template.name for template in texts),
        rule.names,
        tuple(dict.fromkeys((primary, *metrics))),
        primary,
        layouts={},
        dev=("validation",) if "validation" in tables else (),
        test=("test",) if "test" in tables else (),
        minimum=-np.inf,
        maximum=np.inf,
        problem=rule.problem,
    )
    return task, OwnSource(name, tables, texts, rule, files.group)
