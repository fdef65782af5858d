"""A submission to GLUE: its eleven files, the official test rows that each answers, and the zip, written and checked.

Names, header and spellings are those of https://gluebenchmark.com/faq, row counts those of the official test files
(the card of ``nyu-mll/glue`` on the Hugging Face hub lists them).
"""

from __future__ import annotations

import io
import re
import zipfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from gluetune.data import DataSource, Examples, FolderSource
from gluetune.data.files import find_file
from gluetune.data.records import read_header, read_records
from gluetune.errors import DataError, did_you_mean
from gluetune.inference.predictions import Predictions
from gluetune.storage import folder_and_name
from gluetune.storage.output_file import write_output
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
        """Return a regression's prediction, clipped."""
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
    """Return the rows that a file answers, in the order of their official index.

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
    """Refuse a test file whose index column, where it has one, does not count rows from 0."""
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


_LONG_AGO = (1980, 1, 1, 0, 0, 0)  # the same predictions give the same bytes


def write_archive(path: str | Path, predictions: Mapping[str, Sequence[str]]) -> bytes:
    """Write a zip; see `gluetune.storage.output_file` for links and devices.

    Args:
        path: the zip, local or by URI.
        predictions: each file's predictions by its name, spelled, in row order.

    Returns:
        Its bytes.

    Raises:
        StorageError: the zip cannot be written.
    """
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, values in predictions.items():
            lines = [HEADER, *(f"{row}\t{value}" for row, value in enumerate(values))]
            entry = zipfile.ZipInfo(name, _LONG_AGO)
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, "\n".join(lines) + "\n", zipfile.ZIP_DEFLATED)
    write_output(path, packed.getvalue())
    return packed.getvalue()


def check_submission(path: str | Path, official: bool = True) -> dict[str, int]:
    """Read a submission back against the format's rules.

    The zip holds the eleven files and nothing else; each has the header ``index<TAB>prediction``; ``index`` counts
    rows from 0; predictions are spelled as the file's task is; there is one row per official test row.

    Args:
        path: the zip, local or by URI.
        official: whether the number of rows must be the official one; without, any number of rows will do.

    Returns:
        Rows by file name.

    Raises:
        DataError: the first rule that is broken, with file and line.
    """
    folder, name = folder_and_name(path)
    data = folder.read(name)
    if data is None:
        raise DataError("a submission must be a zip file, but there is none", path)
    return check_archive(data, path, official)


def check_archive(data: bytes, path: str | Path, official: bool = True) -> dict[str, int]:
    """`check_submission` for a zip's bytes; ``path`` is the name that messages use.

    Raises:
        DataError: the first rule that is broken, with file and line.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            _check_names(archive.namelist(), path)
            return {
                file.name: _check_file(file, archive.read(file.name), f"{path}/{file.name}", official) for file in FILES
            }
    except zipfile.BadZipFile as error:
        raise DataError(f"a submission must be a zip file, but it is not: {error}", path) from error


def _check_names(names: Sequence[str], path: str | Path) -> None:
    wanted = [file.name for file in FILES]
    missing = [name for name in wanted if name not in names]
    surplus = [name for name in names if name not in wanted]
    twice = [name for name, count in Counter(names).items() if count > 1]
    got = [
        f"{what} {', '.join(found)}" for what, found in (("no", missing), ("also", surplus), ("twice", twice)) if found
    ]
    if got:
        hint = did_you_mean(surplus[0], wanted) if missing and surplus else ""
        raise DataError(f"the zip must hold {', '.join(wanted)} and nothing else, but got {'; '.join(got)}{hint}", path)


def _check_file(file: SubmissionFile, data: bytes, place: str, official: bool) -> int:
    """Return the number of rows of a file that breaks no rule."""
    try:
        header, *lines = data.decode("utf-8").removesuffix("\n").split("\n")
    except UnicodeDecodeError as error:
        raise DataError(f"text must be UTF-8, but is not ({error.reason} at byte {error.start})", place) from error
    if header != HEADER:
        raise DataError(f"the header must be {HEADER!r}, but got {header!r}", place, 1)
    for row, line in enumerate(lines):
        cells = line.split("\t")
        if len(cells) != 2:
            raise DataError(f"a row must have 2 tab-separated columns, but got {len(cells)}", place, row + 2)
        if cells[0] != str(row):
            raise DataError(f"the index must count rows from 0, here {row}, but got {cells[0]!r}", place, row + 2)
        if not file.accepts(cells[1]):
            raise DataError(f"the prediction must be {file.rule}, but got {cells[1]!r}", place, row + 2)
    if not lines or (official and len(lines) != file.rows):
        wanted = f"{file.rows:,} rows, as the official test file does" if official else "rows"
        raise DataError(f"the file must hold {wanted}, but got {len(lines):,}", place)
    return len(lines)
