"""Bad files of a user's own task: a message names file and line, the value and the nearest name.

What each message must show stands beside the input; `table_messages.golden.txt` has the whole wording.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import datasets
import pandas as pd
import pytest

from bad_tables import CASES, TRAIN, Case
from gluetune.config import DataConfig, TaskFiles
from gluetune.data import split_rows
from gluetune.data.own_tasks import SPLITS, open_frames, open_task
from gluetune.errors import ConfigError, DataError
from messages import Line, assert_golden, assert_shows

GOLDEN = Path(__file__).with_name("table_messages.golden.txt")


def message(folder: Path, load: Callable[[], object]) -> str:
    """The message, with FOLDER for the name of the folder."""
    with pytest.raises((ConfigError, DataError)) as caught:
        load()
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)
    return str(caught.value).replace(str(folder), "FOLDER")


def load(fields: dict[str, Any]) -> None:
    task, source = open_task("own", TaskFiles(**fields))
    for split in task.splits:
        source.load(task, split)
    split_rows(task, source, DataConfig(), 0)


def of_case(case: Case, folder: Path) -> str:
    for name, content in case.files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    places = {name.split("/")[0].split(".")[0]: name.split("/")[0] for name in case.files}
    fields = {"text": "text", "label": "label"} | places | case.task
    files = {split: str(folder / fields[split]) for split in SPLITS if split in fields}
    return message(folder, lambda: load(fields | files))


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_a_bad_file(case: Case, tmp_path: Path) -> None:
    place = case.shows.place.replace("/", "FOLDER/", 1)
    assert_shows(of_case(case, tmp_path), [replace(case.shows, place=place)])


def test_the_wording_of_all_messages(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> None:
    found = {case.name: of_case(case, tmp_path_factory.mktemp("bad")) for case in CASES}
    assert_golden(found, GOLDEN, update=pytestconfig.getoption("update_messages"))


ROWS = {"text": ["a", "b", "c"] * 4, "label": ["x", "y", "x"] * 4}
FRAMES = [
    ({"text": ["a", 5, "c"] * 4}, Line("the DataFrame of train", "5 (int) in row 1")),
    ({"label": [b"x", b"y", b"x"] * 4}, Line("the DataFrame of train", "binary")),
    ({"label": [1, True, 0] * 4}, Line("the DataFrame of train", "True (bool) in row 1")),
    ({"label": [[["x"]], [], []] * 4}, Line("the DataFrame of train", "list<item: list<item: string>>")),
    ({"label": [2**70, 1, 2] * 4}, Line("the DataFrame of train", "too large")),
    ({"label": [{"a": 1}] * 12}, Line("the DataFrame of train", "struct")),
    ({"text": ["a\0", "b", "c"] * 4}, Line("the DataFrame of train", "row 0")),
    ({"label": ["x"] * 12}, Line("the DataFrame of train", "'x'")),
    ({"label": [None] * 12}, Line("the DataFrame of train", "12 rows")),
]


def load_frames(frames: dict[str, Any]) -> None:
    task, source = open_frames("own", TaskFiles(text="text", label="label"), frames)
    source.load(task, "train")


@pytest.mark.parametrize(("columns", "shows"), FRAMES)
def test_a_bad_data_frame(columns: dict[str, list[Any]], shows: Line) -> None:
    frame = pd.DataFrame({name: pd.Series(values, dtype=object) for name, values in (ROWS | columns).items()})

    assert_shows(message(Path("/none"), lambda: load_frames({"train": frame})), [shows])


@pytest.mark.parametrize(
    ("frames", "shows"),
    [
        ({"train": [1, 2]}, Line("the list of train", "list")),
        (
            {"train": pd.DataFrame(ROWS), "validaton": pd.DataFrame(ROWS)},
            Line("tasks.own.validaton", nearest="validation"),
        ),
        ({"test": pd.DataFrame(ROWS)}, Line("tasks.own.train")),
        (
            {"train": pd.DataFrame({"txt": ["a", "b"], "label": ["x", "y"]})},
            Line("the DataFrame of train", "(txt, label)", nearest="txt"),
        ),
        ({"train": pd.DataFrame(ROWS).iloc[:0]}, Line("the DataFrame of train", "none")),
        (
            {"train": datasets.Dataset.from_dict(ROWS).to_iterable_dataset()},
            Line("the IterableDataset of train", "IterableDataset"),
        ),
        (
            {"train": datasets.DatasetDict(train=datasets.Dataset.from_dict(ROWS))},
            Line("the DatasetDict of train", "DatasetDict"),
        ),
    ],
)
def test_bad_rows_in_memory(frames: dict[str, Any], shows: Line) -> None:
    assert_shows(message(Path("/none"), lambda: load_frames(frames)), [shows])


def test_a_folder_of_several_splits_is_a_dataset(tmp_path: Path) -> None:
    rows = datasets.Dataset.from_dict(ROWS)
    datasets.DatasetDict(train=rows, dev=rows).save_to_disk(str(tmp_path / "both"))
    both = str(tmp_path / "both")
    text = message(tmp_path, lambda: load({"train": both, "text": "text", "label": "label"}))
    assert_shows(text, [Line("FOLDER/both", "dataset")])
    fields = {"dataset": both, "validation": "deV", "text": "text", "label": "label"}
    assert_shows(message(tmp_path, lambda: load(fields)), [Line("FOLDER/both", "'deV'", nearest="dev")])
    (tmp_path / "both" / "train" / "state.json").write_text("{")
    assert_shows(message(tmp_path, lambda: load({**fields, "validation": "dev"})), [Line("FOLDER/both", "failed")])


def test_a_parquet_file_that_is_cut_off(tmp_path: Path) -> None:
    file = tmp_path / "train.parquet"
    pd.DataFrame(ROWS).to_parquet(file)
    file.write_bytes(file.read_bytes()[:-30])
    fields = {"train": str(file), "text": "text", "label": "label"}
    assert_shows(message(tmp_path, lambda: load(fields)), [Line("FOLDER/train.parquet", "Parquet")])


def test_a_dataset_that_neither_hub_nor_cache_has(tmp_path: Path) -> None:
    fields: dict[str, Any] = {"dataset": "acme/this", "text": "text", "label": "label"}
    with pytest.raises(DataError, match="acme/this/train"):
        open_task("own", TaskFiles(**fields), cache_dir=str(tmp_path))


def test_selection_by_development_rows_needs_validation_rows(tmp_path: Path) -> None:
    (tmp_path / "train.csv").write_bytes(TRAIN)
    task, source = open_task("own", TaskFiles(train=str(tmp_path / "train.csv"), text="text", label="label"))
    text = message(tmp_path, lambda: split_rows(task, source, DataConfig(selection="dev"), 0))
    assert_shows(text, [Line("data.selection", "own")])
