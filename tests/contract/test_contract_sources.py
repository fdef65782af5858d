"""What every data source promises for every task and split."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from gluetune.data import CustomSource, DataSource, Examples, FolderSource, HubSource
from gluetune.data.synthetic_source import SyntheticSource
from gluetune.errors import DataError
from gluetune.tasks import TASKS, FileLayout, Task

ROWS = 6
SPLITS = [pytest.param(task, split, id=f"{task.name}-{split}") for task in TASKS.values() for split in task.splits]


def official_label(task: Task, row: int) -> str:
    if task.regression:
        return f"{row % 6}.250" if row % 6 < 5 else "5.000"
    name = task.labels[row % len(task.labels)]
    return next((spelling for spelling, label in task.label_aliases.items() if label == name), name)


def write_table(folder: Path, task: Task, split: str, table: FileLayout) -> None:
    """Write one split in its official layout."""
    texts = [[f"{split} {column} number {row}" for column in task.columns] for row in range(ROWS)]
    lines = ["\t".join(map(str, (*table.text, *([] if table.label is None else [table.label]))))] * table.header
    for row, text in enumerate(texts):
        label = [] if table.label is None else [official_label(task, row)]
        cells = [*text, *label] if table.header else ["gj04", *label, "", *text]
        lines.append("\t".join(cells))
    for name in table.files:
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("\n".join(lines) + "\n", encoding="utf-8")


@pytest.fixture(scope="session")
def folder_source(tmp_path_factory: pytest.TempPathFactory) -> DataSource:
    folder = tmp_path_factory.mktemp("glue")
    for task in TASKS.values():
        for split, tables in task.layouts.items():
            write_table(folder, task, split, tables[0])
    return FolderSource(folder)


@pytest.fixture(scope="session")
def hub_source(tmp_path_factory: pytest.TempPathFactory) -> DataSource:
    """A copy of the hub's two repositories, as ``hf download`` leaves it, with few rows."""
    mirror = tmp_path_factory.mktemp("mirror")
    configs: dict[str, list[dict[str, object]]] = {}
    for task in TASKS.values():
        path, name = task.hub[0], task.hub[1] or "plain_text"
        for split in task.splits:
            write_parquet(mirror / path / name / f"{split}-00000-of-00001.parquet", task, split)
        files = [{"split": split, "path": f"{name}/{split}-*"} for split in task.splits]
        configs.setdefault(path, []).append({"config_name": name, "data_files": files})
    for path, entries in configs.items():
        (mirror / path / "README.md").write_text(f"---\n{json.dumps({'configs': entries})}\n---\n")
    return HubSource(cache_dir=str(tmp_path_factory.mktemp("cache")), mirror=mirror)


def write_parquet(file: Path, task: Task, split: str) -> None:
    import datasets

    label = datasets.Value("float32") if task.regression else datasets.ClassLabel(names=list(task.labels))
    features = datasets.Features(
        {column: datasets.Value("string") for column in task.columns} | {"label": label, "idx": datasets.Value("int32")}
    )
    known = split not in task.test or task.name == "snli"
    labels = [(row % task.num_labels if task.labels else row % 6) if known else -1 for row in range(ROWS)]
    rows = {column: [f"{split} {column} number {row}" for row in range(ROWS)] for column in task.columns}
    file.parent.mkdir(parents=True, exist_ok=True)
    datasets.Dataset.from_dict(rows | {"label": labels, "idx": list(range(ROWS))}, features=features).to_parquet(file)


@pytest.fixture(scope="session")
def synthetic_source() -> DataSource:
    return SyntheticSource()


OWN_CLASS = """
class Own:
    def __init__(self, *, split):
        self.split = split

    def __len__(self):
        return {rows}

    def __getitem__(self, row):
        label = {{}} if self.split.startswith("test") else {{"label": row % {classes}}}
        return {{column: f"{{self.split}} {{column}} number {{row}}" for column in {columns}}} | label
"""


class OwnClasses(DataSource):
    """A user's own class for each task, because such a class does not learn for which task it is called."""

    def __init__(self, folder: Path) -> None:
        self.sources = {}
        for task in TASKS.values():
            file = folder / f"{task.name}.py"
            file.write_text(
                OWN_CLASS.format(rows=ROWS, classes=task.num_labels if task.labels else 6, columns=task.columns)
            )
            self.sources[task.name] = CustomSource(f"{file}:Own")

    def load(self, task: Task, split: str, *, labels: bool = True) -> Examples:
        return self.sources[task.name].load(task, split, labels=labels)

    def has(self, task: Task, split: str) -> bool:
        return self.sources[task.name].has(task, split)

    def describe(self, task: Task) -> str:
        return self.sources[task.name].describe(task)


@pytest.fixture(scope="session")
def own_classes(tmp_path_factory: pytest.TempPathFactory) -> DataSource:
    return OwnClasses(tmp_path_factory.mktemp("own"))


@pytest.fixture(params=["synthetic", "dir", "hub", "custom"])
def source(request: pytest.FixtureRequest) -> DataSource:
    name = {"synthetic": "synthetic_source", "dir": "folder_source", "hub": "hub_source", "custom": "own_classes"}[
        request.param
    ]
    found: DataSource = request.getfixturevalue(name)
    return found


@pytest.mark.parametrize(("task", "split"), SPLITS)
def test_a_split_has_the_tasks_columns_and_labels(source: DataSource, task: Task, split: str) -> None:
    assert source.has(task, split) or (task.train is None and isinstance(source, OwnClasses))
    examples = source.load(task, split)

    assert (examples.task, examples.split) == (task.name, split)
    assert tuple(examples.columns) == task.columns
    assert len(examples) > 0
    assert {len(texts) for texts in examples.columns.values()} == {len(examples)}
    assert all(type(text) is str and text for texts in examples.columns.values() for text in texts)
    if split not in task.test:
        assert examples.labels is not None
    if examples.labels is not None:
        check_labels(task, examples)


@pytest.mark.parametrize(("task", "split"), SPLITS)
def test_without_labels_there_are_all_rows(source: DataSource, task: Task, split: str) -> None:
    rows = source.load(task, split, labels=False)
    assert rows.labels is None
    assert rows.columns == source.load(task, split).columns


def check_labels(task: Task, examples: Examples) -> None:
    labels = examples.labels
    assert labels is not None
    assert labels.shape == (len(examples),)
    if task.regression:
        assert labels.dtype == np.float32
        assert task.minimum <= labels.min() < labels.max() <= task.maximum
    else:
        assert labels.dtype == np.int64
        assert set(labels.tolist()) == set(range(task.num_labels))


@pytest.mark.parametrize("task", TASKS.values(), ids=TASKS)
def test_loading_twice_gives_the_same_rows(source: DataSource, task: Task) -> None:
    first, second = (source.load(task, task.splits[0]) for _ in range(2))
    assert first.columns == second.columns
    assert first.labels is second.labels is None or np.array_equal(first.labels, second.labels)  # type: ignore[arg-type]


@pytest.mark.parametrize("task", TASKS.values(), ids=TASKS)
def test_provenance_is_in_words(source: DataSource, task: Task) -> None:
    assert source.describe(task)
    assert source.load(task, task.splits[0]).source


def test_an_unknown_split_is_a_data_error_with_the_nearest(source: DataSource) -> None:
    assert not source.has(TASKS["mnli"], "validation_mached")
    with pytest.raises(DataError, match="nearest: 'validation_matched'"):
        source.load(TASKS["mnli"], "validation_mached")


def test_a_source_pickles(source: DataSource) -> None:
    again: DataSource = pickle.loads(pickle.dumps(source))
    assert again.load(TASKS["rte"], "validation").columns == source.load(TASKS["rte"], "validation").columns


@pytest.mark.parametrize("take", [lambda rows: rows[::-1], lambda rows: rows[:1], lambda rows: rows[[0, 0, 2]]])
def test_take_keeps_texts_and_labels_together(source: DataSource, take: Callable[[np.ndarray], np.ndarray]) -> None:
    examples = source.load(TASKS["stsb"], "train")
    rows = take(np.arange(len(examples)))
    taken = examples.take(rows)
    assert examples.labels is not None
    assert taken.labels is not None
    for place, row in enumerate(rows):
        assert taken.columns["sentence2"][place] == examples.columns["sentence2"][row]
        assert taken.labels[place] == examples.labels[row]
