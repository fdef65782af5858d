"""The eleven files of a GLUE submission, and the official test rows that each of them answers.

Names, header and spellings are those of https://gluebenchmark.com/faq, row counts those of the official test files
(the card of ``nyu-mll/glue`` on the Hugging Face hub lists them).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from gluetune.data import DataSource, Examples, FolderSource
from gluetune.data.folder import find_file
from gluetune.data.records import read_header, read_records
from gluetune.errors import DataError
from gluetune.inference.predictions import Predictions
from gluetune.tasks import TASKS, FileLayout, Task

_INDEX = "index"  # the column that official test files count their rows in
HEADER = "index\tprediction"
_NUMBER = re.compile(r"[0-4]\.[0-9]{3}|5\.000")


@dataclass(frozen=True, slots=True)
class SubmissionFile:
    """One file.

    Attributes:
        name: its name in the zip.
        task: the task it answers.
        split: the test split it answers.
        rows: number of official test rows.
    """

    name: str
    task: Task
    split: str
    rows: int

    @property
    def model_task(self) -> str:
        """The task whose model answers this file: MNLI's for the diagnostic set."""
        return self.task.evaluated_with or self.task.name

    @property
    def spellings(self) -> tuple[str, ...]:
        """Class names as the file spells them, by class id: as in the official train files; none for regression."""
        spelled = {name: spelling for spelling, name in self.task.label_aliases.items()}
        return tuple(spelled.get(name, name) for name in self.task.labels)

    @property
    def rule(self) -> str:
        """What a prediction must be, in words."""
        if self.task.regression:
            return f"a number from {self.task.minimum:g} to {self.task.maximum:g} with 3 decimals"
        return f"one of {', '.join(self.spellings)}"

    def spell(self, predictions: Predictions) -> list[str]:
        """Predictions as the file spells them; numbers are clipped to the range of the task's labels."""
        if self.task.regression:
            return [self.number(score) for score in predictions.scores]
        return [self.spellings[number] for number in predictions.label_ids]

    def number(self, score: float) -> str:
        """A regression's prediction, clipped."""
        return f"{max(self.task.minimum, min(float(score), self.task.maximum)):.3f}"

    def accepts(self, text: str) -> bool:
        """Whether a prediction is spelled by the file's `rule`."""
        return bool(_NUMBER.fullmatch(text)) if self.task.regression else text in self.spellings


FILES: tuple[SubmissionFile, ...] = tuple(
    SubmissionFile(name, TASKS[task], split, rows)
    for name, task, split, rows in (
        ("CoLA.tsv", "cola", "test", 1_063),
        ("SST-2.tsv", "sst2", "test", 1_821),
        ("MRPC.tsv", "mrpc", "test", 1_725),
        ("STS-B.tsv", "stsb", "test", 1_379),
        ("MNLI-m.tsv", "mnli", "test_matched", 9_796),
        ("MNLI-mm.tsv", "mnli", "test_mismatched", 9_847),
        ("QNLI.tsv", "qnli", "test", 5_463),
        ("RTE.tsv", "rte", "test", 3_000),
        ("WNLI.tsv", "wnli", "test", 146),
        ("QQP.tsv", "qqp", "test", 390_965),
        ("AX.tsv", "ax", "test", 1_104),
    )
)
MODEL_TASKS: tuple[str, ...] = tuple(dict.fromkeys(file.model_task for file in FILES))
"""The tasks whose winners a submission takes."""


def load_test(file: SubmissionFile, source: DataSource) -> Examples:
    """The rows that a file answers, in the order of their official index.

    Args:
        file: one of a submission's.
        source: where the rows come from; synthetic ones may be any number.

    Raises:
        DataError: the source lacks them, they are not as many as the official ones, or the official file's own index
            does not count them from 0.
    """
    examples = source.load(file.task, file.split, labels=False)
    if not examples.synthetic and len(examples) != file.rows:
        raise DataError(
            f"{file.name} answers {file.rows:,} official test rows, but got {len(examples):,}", examples.source
        )
    if isinstance(source, FolderSource):
        _check_index(file, source)
    return examples


def _check_index(file: SubmissionFile, source: FolderSource) -> None:
    """Refuses a test file whose index column, where it has one, does not count rows from 0."""
    for table in file.task.layouts[file.split]:
        path = find_file(source.folder, table.files[0])
        if path is None:
            continue
        if _INDEX not in read_header(path):
            return
        records = read_records(path, FileLayout(table.files, (_INDEX,)))
        for row, (index, line) in enumerate(zip(records.columns[0], records.lines, strict=True)):
            if index != str(row):
                raise DataError(f"the index of test rows must count from 0, here {row}, but got {index!r}", path, line)
        return
