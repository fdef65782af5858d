"""The table of tasks: GLUE's and SNLI.

Metrics are those of GLUE (Wang et al. 2019, https://gluebenchmark.com/tasks).
"""

from __future__ import annotations

from gluetune.errors import ConfigError, ConfigIssue, did_you_mean
from gluetune.tasks.plugins import load_plugin, plugin_names
from gluetune.tasks.task import FileLayout, Task

_Layouts = dict[str, tuple[FileLayout, ...]]  # by split

_F1 = ("accuracy", "f1", "accuracy_and_f1")
_NLI = ("entailment", "neutral", "contradiction")
_TWO_WAY = ("entailment", "not_entailment")
_PAIR = ("sentence1", "sentence2")


def _same(folder: str, text: tuple[str, ...], label: str, skip_malformed: bool = False) -> _Layouts:
    """Layouts of a task whose three files have the same header names."""
    return {
        "train": (FileLayout((f"{folder}/train.tsv",), text, label, skip_malformed=skip_malformed),),
        "validation": (FileLayout((f"{folder}/dev.tsv",), text, label, skip_malformed=skip_malformed),),
        "test": (FileLayout((f"{folder}/test.tsv",), text),),
    }


def _cola() -> _Layouts:
    """GLUE's files, or those of ``cola_public``, whose text differs slightly in a few rows."""
    raw = "CoLA/raw/{}.tsv".format
    return {
        "train": (FileLayout(("CoLA/train.tsv",), (3,), 1), FileLayout((raw("in_domain_train"),), (3,), 1)),
        "validation": (
            FileLayout(("CoLA/dev.tsv",), (3,), 1),
            FileLayout((raw("in_domain_dev"), raw("out_of_domain_dev")), (3,), 1),
        ),
        "test": (FileLayout(("CoLA/test.tsv",), ("sentence",)),),
    }


def _mrpc() -> _Layouts:
    """GLUE's files, or Microsoft's: GLUE took its dev rows from Microsoft's train file, and its test is Microsoft's."""
    text, label = ("#1 String", "#2 String"), "Quality"
    return {
        "train": (
            FileLayout(("MRPC/train.tsv",), text, label),
            FileLayout(("MRPC/msr_paraphrase_train.txt",), text, label, exclude_rows_of="MRPC/dev.tsv"),
        ),
        "validation": (
            FileLayout(("MRPC/dev.tsv",), text, label),
            FileLayout(("MRPC/msr_paraphrase_test.txt",), text, label),
        ),
        "test": (FileLayout(("MRPC/test.tsv",), text),),
    }


def _mnli() -> _Layouts:
    layouts: _Layouts = {"train": (FileLayout(("MNLI/train.tsv",), _PAIR, "gold_label"),)}
    for kind in ("matched", "mismatched"):
        layouts[f"validation_{kind}"] = (FileLayout((f"MNLI/dev_{kind}.tsv",), _PAIR, "gold_label"),)
        layouts[f"test_{kind}"] = (FileLayout((f"MNLI/test_{kind}.tsv",), _PAIR),)
    return layouts


def _ax() -> _Layouts:
    """Return the published diagnostic set with labels, or GLUE's file without."""
    folders = ("AX", "diagnostic")
    labelled = (
        FileLayout((f"{folder}/diagnostic-full.tsv",), ("Premise", "Hypothesis"), "Label") for folder in folders
    )
    names = ("AX/AX.tsv", "AX/test.tsv", *(f"{folder}/diagnostic.tsv" for folder in folders))
    return {"test": (*labelled, *(FileLayout((name,), _PAIR) for name in names))}


def _snli(file: str) -> tuple[FileLayout, ...]:
    """GLUE's file, or Stanford's two formats in GLUE's folder or their own."""
    names = (f"{folder}/snli_1.0_{file}.{suffix}" for folder in ("SNLI", "snli_1.0") for suffix in ("jsonl", "txt"))
    return (
        FileLayout((f"SNLI/{file}.tsv",), _PAIR, "gold_label", ragged=True),
        *(FileLayout((name,), _PAIR, "gold_label") for name in names),
    )


TASKS: dict[str, Task] = {
    task.name: task
    for task in (
        Task(
            "cola",
            "CoLA",
            ("sentence",),
            ("unacceptable", "acceptable"),
            ("matthews_correlation", "accuracy"),
            "matthews_correlation",
            hub=("nyu-mll/glue", "cola"),
            label_aliases={"0": "unacceptable", "1": "acceptable"},
            layouts=_cola(),
        ),
        Task(
            "sst2",
            "SST-2",
            ("sentence",),
            ("negative", "positive"),
            ("accuracy",),
            "accuracy",
            hub=("nyu-mll/glue", "sst2"),
            label_aliases={"0": "negative", "1": "positive"},
            layouts=_same("SST-2", ("sentence",), "label"),
        ),
        Task(
            "mrpc",
            "MRPC",
            _PAIR,
            ("not_equivalent", "equivalent"),
            _F1,
            "accuracy_and_f1",
            hub=("nyu-mll/glue", "mrpc"),
            label_aliases={"0": "not_equivalent", "1": "equivalent"},
            layouts=_mrpc(),
        ),
        Task(
            "stsb",
            "STS-B",
            _PAIR,
            (),
            ("pearson", "spearman", "pearson_and_spearman"),
            "pearson_and_spearman",
            hub=("nyu-mll/glue", "stsb"),
            layouts=_same("STS-B", _PAIR, "score"),
            problem="regression",
        ),
        Task(
            "qqp",
            "QQP",
            ("question1", "question2"),
            ("not_duplicate", "duplicate"),
            _F1,
            "accuracy_and_f1",
            hub=("nyu-mll/glue", "qqp"),
            label_aliases={"0": "not_duplicate", "1": "duplicate"},
            layouts=_same("QQP", ("question1", "question2"), "is_duplicate", skip_malformed=True),
        ),
        Task(
            "mnli",
            "MNLI",
            ("premise", "hypothesis"),
            _NLI,
            ("accuracy",),
            "accuracy",
            hub=("nyu-mll/glue", "mnli"),
            dev=("validation_matched", "validation_mismatched"),
            test=("test_matched", "test_mismatched"),
            layouts=_mnli(),
            ignored_labels=("-",),
        ),
        Task(
            "qnli",
            "QNLI",
            ("question", "sentence"),
            _TWO_WAY,
            ("accuracy",),
            "accuracy",
            hub=("nyu-mll/glue", "qnli"),
            layouts=_same("QNLI", ("question", "sentence"), "label"),
        ),
        Task(
            "rte",
            "RTE",
            _PAIR,
            _TWO_WAY,
            ("accuracy",),
            "accuracy",
            hub=("nyu-mll/glue", "rte"),
            layouts=_same("RTE", _PAIR, "label"),
        ),
        Task(
            "wnli",
            "WNLI",
            _PAIR,
            ("not_entailment", "entailment"),
            ("accuracy",),
            "accuracy",
            hub=("nyu-mll/glue", "wnli"),
            label_aliases={"0": "not_entailment", "1": "entailment"},
            layouts=_same("WNLI", _PAIR, "label"),
        ),
        Task(
            "ax",
            "AX",
            ("premise", "hypothesis"),
            _NLI,
            ("matthews_correlation", "accuracy"),
            "matthews_correlation",
            hub=("nyu-mll/glue", "ax"),
            train=None,
            dev=(),
            test=("test",),
            evaluated_with="mnli",
            layouts=_ax(),
        ),
        Task(
            "snli",
            "SNLI",
            ("premise", "hypothesis"),
            _NLI,
            ("accuracy",),
            "accuracy",
            hub=("stanfordnlp/snli", None),
            ignored_labels=("-",),
            layouts={"train": _snli("train"), "validation": _snli("dev"), "test": _snli("test")},
        ),
    )
}


def normal_name(name: str) -> str:
    """Return a task's name without letter case, ``-`` and ``_``: ``SST-2`` as ``sst2``."""
    return name.lower().replace("-", "").replace("_", "")


def get_task(name: str) -> Task:
    """Look a task up by its name.

    Args:
        name: a key of `TASKS`; letter case, ``-`` and ``_`` do not count (``SST-2`` is ``sst2``). Or the name of a task
            that another distribution registers, see `gluetune.tasks.plugins`.

    Raises:
        ConfigError: no such task (names the nearest one), or a registered one cannot be imported.
    """
    key = normal_name(name)
    if key in TASKS:
        return TASKS[key]
    registered = plugin_names()
    if name in registered:
        return load_plugin(name)
    known = [*TASKS, *registered]
    near = did_you_mean(key, known)
    raise ConfigError([ConfigIssue("tasks", f"must be one of {', '.join(known)}, but got {name!r}{near}")])


def scored_task(task: Task, name: str) -> Task:
    """Return the task whose rows are scored: a task itself, or one that is evaluated with its model.

    Args:
        task: the task that a model was trained for.
        name: name of the task of the rows, or of one of its splits (``validation``); that of MNLI's ``ax`` is a task.
    """
    other = TASKS.get(name)
    return other if other is not None and other.evaluated_with == task.name else task
