"""Tasks that are made from tables of the user's own, and the data source of their rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, NoReturn

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from gluetune.config import TaskFiles
from gluetune.data.examples import DataSource, Examples, Labels, Texts, check_split
from gluetune.data.label_rules import LabelRule, decide_labels
from gluetune.data.splits import Groups
from gluetune.data.table import Table, counted
from gluetune.data.table_files import Frame, frame_tables, open_dataset, open_tables
from gluetune.data.texts import TextTemplate, check_texts, parse_text
from gluetune.errors import ConfigError, ConfigIssue, did_you_mean
from gluetune.tasks import Task
from gluetune.tasks.metrics import check_metric, default_metric, metrics_for

SPLITS = ("train", "validation", "test")
"""Names of the splits of a task of the user's own; train is always there."""


@dataclass(frozen=True)
class _Part:
    """The rows of one table: texts by column, [rows] labels and whether there is one, [rows] groups."""

    columns: dict[str, pa.LargeStringArray]
    labels: Labels | None
    known: NDArray[np.bool_] | None
    groups: Groups | None
    notes: tuple[str, ...]


class OwnSource(DataSource):
    """Rows of one task of the user's own.

    Args:
        name: name of the task.
        tables: the tables of each split; rows of a split are those of its tables, one after the other.
        texts: how the text columns are made.
        labels: how the label columns become labels.
        group: the column of groups; a row without a value is a group of its own. Splits other than train may lack it.

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

        Rows without a label are left out and counted in ``Examples.source``. A test split without label columns, and
        one of which no row has a label, has no labels.

        Args:
            task: the task whose rows are loaded.
            split: one of ``task.splits``.
            labels: whether to read labels. If ``False``, every row is returned, whatever its label.

        Raises:
            DataError: the task has no such split, a table cannot be read, or a row has the wrong format.
        """
        check_split(task, split, self.describe(task))
        with_labels = labels and self._has_labels(split)
        parts = [self._part(table, split, with_labels) for table in self.tables[split]]
        columns = {name: Texts(pa.concat_arrays([part.columns[name] for part in parts])) for name in task.columns}
        found: list[Any] = [part.labels for part in parts if part.labels is not None]
        groups = [part.groups for part in parts if part.groups is not None]
        examples = Examples(
            self.name,
            split,
            columns,
            np.concatenate(found) if found else None,
            self._place(split),
            groups=np.concatenate(groups) if groups else None,
            notes=tuple(dict.fromkeys(note for part in parts for note in part.notes)),
        )
        if not labels:
            return examples
        return _labelled(examples, np.concatenate([part.known for part in parts if part.known is not None] or [_NONE]))

    def has(self, task: Task, split: str) -> bool:
        """Return whether the task has tables of the split."""
        return split in self.tables

    def notes(self, task: Task) -> tuple[str, ...]:
        """Return how the task's problem was decided."""
        return (self.decided,)

    def describe(self, task: Task) -> str:
        """Return ``file:`` and the file or dataset of the train rows, or of the first rows that there are."""
        return self._place("train" if "train" in self.tables else next(iter(self.tables)))

    def _place(self, split: str) -> str:
        tables = self.tables[split]
        return f"file:{tables[0].place}" + (f" and {len(tables) - 1} more" if len(tables) > 1 else "")

    def _has_labels(self, split: str) -> bool:
        return split != "test" or all(set(self.labels.columns) <= set(table.names()) for table in self.tables[split])

    def _has_groups(self, table: Table, split: str) -> bool:
        return split == "train" or self.group in table.names()

    def _part(self, table: Table, split: str, labels: bool) -> _Part:
        fields = [field for template in self.texts for field in template.fields]
        groups_of = [self.group] if labels and self.group and self._has_groups(table, split) else []
        rows = table.read(list(dict.fromkeys([*fields, *(self.labels.columns if labels else ()), *groups_of])))
        columns = {template.name: template.render(rows, table) for template in self.texts}
        for texts in columns.values():
            check_texts(texts, table)
        found, known = self.labels.parse(rows, table) if labels else (None, None)
        groups = _groups(rows.column(groups_of[0]), f"{split} {table.place}") if groups_of else None
        return _Part(columns, found, known, groups, (*table.notes(), *_empty_texts(columns, split)))


_NONE = np.zeros(0, np.bool_)


def _labelled(examples: Examples, known: NDArray[np.bool_]) -> Examples:
    """Return the rows that have a label, or all rows without labels if none has one."""
    if not known.any():
        return replace(examples, labels=None, notes=(*examples.notes, f"{examples.split}: no row has a label"))
    if known.all():
        return examples
    left_out = f"{counted(int((~known).sum()), 'row')} without a label left out"
    rows = examples.take(np.flatnonzero(known))
    return replace(rows, notes=(*rows.notes, f"{rows.split}: {left_out}"), source=f"{rows.source} ({left_out})")


def _empty_texts(columns: Mapping[str, pa.LargeStringArray], split: str) -> list[str]:
    """Return a sentence about rows all of whose texts are blank."""
    blank = [pc.equal(pc.utf8_trim_whitespace(texts), "") for texts in columns.values()]
    both = blank[0] if len(blank) == 1 else pc.and_(*blank)
    count = pc.sum(both).as_py() or 0
    return [f"{split}: {counted(count, 'row')} without any text kept"] if count else []


def _groups(column: pa.ChunkedArray, place: str) -> Groups:
    """Return [rows] ids of groups; a row without a value gets one that no other row has."""
    from pandas.util import hash_array

    cells = pc.fill_null(pc.utf8_trim_whitespace(column.combine_chunks()), "")
    names = cells.to_numpy(zero_copy_only=False)
    missing = np.flatnonzero(pc.equal(cells, "").to_numpy(zero_copy_only=False))
    names[missing] = [f"\0{place} {row}" for row in missing]
    groups: Groups = hash_array(names, categorize=False)
    return groups


def open_task(name: str, files: TaskFiles, *, cache_dir: str | None = None) -> tuple[Task, OwnSource]:
    """Read the labels of a task's train rows, and return the task and the source of its rows.

    The metric that ranks is ``files.metric``, else F1 (macro) for classes and Pearson's correlation for a regression.

    Args:
        name: name of the task.
        files: the task's section of the job. With ``dataset``, the train rows are those of the split ``train`` unless
            another is named.
        cache_dir: cache folder of the datasets library; ``None`` for its default.

    Returns:
        The task; and its source, whose attribute ``decided`` says how the problem was decided.

    Raises:
        ConfigError: a field of the section is wrong.
        DataError: a file is missing or malformed, or the labels do not form a task.
    """
    places: dict[str, str | None] = {split: getattr(files, split) for split in SPLITS}
    if files.dataset is not None:
        places["train"] = places["train"] or "train"
        tables = {
            split: [open_dataset(files.dataset, files.dataset_config, place, cache_dir)]
            for split, place in places.items()
            if place is not None
        }
        return _build(name, files, tables)
    if places["train"] is None:
        _refuse(name, "train", "must name the train rows, but got none")
    return _build(name, files, {split: open_tables(place) for split, place in places.items() if place is not None})


def open_frames(name: str, files: TaskFiles, frames: Mapping[str, Frame]) -> tuple[Task, OwnSource]:
    """Return a task and the source of its rows, as `open_task` does, of rows in memory.

    Args:
        name: name of the task.
        files: the columns of the task; its files do not count.
        frames: ``pandas.DataFrame``, ``datasets.Dataset`` or ``pyarrow.Table`` by split, at least ``train``.

    Raises:
        ConfigError: there are no train rows, there is an unknown split, or a field of ``files`` is wrong.
        DataError: a column is missing or malformed, or the labels do not form a task.
    """
    for split in frames:
        if split not in SPLITS:
            _refuse(name, split, f"must be one of {', '.join(SPLITS)}, but got {split!r}{did_you_mean(split, SPLITS)}")
    if "train" not in frames:
        _refuse(name, "train", "must be rows, but there are none")
    labels = [files.label] if isinstance(files.label, str) else list(files.label)
    fields = [field for template in parse_text(files.text, name) for field in template.fields]
    tables = frame_tables(frames, [*fields, *labels, *([files.group] if files.group else [])])
    return _build(name, files, tables)


def _build(name: str, files: TaskFiles, tables: Mapping[str, Sequence[Table]]) -> tuple[Task, OwnSource]:
    texts = parse_text(files.text, name)
    columns = [files.label] if isinstance(files.label, str) else files.label
    if both := [column for template in texts for column in template.fields if column in columns]:
        _refuse(name, "label", f"must be no column of the text, which would show the label, but got {both[0]!r}")
    labels = decide_labels(tables["train"], files, name)
    primary, metrics = _metrics(name, files.metric, labels)
    task = Task(
        name,
        name,
        tuple(template.name for template in texts),
        labels.names,
        metrics,
        primary,
        layouts={},
        dev=("validation",) if "validation" in tables else (),
        test=("test",) if "test" in tables else (),
        minimum=-np.inf,
        maximum=np.inf,
        problem=labels.problem,
        tuned_thresholds=files.thresholds == "tuned",
    )
    return task, OwnSource(name, tables, texts, labels, files.group)


def _metrics(name: str, chosen: str | None, labels: LabelRule) -> tuple[str, tuple[str, ...]]:
    """Return the metric that ranks, and all that are recorded: those that fit the labels, the ranking one first."""
    primary = chosen or default_metric(labels.problem)
    if wrong := check_metric(primary, labels.problem, len(labels.names)):
        _refuse(name, "metric", wrong)
    return primary, metrics_for(labels.problem, len(labels.names), primary)


def _refuse(task: str, field: str, message: str) -> NoReturn:
    raise ConfigError([ConfigIssue.at(("tasks", task, field), message)])
