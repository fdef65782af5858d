"""The official GLUE folder, as GLUE's download script leaves it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from gluetune.data.examples import DataSource, Examples, check_split
from gluetune.data.files import read_file, read_with_layout
from gluetune.errors import DataError, did_you_mean
from gluetune.tasks import FileLayout, Task


class FolderSource(DataSource):
    """Reads ``<folder>/CoLA/train.tsv`` and its like; see ``Task.layouts`` for all layouts.

    Args:
        folder: the folder that holds the tasks' folders; letter case of names in it does not count.
        train, validation, test: files that stand in for the official ones of the train split, the first dev split and
            the first test split, in any layout that `read_file` takes; relative paths start in ``folder``. They are
            for one task: tasks that are only evaluated (AX) keep their official files.

    Raises:
        DataError: there is no such folder.
    """

    def __init__(
        self, folder: str | Path, *, train: str | None = None, validation: str | None = None, test: str | None = None
    ) -> None:
        self.folder = Path(folder).expanduser()
        self._files = (train, validation, test)
        if not self.folder.is_dir():
            raise DataError("`data.dir` must be a folder, but there is none", self.folder)

    def load(self, task: Task, split: str, *, labels: bool = True) -> Examples:
        """Reads one split from the file that stands in for it, or from the first of its layouts that is there."""
        check_split(task, split, self.folder)
        if given := self._given(task).get(split):
            wanted = (None if split in task.test else True) if labels else False
            rows = read_file(self.folder / Path(given).expanduser(), task, labels=wanted)
            return replace(rows, split=split)
        table, files = self._layout(task, split)
        table = table if labels else table.unlabelled()
        parts = [read_with_layout(file, task, split, table) for file in files]
        examples = parts[0] if len(parts) == 1 else _join(parts)
        twin = find_file(self.folder, table.exclude_rows_of) if table.exclude_rows_of else None
        return examples if twin is None else _without(examples, read_with_layout(twin, task, split, table), twin)

    def has(self, task: Task, split: str) -> bool:
        """Whether a file stands in for the split, or all files of one of its layouts are there."""
        official = task.layouts.get(split, ())
        return split in self._given(task) or any(
            all(find_file(self.folder, name) for name in table.files) for table in official
        )

    def describe(self, task: Task) -> str:
        """Names the folder."""
        return f"dir:{self.folder}"

    def _given(self, task: Task) -> dict[str, str]:
        """Files that stand in for official ones, by split."""
        firsts = (task.train, task.dev[0], task.test[0]) if task.train else ()
        return {str(split): file for split, file in zip(firsts, self._files, strict=False) if file is not None}

    def _layout(self, task: Task, split: str) -> tuple[FileLayout, list[Path]]:
        for table in task.layouts[split]:
            files = [find_file(self.folder, name) for name in table.files]
            found = [file for file in files if file is not None]
            if len(found) == len(files):
                return table, found
        raise self._missing(task, split)

    def _missing(self, task: Task, split: str) -> DataError:
        """Says what was looked for and what is there instead."""
        layouts = [table.files for table in task.layouts[split]]
        wanted = " or ".join(" + ".join(files) for files in layouts)
        home = layouts[0][0].split("/")[0]
        inner = next(
            (name for files in layouts for name in files if find_file(self.folder, name.partition("/")[2])), None
        )
        if inner is not None:
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
            f"{task.name}'s {split} rows must stand in {wanted}, but there is no such file"
            f"{did_you_mean(target, names, cutoff=0.5)}",
            self.folder,
        )  # paths are long


def find_file(folder: Path, name: str) -> Path | None:
    """The file of that name in a folder, letter case ignored where no exact one exists."""
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
    """All rows of several files, one file after the other."""
    first = parts[0]
    columns = {name: [text for part in parts for text in part.columns[name]] for name in first.columns}
    labels: Any = [part.labels for part in parts if part.labels is not None]
    return replace(
        first,
        columns=columns,
        labels=np.concatenate(labels) if labels else None,
        source=" + ".join(part.source for part in parts),
    )


def _without(examples: Examples, twin: Examples, file: Path) -> Examples:
    """The rows whose text does not stand in another file, so that evaluation rows are not trained on."""
    held = set(_texts(twin))
    kept = [row for row, texts in enumerate(_texts(examples)) if texts not in held]
    return replace(examples.take(np.array(kept, np.int64)), source=f"{examples.source} without the rows of {file}")


def _texts(examples: Examples) -> Iterable[tuple[str, ...]]:
    return zip(*examples.columns.values(), strict=True)
