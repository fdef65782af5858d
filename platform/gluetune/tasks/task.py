"""A task: its columns, labels and metrics, and how the files of its splits are laid out."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

from gluetune.tasks.frames import keep_rows

if TYPE_CHECKING:
    import datasets
    import pandas as pd

Problem = Literal["single_label", "multi_label", "regression"]
"""What a task's labels are: one class per row, any number of classes per row, or a number per row."""

CORRELATIONS = ("matthews_correlation", "pearson", "spearman", "pearson_and_spearman")
"""Names of the metrics that are correlations."""
_SPLITS = ("train", "validation", "test")  # of a task of the user's own


@dataclass(frozen=True, slots=True)
class FileLayout:
    """One layout of one split in the official folder: tab-separated, or one JSON object per line (``.jsonl``).

    Attributes:
        files: file names relative to the data folder, read one after the other.
        text: where the text columns are, in the order of ``Task.columns``: names in the header, or 0-based positions
            where the files have no header.
        label: the label's name or position; ``None`` where the files have none.
        ragged: rows may be wider than the header (GLUE's SNLI writes five annotators' labels under ``label1``);
            the label's position then counts from the end.
        skip_malformed: rows with too few columns are left out and counted, as by the hub's builder (the official QQP
            files hold questions that are torn at line breaks).
        exclude_rows_of: a file of the same layout whose rows are left out, where that file exists.
    """

    files: tuple[str, ...]
    text: tuple[str, ...] | tuple[int, ...]
    label: str | int | None = None
    ragged: bool = False
    skip_malformed: bool = False
    exclude_rows_of: str | None = None

    @property
    def header(self) -> bool:
        """Whether the first line names the columns."""
        return isinstance(self.text[0], str)

    def unlabelled(self) -> FileLayout:
        """Return the same layout without labels, in which each row counts: those that break it are not left out."""
        return replace(self, label=None, skip_malformed=False)


@dataclass(frozen=True, slots=True)
class Task:
    """A task of text classification or regression.

    Columns and splits are named as in ``nyu-mll/glue`` and ``stanfordnlp/snli`` on the Hugging Face hub; every data
    source returns these.

    Attributes:
        name: the name in job files and flags, in lower case.
        title: the name as papers print it.
        columns: text columns, one or two.
        labels: class names in the order of their ids; empty for regression. Of two classes the second is the positive
            one of metrics such as F1.
        metrics: names of all metrics that are reported, keys of `gluetune.tasks.metrics.METRICS`.
        primary: the metric that trials are ranked by; `gluetune.tasks.metrics.greater_is_better` knows its direction.
        layouts: layouts of the official files by split; the first whose files all exist is read.
        hub: dataset path and configuration on the hub.
        train: name of the training split; ``None`` for a task that is only evaluated.
        dev: official development splits; trials are ranked by the first one.
        test: official test splits.
        evaluated_with: the task whose model evaluates this one, for tasks without training data.
        label_aliases: other spellings of labels in the official files, to class names.
        ignored_labels: labels whose rows are left out (SNLI's ``-``: annotators did not agree).
        minimum, maximum: range of regression labels.
        problem: what the labels are.
        tuned_thresholds: whether the winner gets decision thresholds, where it has two classes or is multi-label: those
            that are best for the primary metric on the selection rows.
        files: of a task of the user's own files, the keys and values of its section of a job file, such as ``text`` and
            ``label``; empty for all other tasks.

    Raises:
        ValueError: a regression has class names, or another problem has none.

    Example:
        >>> gluetune.load("runs/first", "cola").task.labels  # doctest: +SKIP
        ('unacceptable', 'acceptable')
        >>> task = gluetune.Task("spam", "Spam", ("text",), ("ham", "spam"), ("accuracy",), "accuracy", layouts={})
        >>> task.num_labels, task.regression
        (2, False)
    """

    name: str
    title: str
    columns: tuple[str, ...]
    labels: tuple[str, ...]
    metrics: tuple[str, ...]
    primary: str
    layouts: dict[str, tuple[FileLayout, ...]] = field(repr=False, hash=False)
    hub: tuple[str, str | None] = ("nyu-mll/glue", None)
    train: str | None = "train"
    dev: tuple[str, ...] = ("validation",)
    test: tuple[str, ...] = ("test",)
    evaluated_with: str | None = None
    label_aliases: dict[str, str] = field(default_factory=dict, hash=False)
    ignored_labels: tuple[str, ...] = ()
    minimum: float = 0.0
    maximum: float = 5.0
    problem: Problem = "single_label"
    tuned_thresholds: bool = False
    files: Mapping[str, Any] = field(default_factory=dict, repr=False, hash=False)

    @classmethod
    def from_files(
        cls,
        train: str | os.PathLike[str],
        *,
        text: str | Sequence[str],
        label: str | Sequence[str],
        name: str | None = None,
        validation: str | os.PathLike[str] | None = None,
        test: str | os.PathLike[str] | None = None,
        **settings: Any,
    ) -> Task:
        """Make a task of the user's own files. Its classes are read from train.

        Args:
            train: a csv, tsv, jsonl or Parquet file, or a folder of them.
            text: the column of the text, two columns for a pair, or a template such as ``{title}: {body}``.
            label: the column of the label; several columns of 0 and 1 for a multi-label task.
            name: the task's name in runs and folders; ``None`` for the name of the train file.
            validation: rows that choose the winner; ``None`` holds rows out of train.
            test: rows that the winner alone is scored on.
            settings: further keys of `gluetune.config.TaskFiles`: ``labels``, ``problem``, ``metric``, ``group``,
                ``thresholds``, ``weight``.

        Raises:
            ConfigError: a setting breaks its rule; all mistakes at once.
            DataError: a file cannot be read, or its labels form no task.

        Example:
            >>> task = gluetune.Task.from_files("tickets.csv", text="body", label="topic")  # doctest: +SKIP
            >>> gluetune.tune(tasks=[task], model={"name_or_path": "bert-base-uncased"})  # doctest: +SKIP
        """
        from gluetune.data.task_sources import make_task

        splits = {"train": train, "validation": validation, "test": test}
        return make_task(
            name, {split: path for split, path in splits.items() if path is not None}, text, label, settings
        )

    @classmethod
    def from_frame(
        cls,
        train: pd.DataFrame,
        *,
        text: str | Sequence[str],
        label: str | Sequence[str],
        name: str,
        validation: pd.DataFrame | None = None,
        test: pd.DataFrame | None = None,
        **settings: Any,
    ) -> Task:
        """Make a task of pandas DataFrames. A run that it is given to keeps the rows in its folder, as Parquet files.

        Args:
            train: the train rows.
            text: as that of `from_files`.
            label: as that of `from_files`.
            name: the task's name in runs and folders.
            validation: rows that choose the winner; ``None`` holds rows out of train.
            test: rows that the winner alone is scored on.
            settings: as those of `from_files`.

        Raises:
            ConfigError: a setting breaks its rule; all mistakes at once.
            DataError: a DataFrame cannot be written, or its labels form no task.
        """
        from gluetune.data.task_sources import make_task

        splits = {"train": train, "validation": validation, "test": test}
        kept = {split: keep_rows(rows, split) for split, rows in splits.items() if rows is not None}
        return make_task(name, kept, text, label, settings)

    @classmethod
    def from_dataset(
        cls,
        dataset: str | datasets.Dataset | datasets.DatasetDict,
        *,
        text: str | Sequence[str],
        label: str | Sequence[str],
        name: str | None = None,
        **settings: Any,
    ) -> Task:
        """Make a task of a dataset of Hugging Face's library ``datasets``.

        Args:
            dataset: the name of a dataset on the hub, a folder that ``save_to_disk`` wrote, a ``Dataset`` of train
                rows, or a ``DatasetDict`` with ``train`` and perhaps ``validation`` and ``test``. A run keeps the rows
                of the last two in its folder, as Parquet files.
            text: as that of `from_files`.
            label: as that of `from_files`.
            name: the task's name in runs and folders; may be left out where ``dataset`` is a name or a folder.
            settings: as those of `from_files`; where ``dataset`` is a name or a folder also ``train``, ``validation``
                and ``test`` as names of its splits, and ``dataset_config``.

        Raises:
            ConfigError: a setting breaks its rule; all mistakes at once.
            DataError: the dataset cannot be read or written, or its labels form no task.
        """
        from gluetune.data.task_sources import make_task

        if isinstance(dataset, str):
            return make_task(name, {"dataset": dataset}, text, label, settings)
        splits = dataset if isinstance(dataset, Mapping) else {"train": dataset}
        kept = {split: keep_rows(rows, split) for split, rows in splits.items() if split in _SPLITS}
        return make_task(name, kept, text, label, settings)

    def __post_init__(self) -> None:
        if self.regression == bool(self.labels):
            raise ValueError(
                "a task must have labels unless it is a regression, but got "
                f"(problem={self.problem!r}, labels={self.labels!r})"
            )

    @property
    def regression(self) -> bool:
        """Whether labels are numbers."""
        return self.problem == "regression"

    @property
    def multi_label(self) -> bool:
        """Whether a row can have any number of classes."""
        return self.problem == "multi_label"

    @property
    def num_labels(self) -> int:
        """Width of the model's output."""
        return len(self.labels) or 1

    @property
    def correlation(self) -> bool:
        """Whether the primary metric is a correlation, which is not a mean over rows."""
        return self.primary in CORRELATIONS

    @property
    def own(self) -> bool:
        """Whether the task's rows are those of the user's own files."""
        return bool(self.files)

    @property
    def labelled_test(self) -> bool:
        """Whether the official files of the first test split hold labels, as SNLI's and AX's do."""
        return any(layout.label is not None for split in self.test[:1] for layout in self.layouts.get(split, ()))

    @property
    def splits(self) -> tuple[str, ...]:
        """Names of all official splits."""
        return ((self.train,) if self.train else ()) + self.dev + self.test
