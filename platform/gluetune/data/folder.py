"""Data source that reads the official GLUE folder, as GLUE's download script writes it."""

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
