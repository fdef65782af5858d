"""Readers of a file in any of a task's layouts, and of the official GLUE folder."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from gluetune.data.examples import UNLABELLED, DataSource, Examples, check_split, parse_labels
from gluetune.data.records import read_header, read_records
from gluetune.errors import DataError, did_you_mean, did_you_mean_file
from gluetune.tasks import FileLayout, Task

_MAX_HEADER_CHARACTERS = 120  # in a message
_TABLES = (".csv", ".parquet", ".json", ".ndjson", ".gz", ".bz2", ".xz", ".zst", ".zip")  # endings beside GLUE's own


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
        path: a file with one JSON object per line if its name ends in ``.jsonl``, else a tab-separated file. Without
            labels, a table with the task's columns as well: one that ends in ``.csv``, ``.parquet``, ``.json``,
            ``.ndjson`` or the ending of a compression.
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
    in_bucket = task.own and "://" in str(path)
    if not in_bucket and not file.is_file():
        raise DataError(f"must be a file, but there is none{did_you_mean_file(file)}", file)
    if task.own:
        from gluetune.data.own_rows import read_own_file

        return read_own_file(path if in_bucket else file, task, labels=labels)
    if labels is False and file.suffix.lower() in _TABLES:
        from gluetune.data.own_rows import read_texts

        return read_texts(file, task)
    examples = read_with_layout(file, task, file.name, _layout(task, file, read_header(file), labels))
    return replace(examples, source=f"file:{examples.source.removeprefix('dir:')}")


def read_labelled_file(path: str | Path, task: Task) -> Examples:
    """Read a file with labels of any format that `read_file` reads without: the same tables, with a label column.

    Args:
        path: the file. A table for a known task has the task's columns and ``label``.
        task: defines the layouts, the columns and the classes.

    Returns:
        The rows with labels; ``Examples.split`` is the name of the file.

    Raises:
        DataError: the file does not exist, has no labels, or a line does not fit the layout.
    """
    file = Path(path).expanduser()
    if task.own or file.suffix.lower() not in _TABLES or not file.is_file():
        return read_file(path, task, labels=True)
    from gluetune.data.own_rows import read_labelled_table

    return read_labelled_table(file, task)


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


class FolderSource(DataSource):
    """Rows of official files such as ``<folder>/CoLA/train.tsv``; ``Task.layouts`` lists the files of each split.

    Args:
        folder: the folder that contains one folder per task; names in it are matched without regard to case.
        train: a file that replaces the official one of the train split, in any layout that `read_file` accepts.
            Relative paths start in ``folder``. Tasks that are only evaluated (AX) keep their official files.
        validation: a file that replaces the official one of the first dev split.
        test: a file that replaces the official one of the first test split.

    Raises:
        DataError: the folder does not exist.
    """

    def __init__(
        self, folder: str | Path, *, train: str | None = None, validation: str | None = None, test: str | None = None
    ) -> None:
        self.folder = Path(folder).expanduser()
        self._files = (train, validation, test)
        if not self.folder.is_dir():
            raise DataError("`data.dir` must be a folder, but there is none", self.folder)

    def load(self, task: Task, split: str, *, labels: bool = True) -> Examples:
        """Load one split from its replacement file, or from the first of its layouts whose files all exist.

        Args:
            task: the task whose rows are loaded.
            split: one of ``task.splits``.
            labels: whether to read labels. If ``False``, every row is returned, whatever its label.

        Raises:
            DataError: the task has no such split, a file is missing, or a line does not fit the layout.
        """
        check_split(task, split, self.folder)
        if replacement := self._replacements(task).get(split):
            read_labels = (None if split in task.test else True) if labels else False
            rows = read_file(self.folder / Path(replacement).expanduser(), task, labels=read_labels)
            return replace(rows, split=split)
        layout, files = self._layout(task, split)
        layout = layout if labels else layout.unlabelled()
        parts = [read_with_layout(file, task, split, layout) for file in files]
        examples = parts[0] if len(parts) == 1 else _join(parts)
        excluded = find_file(self.folder, layout.exclude_rows_of) if layout.exclude_rows_of else None
        if excluded is None:
            return examples
        return _without(examples, read_with_layout(excluded, task, split, layout), excluded)

    def has(self, task: Task, split: str) -> bool:
        """Return whether the split has a replacement file or one of its layouts has all its files."""
        official = task.layouts.get(split, ())
        return split in self._replacements(task) or any(
            all(find_file(self.folder, name) for name in layout.files) for layout in official
        )

    def describe(self, task: Task) -> str:
        """Return ``dir:`` and the folder."""
        return f"dir:{self.folder}"

    def _replacements(self, task: Task) -> dict[str, str]:
        """Return the files that replace official ones, by split."""
        firsts = (task.train, task.dev[0], task.test[0]) if task.train else ()
        return {str(split): file for split, file in zip(firsts, self._files, strict=False) if file is not None}

    def _layout(self, task: Task, split: str) -> tuple[FileLayout, list[Path]]:
        for layout in task.layouts[split]:
            files = [find_file(self.folder, name) for name in layout.files]
            found = [file for file in files if file is not None]
            if len(found) == len(files):
                return layout, found
        raise self._missing(task, split)

    def _missing(self, task: Task, split: str) -> DataError:
        """Return an error that lists the files of the split and the most similar file in the folder."""
        layouts = [layout.files for layout in task.layouts[split]]
        expected = " or ".join(" + ".join(files) for files in layouts)
        home = layouts[0][0].split("/")[0]
        without_task_folder = next(
            (name for files in layouts for name in files if find_file(self.folder, name.partition("/")[2])), None
        )
        if without_task_folder is not None:
            return DataError(
                f"`data.dir` must be the folder that holds {home}/, but it is a task's folder itself; "
                f"give {self.folder.resolve().parent}",
                self.folder,
            )
        task_folder = find_file(self.folder, home)
        around = self.folder.iterdir() if task_folder is None else task_folder.rglob("*")
        names = sorted(path.relative_to(self.folder).as_posix() for path in around)
        target = home if task_folder is None else layouts[0][0]
        return DataError(
            f"{task.name}'s {split} rows must stand in {expected}, but there is no such file"
            f"{did_you_mean(target, names, cutoff=0.5)}",  # paths are long: a low cutoff still finds them
            self.folder,
        )


def find_file(folder: Path, name: str) -> Path | None:
    """Return the file with this name in a folder, ignoring case if no exact match exists; ``None`` if there is none."""
    path = folder
    for part in name.split("/"):
        if (path / part).exists():
            path /= part
            continue
        entries = sorted(path.iterdir()) if path.is_dir() else []
        same = next((entry for entry in entries if entry.name.casefold() == part.casefold()), None)
        if same is None:
            return None
        path = same
    return path


def _join(parts: list[Examples]) -> Examples:
    """Return the rows of several files, one file after the other."""
    first = parts[0]
    columns = {name: [text for part in parts for text in part.columns[name]] for name in first.columns}
    labels: Any = [part.labels for part in parts if part.labels is not None]
    return replace(
        first,
        columns=columns,
        labels=np.concatenate(labels) if labels else None,
        source=" + ".join(part.source for part in parts),
    )


def _without(examples: Examples, excluded: Examples, file: Path) -> Examples:
    """Return the rows whose texts are not in another file, so that no evaluation row is trained on."""
    known = set(_texts(excluded))
    kept = [row for row, texts in enumerate(_texts(examples)) if texts not in known]
    return replace(examples.take(np.array(kept, np.int64)), source=f"{examples.source} without the rows of {file}")


def _texts(examples: Examples) -> Iterable[tuple[str, ...]]:
    return zip(*examples.columns.values(), strict=True)
