"""What problem the labels of a user's own task pose, and how its cells become labels."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gluetune.config import TaskFiles
from gluetune.data import Examples
from gluetune.data.own_tasks import OwnSource, open_frames, open_task
from gluetune.errors import DataError
from gluetune.tasks import Task


def opened(cells: list[Any], validation: list[Any] | None = None, **fields: Any) -> tuple[Task, OwnSource]:
    frames = {"train": pa.table({"text": [f"text {row}" for row in range(len(cells))], "label": cells})}
    if validation is not None:
        frames["validation"] = pa.table({"text": ["a"] * len(validation), "label": validation})
    return open_frames("own", TaskFiles(text="text", label="label", **fields), frames)


def labels(cells: list[Any], **fields: Any) -> tuple[Task, list[Any]]:
    task, source = opened(cells, **fields)
    found = source.load(task, "train").labels
    assert found is not None
    return task, found.tolist()


@pytest.mark.parametrize(
    ("cells", "problem", "names"),
    [
        (["b", "a"] * 5, "single_label", ("a", "b")),
        (["10", "9"] * 5, "single_label", ("9", "10")),
        ([-1, 0, 1] * 3, "single_label", ("-1", "0", "1")),
        ([1.0, 0.0] * 5, "single_label", ("0", "1")),
        (["1.0", "0"] * 5, "single_label", ("0", "1")),
        ([True, False] * 5, "single_label", ("False", "True")),
        ([0.5, 1.0] * 5, "regression", ()),
        (["inf", "1"] * 5, "regression", ()),
        (["1e-3", "2"] * 5, "regression", ()),
        (list(range(20)) * 2, "single_label", tuple(map(str, range(20)))),
        ([3 * number for number in range(21)] * 2, "regression", ()),
        (list(range(500)) * 5, "single_label", tuple(map(str, range(500)))),
        (list(range(1, 501)) * 5, "single_label", tuple(map(str, range(1, 501)))),
        (list(range(500)) * 2, "regression", ()),
        (["1", "two"] * 5, "single_label", ("1", "two")),
        (["1.5", "2.0", "beta"] * 5, "single_label", ("1.5", "2.0", "beta")),
        ([["a"], ["b", "a"], []] * 3, "multi_label", ("a", "b")),
        (['["a"]', '["b", "a"]', "[]"] * 3, "multi_label", ("a", "b")),
        (["['a']", "['b', 'a']", "[]"] * 3, "multi_label", ("a", "b")),
        ([[1], [10, 2]] * 3, "multi_label", ("1", "2", "10")),
    ],
)
def test_auto_decides_by_the_labels_of_train(cells: list[Any], problem: str, names: tuple[str, ...]) -> None:
    task, source = opened(cells)
    assert (task.problem, task.labels) == (problem, names)
    assert source.decided.endswith(problem)


@pytest.mark.parametrize(
    ("cells", "names"),
    [
        (pd.Categorical(["b", "a", None] * 3), ("a", "b")),
        (pd.Categorical([2, 1, 2] * 3), ("1", "2")),
        (pd.array([1, 0, None] * 3, dtype="Int64"), ("0", "1")),
        (pd.array([True, False, None] * 3, dtype="boolean"), ("False", "True")),
        (pd.Series([1, 2, 1] * 3, dtype=object), ("1", "2")),
        (pd.Series([np.array(["a"]), np.array([]), np.array(["b", "a"])] * 3), ("a", "b")),
        (pd.Series([("a",), (), ("b", "a")] * 3), ("a", "b")),
        (pd.Series([Decimal("0.5"), Decimal(2), None] * 3), ()),
    ],
)
def test_labels_of_any_type_that_pandas_has(cells: Any, names: tuple[str, ...]) -> None:
    frame = pd.DataFrame({"text": list("abcdefghi"), "label": cells})
    task, source = open_frames("own", TaskFiles(text="text", label="label"), {"train": frame})
    assert task.labels == names
    found = source.load(task, "train").labels
    assert found is not None
    assert len(found) == 9 - frame["label"].isna().sum()


@pytest.mark.parametrize("missing", [None, "", " ", "NaN", "nan", "null", "NA", "N/A", "<NA>", "#N/A"])
def test_rows_without_a_label_are_left_out_and_counted(missing: str | None) -> None:
    task, source = opened(["x", "y", missing, "x"])
    examples = source.load(task, "train")
    assert list(examples.columns["text"]) == ["text 0", "text 1", "text 3"]
    assert "1 row without a label" in examples.source
    assert len(source.load(task, "train", labels=False)) == 4


def test_a_class_that_the_task_names_is_no_missing_label() -> None:
    task, found = labels(["NA", "EU", "NA", None], labels=["EU", "NA"])
    assert (task.labels, found) == (("EU", "NA"), [1, 0, 1])


def test_spaces_around_a_label_do_not_count() -> None:
    assert labels(["x ", " x", "y"])[1] == [0, 0, 1]


def test_the_tasks_labels_are_in_the_order_of_their_ids() -> None:
    task, found = labels(["ham", "spam", "ham"], labels=["spam", "ham"])
    assert (task.labels, found) == (("spam", "ham"), [1, 0, 1])


def test_numbers_are_classes_if_the_task_says_so() -> None:
    task, found = labels([0.5, 1.5, 0.5], problem="single_label")
    assert (task.labels, found) == (("0.5", "1.5"), [0, 1, 0])


def test_classes_are_numbers_if_the_task_says_so() -> None:
    task, found = labels([1, 2, 2], problem="regression")
    assert (task.problem, found) == ("regression", [1, 2, 2])


def test_a_validation_file_may_spell_whole_classes_as_floats() -> None:
    task, source = opened([0, 1, 1], [1.0, 0.0, None])
    found = source.load(task, "validation").labels
    assert found is not None
    assert found.tolist() == [1, 0]


@pytest.mark.parametrize("separator", ["|", ";", ","])
def test_a_column_of_text_is_split_in_a_multi_label_task(separator: str) -> None:
    cells = [separator.join(names) for names in (["a", "b"], ["b"], ["c", " a "])]
    task, found = labels(cells, problem="multi_label")
    assert task.labels == ("a", "b", "c")
    assert found == [[1, 1, 0], [0, 1, 0], [1, 0, 1]]


def test_a_class_that_occurs_in_validation_only_is_named_with_its_row() -> None:
    task, source = opened(["x", "y", "x"], ["x", "z"])
    with pytest.raises(DataError, match="'z' in row 1"):
        source.load(task, "validation")


def test_metrics_rank_by_the_tasks_own(tmp_path: Path) -> None:
    task, _ = opened(["x", "y", "x"], metric="accuracy")
    assert task.primary == "accuracy" == task.metrics[0]
    task, _ = opened([0.5, 1.5, 2.5])
    assert task.primary == "pearson"


CELL = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), max_size=8)  # type: ignore[arg-type]


@given(rows=st.lists(st.tuples(CELL, CELL, st.sampled_from(["x", "y", ""])), min_size=4, max_size=12), data=st.data())
def test_a_written_csv_file_is_read_back_cell_by_cell(
    rows: list[tuple[str, str, str]], data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    import csv

    file = tmp_path_factory.getbasetemp() / data.draw(st.sampled_from(["own.csv", "own.tsv"]))
    separator = "\t" if file.suffix == ".tsv" else ","
    rows = [*rows, ("end", "end", "x"), ("end", "end", "y")]
    with file.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, delimiter=separator, quoting=csv.QUOTE_ALL)
        writer.writerows([("title", "body", "label"), *rows])
    task, source = open_task("own", TaskFiles(train=str(file), text=["title", "body"], label="label"))
    examples: Examples = source.load(task, "train", labels=False)
    assert list(zip(*(examples.columns[name] for name in task.columns), strict=True)) == [row[:2] for row in rows]
    labelled = source.load(task, "train")
    assert labelled.labels is not None
    assert [task.labels[number] for number in labelled.labels] == [label for *_, label in rows if label]


@given(st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=2, max_size=20, unique=True))
def test_numbers_keep_all_their_digits(numbers: list[float]) -> None:
    assert labels(numbers, problem="regression")[1] == [float(np.float32(number)) for number in numbers]
