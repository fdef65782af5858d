"""The test rows that a submission answers, checked against the official ones."""

from __future__ import annotations

from gluetune.data import DataSource, Examples, FolderSource
from gluetune.data.folder import find_file
from gluetune.data.records import read_header, read_records
from gluetune.errors import DataError
from gluetune.inference.submission_files import SubmissionFile
from gluetune.tasks import FileLayout

_INDEX = "index"


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
