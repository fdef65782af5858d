"""Reader of a single file in any of a task's layouts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from gluetune.data.examples import UNLABELLED, Examples, parse_labels
from gluetune.data.records import read_header, read_records
from gluetune.errors import DataError, did_you_mean, did_you_mean_file
from gluetune.tasks import FileLayout, Task

_MAX_HEADER_CHARACTERS = 120  # in a message


def read_with_layout(file: Path, task: Task, split: str, layout: FileLayout) -> Examples:
    """Read a file whose layout is known.

    Args:
        file: the file.
        task: defines columns and labels. Rows whose label is in ``task.ignored_labels`` are left out; their number is
            added to ``Examples.source``.
        split: name of the split that the rows form.
        layout: columns and header of the file.

    Raises:
        DataError: the file cannot be read, or a line does not fit the layout.
    """
    records = read_records(file, layout)
    labels = None if layout.label is None else parse_labels(task, records.labels, file, records.lines)
    examples = Examples(task.name, split, dict(zip(task.columns, records.columns, strict=True)), labels, "")
    dropped = 0
    if labels is not None and task.ignored_labels:
        kept = np.flatnonzero(labels != UNLABELLED)
        dropped = len(labels) - len(kept)
        examples = examples.take(kept) if dropped else examples
    notes = _notes({"malformed rows": records.malformed, "rows without a label": dropped})
    return replace(examples, source=f"dir:{file}{notes}")


def read_file(path: str | Path, task: Task, *, labels: bool | None) -> Examples:
    """Read any file of a task, an official one or the user's own.

    The layout is the first one that fits among the task's official layouts (``Task.layouts``, those for the same file
    extension first) and a header with the task's columns and ``label``. A layout with a header fits if the first line
    names all its text columns; in a ``.jsonl`` file the keys of the first object do so. If none of these fits, a layout
    without a header (CoLA's) fits if the first line has the same number of columns. A file has labels if it has the
    label column of its layout; layouts whose label column is present are preferred.

    Args:
        path: a file with one JSON object per line if its name ends in ``.jsonl``, else a tab-separated file.
        task: defines the layouts.
        labels: ``True`` requires labels, ``False`` ignores them, ``None`` reads them if the file has them. If labels
            are read, rows whose label is in ``Task.ignored_labels`` (``-``) are left out and counted in
            ``Examples.source``. If not, every line after the header is a row; blank lines are rows only in a file with
            one column.

    Returns:
        The rows; ``Examples.split`` is the name of the file.

    Raises:
        DataError: the file does not exist, no layout fits, or a line does not fit the layout.
    """
    file = Path(path).expanduser()
    if not file.is_file():
        raise DataError(f"must be a file, but there is none{did_you_mean_file(file)}", file)
    examples = read_with_layout(file, task, file.name, _layout(task, file, read_header(file), labels))
    return replace(examples, source=f"file:{examples.source.removeprefix('dir:')}")


def _layout(task: Task, file: Path, names: Sequence[str], labels: bool | None) -> FileLayout:
    layouts = _layouts(task, file.suffix.lower())
    named = [layout for layout in layouts if layout.header and set(layout.text) <= set(names)]
    fitting = named or [layout for layout in layouts if not layout.header and _width(layout) == len(names)]
    labelled = [
        layout for layout in fitting if layout.label is not None and (not layout.header or layout.label in names)
    ]
    if labels is not False and labelled:
        return labelled[0]
    if labels or not fitting:
        raise _unfitting(task, file, names, layouts, bool(labels))
    return fitting[0].unlabelled()  # without labels, no row may be left out: each needs a prediction


def _layouts(task: Task, ending: str) -> list[FileLayout]:
    tables = [layout for tables in task.layouts.values() for layout in tables]
    tables.sort(key=lambda layout: all(not name.endswith(ending) for name in layout.files))
    layouts = [
        *(replace(layout, files=(), exclude_rows_of=None) for layout in tables),
        FileLayout((), task.columns, "label"),
    ]
    return [layout for layout in dict.fromkeys(layouts) if layout.header or ending != ".jsonl"]


def _width(layout: FileLayout) -> int:
    return 1 + max(place for place in (*layout.text, layout.label) if isinstance(place, int))


def _unfitting(task: Task, file: Path, names: Sequence[str], layouts: list[FileLayout], labels: bool) -> DataError:
    """Return an error that lists the layouts of the task and the columns of the file."""
    expected = [
        [str(name) for name in (*layout.text, *([layout.label] * labels))]
        for layout in layouts
        if layout.header and not (labels and layout.label is None)
    ]
    known = dict.fromkeys(f"({', '.join(columns)})" for columns in expected)
    headerless = dict.fromkeys(
        f" or have {_width(layout)} columns without a header" for layout in layouts if not layout.header
    )
    missing = next((name for name in expected[0] if name not in names), "")
    got = ", ".join(names)
    got = got if len(got) <= _MAX_HEADER_CHARACTERS else f"{got[:_MAX_HEADER_CHARACTERS]}…"
    return DataError(
        f"a file of {task.name} must name the columns {' or '.join(known)}{''.join(headerless)}, but its first "
        f"line has ({got}){did_you_mean(missing, names)}",
        file,
        1,
    )


def _notes(left_out: dict[str, int]) -> str:
    counts = [f"{count} {what}" for what, count in left_out.items() if count]
    return f" ({' and '.join(counts)} left out)" if counts else ""
