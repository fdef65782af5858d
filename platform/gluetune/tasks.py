"""The tasks: one table row each. Adding a task of the same kind is adding a row.

Columns and splits are named as in ``nyu-mll/glue`` and ``stanfordnlp/snli`` on the Hugging Face hub; every data source
gives these. Metrics are GLUE's (Wang et al. 2019, https://gluebenchmark.com/tasks).
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass, field

from gluetune.errors import ConfigError, Problem


@dataclass(frozen=True, slots=True)
class Table:
    """Where one split's rows stand in the official folder.

    Attributes:
        files: file names relative to the data folder; the first that exists is read.
        text: where the text columns stand, in the order of ``Task.columns``: header names, or positions without header.
        label: header name or position of the label; ``None`` where the file has none.
        index: header name or position of the row number, where there is one.
    """

    files: tuple[str, ...]
    text: tuple[str, ...] | tuple[int, ...]
    label: str | int | None = None
    index: str | int | None = None

    @property
    def header(self) -> bool:
        """Whether the first line names the columns."""
        return isinstance(self.text[0], str)


@dataclass(frozen=True, slots=True)
class Task:
    """One task.

    Attributes:
        name: the name users give (lower case).
        title: the name as papers print it.
        columns: text columns, one or two.
        labels: class names in the order of their ids; empty for regression.
        metrics: all metrics reported, see `gluetune.metrics`.
        primary: the metric that trials are ranked by (higher is better).
        train: name of the training split; ``None`` for a task that is only evaluated.
        dev: official development splits; the first one ranks.
        test: official test splits.
        tables: official files by split.
        hub: dataset path and configuration on the hub.
        model_of: the task whose model evaluates this one, for tasks without training data.
        spellings: other spellings of labels in the official files, to class names.
        drop: labels whose rows are left out (SNLI's ``-``: annotators did not agree).
        minimum, maximum: range of regression labels.
    """

    name: str
    title: str
    columns: tuple[str, ...]
    labels: tuple[str, ...]
    metrics: tuple[str, ...]
    primary: str
    tables: dict[str, Table] = field(repr=False, hash=False)
    hub: tuple[str, str | None] = ("nyu-mll/glue", None)
    train: str | None = "train"
    dev: tuple[str, ...] = ("validation",)
    test: tuple[str, ...] = ("test",)
    model_of: str | None = None
    spellings: dict[str, str] = field(default_factory=dict, hash=False)
    drop: tuple[str, ...] = ()
    minimum: float = 0.0
    maximum: float = 5.0

    @property
    def regression(self) -> bool:
        """Whether labels are numbers."""
        return not self.labels

    @property
    def num_labels(self) -> int:
        """Width of the model's output."""
        return len(self.labels) or 1

    @property
    def splits(self) -> tuple[str, ...]:
        """All official splits."""
        return ((self.train,) if self.train else ()) + self.dev + self.test


_F1 = ("accuracy", "f1", "accuracy_and_f1")
_NLI = ("entailment", "neutral", "contradiction")
_TWO_WAY = ("entailment", "not_entailment")
_PAIR = ("sentence1", "sentence2")
_SNLI_TEXT = ("sentence1", "sentence2")


def _same(folder: str, text: tuple[str, ...], label: str, index: str | None = "index", test_index: str = "index",
          ) -> dict[str, Table]:
    """Tables of a task whose three files share their header names."""
    return {
        "train": Table((f"{folder}/train.tsv",), text, label, index),
        "validation": Table((f"{folder}/dev.tsv",), text, label, index),
        "test": Table((f"{folder}/test.tsv",), text, None, test_index),
    }


def _mnli() -> dict[str, Table]:
    tables = {"train": Table(("MNLI/train.tsv",), _PAIR, "gold_label", "index")}
    for kind in ("matched", "mismatched"):
        tables[f"validation_{kind}"] = Table((f"MNLI/dev_{kind}.tsv",), _PAIR, "gold_label", "index")
        tables[f"test_{kind}"] = Table((f"MNLI/test_{kind}.tsv",), _PAIR, None, "index")
    return tables


def _snli(split: str, file: str) -> Table:
    names = (f"SNLI/{file}.tsv", f"SNLI/snli_1.0_{file}.jsonl", f"SNLI/snli_1.0_{file}.txt",
             f"snli_1.0/snli_1.0_{file}.jsonl", f"snli_1.0/snli_1.0_{file}.txt")
    return Table(names, _SNLI_TEXT, "gold_label")


TASKS: dict[str, Task] = {
    task.name: task
    for task in (
        Task("cola", "CoLA", ("sentence",), ("unacceptable", "acceptable"), ("matthews_correlation", "accuracy"),
             "matthews_correlation", hub=("nyu-mll/glue", "cola"), spellings={"0": "unacceptable", "1": "acceptable"},
             tables={"train": Table(("CoLA/train.tsv", "CoLA/raw/in_domain_train.tsv"), (3,), 1),
                     "validation": Table(("CoLA/dev.tsv",), (3,), 1),
                     "test": Table(("CoLA/test.tsv",), ("sentence",), None, "index")}),
        Task("sst2", "SST-2", ("sentence",), ("negative", "positive"), ("accuracy",), "accuracy",
             hub=("nyu-mll/glue", "sst2"), spellings={"0": "negative", "1": "positive"},
             tables=_same("SST-2", ("sentence",), "label", index=None)),
        Task("mrpc", "MRPC", _PAIR, ("not_equivalent", "equivalent"), _F1, "accuracy_and_f1",
             hub=("nyu-mll/glue", "mrpc"), spellings={"0": "not_equivalent", "1": "equivalent"},
             tables=_same("MRPC", ("#1 String", "#2 String"), "Quality", index=None)),
        Task("stsb", "STS-B", _PAIR, (), ("pearson", "spearman", "pearson_and_spearman"), "pearson_and_spearman",
             hub=("nyu-mll/glue", "stsb"), tables=_same("STS-B", _PAIR, "score")),
        Task("qqp", "QQP", ("question1", "question2"), ("not_duplicate", "duplicate"), _F1, "accuracy_and_f1",
             hub=("nyu-mll/glue", "qqp"), spellings={"0": "not_duplicate", "1": "duplicate"},
             tables=_same("QQP", ("question1", "question2"), "is_duplicate", index="id", test_index="id")),
        Task("mnli", "MNLI", ("premise", "hypothesis"), _NLI, ("accuracy",), "accuracy", hub=("nyu-mll/glue", "mnli"),
             dev=("validation_matched", "validation_mismatched"), test=("test_matched", "test_mismatched"),
             tables=_mnli(), drop=("-",)),
        Task("qnli", "QNLI", ("question", "sentence"), _TWO_WAY, ("accuracy",), "accuracy",
             hub=("nyu-mll/glue", "qnli"), tables=_same("QNLI", ("question", "sentence"), "label")),
        Task("rte", "RTE", _PAIR, _TWO_WAY, ("accuracy",), "accuracy", hub=("nyu-mll/glue", "rte"),
             tables=_same("RTE", _PAIR, "label")),
        Task("wnli", "WNLI", _PAIR, ("not_entailment", "entailment"), ("accuracy",), "accuracy",
             hub=("nyu-mll/glue", "wnli"), spellings={"0": "not_entailment", "1": "entailment"},
             tables=_same("WNLI", _PAIR, "label")),
        Task("ax", "AX", ("premise", "hypothesis"), _NLI, ("matthews_correlation", "accuracy"),
             "matthews_correlation", hub=("nyu-mll/glue", "ax"), train=None, dev=(), test=("test",), model_of="mnli",
             tables={"test": Table(("AX/diagnostic-full.tsv", "diagnostic/diagnostic-full.tsv"),
                                   ("Premise", "Hypothesis"), "Label"),
                     "unlabelled": Table(("AX/diagnostic.tsv", "diagnostic/diagnostic.tsv", "AX/test.tsv"),
                                         _PAIR, None, "index")}),
        Task("snli", "SNLI", ("premise", "hypothesis"), _NLI, ("accuracy",), "accuracy",
             hub=("stanfordnlp/snli", None), drop=("-",),
             tables={"train": _snli("train", "train"), "validation": _snli("validation", "dev"),
                     "test": _snli("test", "test")}),
    )
}


def get_task(name: str) -> Task:
    """Looks a task up by its name.

    Args:
        name: a key of `TASKS`; letter case, ``-`` and ``_`` do not count (``SST-2`` is ``sst2``).

    Raises:
        ConfigError: no such task; names the nearest one.
    """
    key = name.lower().replace("-", "").replace("_", "")
    if key in TASKS:
        return TASKS[key]
    near = difflib.get_close_matches(key, TASKS, n=1, cutoff=0.5)
    hint = f"; nearest: {near[0]!r}" if near else ""
    raise ConfigError([Problem("tasks", f"must be one of {', '.join(TASKS)}, but got {name!r}{hint}")])
