"""Single files, in whichever of a task's layouts they are written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from gluetune.data.examples import UNLABELLED, Examples, parse_labels
from gluetune.data.records import read_header, read_records
from gluetune.errors import DataError, did_you_mean, did_you_mean_file
from gluetune.tasks import FileLayout, Task

_LONGEST = 120  # characters of a first line in a message


def read_with_layout(file: Path, task: Task, split: str, table: FileLayout) -> Examples:
    """Reads one file in a known layout.

    Args:
        file: the file.
        task: gives columns and labels; rows with a label of ``task.ignored_labels`` are left out and counted.
        split: what the rows are called.
        table: the layout.

    Raises:
        DataError: a line breaks the layout.
    """
    records = read_records(file, table)
    labels = None if table.label is None else parse_labels(task, records.labels, file, records.lines)
    examples = Examples(task.name, split, dict(zip(task.columns, records.columns, strict=True)), labels, "")
    dropped = 0
    if labels is not None and task.ignored_labels:
        kept = np.flatnonzero(labels != UNLABELLED)
        dropped = len(labels) - len(kept)
        examples = examples.take(kept) if dropped else examples
    notes = _notes({"malformed rows": records.malformed, "rows without a label": dropped})
    return replace(examples, source=f"dir:{file}{notes}")


def read_file(path: str | Path, task: Task, *, labels: bool | None) -> Examples:
    """Reads any file of a task, official or the user's own.

    The layout is the first that fits, of these: the task's official ones (``Task.layouts``), those for files of the
    same ending first, then a header with the task's own columns and ``label``. A layout with a header fits if the first
    line, split at tabs, names all its text columns; for a ``.jsonl`` file, the keys of the first object. Where none of
    them fits, one without a header (CoLA's) does if the first line has exactly as many tab-separated columns. A file
    has labels if its layout's label column is there too; layouts of which that holds go first.

    Args:
        path: the file: one JSON object per line if its name ends in ``.jsonl``, else tab-separated.
        task: gives the layouts.
        labels: whether to read labels: ``None`` where the file has them, ``True`` in any case, ``False`` not at all.
            Rows labelled as in ``Task.ignored_labels`` (``-``) are left out where labels are read, and counted in
            ``source``. Without labels every row counts: each line after the header, blank ones too where the only
            column is text.

    Returns:
        The rows; ``split`` is the file's name.

    Raises:
        DataError: there is no such file, no layout fits, or a line breaks the layout.
    """
    file = Path(path).expanduser()
    if not file.is_file():
        raise DataError(f"must be a file, but there is none{did_you_mean_file(file)}", file)
    examples = read_with_layout(file, task, file.name, _layout(task, file, read_header(file), labels))
    return replace(examples, source=f"file:{examples.source.removeprefix('dir:')}")


def _layout(task: Task, file: Path, names: Sequence[str], labels: bool | None) -> FileLayout:
    layouts = _layouts(task, file.suffix.lower())
    named = [table for table in layouts if table.header and set(table.text) <= set(names)]
    fitting = named or [table for table in layouts if not table.header and _width(table) == len(names)]
    labelled = [table for table in fitting if table.label is not None and (not table.header or table.label in names)]
    if labels is not False and labelled:
        return labelled[0]
    if labels or not fitting:
        raise _unfitting(task, file, names, layouts, bool(labels))
    return fitting[0].unlabelled()  # who predicts needs an answer for every row


def _layouts(task: Task, ending: str) -> list[FileLayout]:
    tables = [table for tables in task.layouts.values() for table in tables]
    tables.sort(key=lambda table: all(not name.endswith(ending) for name in table.files))
    layouts = [
        *(replace(table, files=(), exclude_rows_of=None) for table in tables),
        FileLayout((), task.columns, "label"),
    ]
    return [table for table in dict.fromkeys(layouts) if table.header or ending != ".jsonl"]


def _width(table: FileLayout) -> int:
    return 1 + max(place for place in (*table.text, table.label) if isinstance(place, int))


def _unfitting(task: Task, file: Path, names: Sequence[str], layouts: list[FileLayout], labels: bool) -> DataError:
    """Says which layouts there are and what the file has instead."""
    wanted = [
        [str(name) for name in (*table.text, *([table.label] * labels))]
        for table in layouts
        if table.header and not (labels and table.label is None)
    ]
    known = dict.fromkeys(f"({', '.join(columns)})" for columns in wanted)
    bare = dict.fromkeys(f" or have {_width(table)} columns without a header" for table in layouts if not table.header)
    missing = next((name for name in wanted[0] if name not in names), "")
    got = ", ".join(names)
    got = got if len(got) <= _LONGEST else f"{got[:_LONGEST]}…"
    return DataError(
        f"a file of {task.name} must name the columns {' or '.join(known)}{''.join(bare)}, but its first "
        f"line has ({got}){did_you_mean(missing, names)}",
        file,
        1,
    )


def _notes(left_out: dict[str, int]) -> str:
    counts = [f"{count} {what}" for what, count in left_out.items() if count]
    return f" ({' and '.join(counts)} left out)" if counts else ""
