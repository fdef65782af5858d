"""How files of a user's own are read: separators, quotes, line ends, encodings, templates."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from gluetune.config import DataConfig, TaskFiles
from gluetune.data import Examples, split_rows
from gluetune.data.examples import Texts, examples_fingerprint
from gluetune.data.own_rows import read_own_file
from gluetune.data.own_tasks import open_task
from gluetune.data.synthetic_source import SyntheticSource
from gluetune.errors import DataError
from gluetune.tasks import Task, get_task


def loaded(folder: Path, content: bytes, name: str = "train.csv", text: Any = "text") -> tuple[Task, Examples]:
    (folder / name).write_bytes(content)
    task, source = open_task("own", TaskFiles(train=str(folder / name), text=text, label="label"))
    return task, source.load(task, "train")


def texts(*arguments: Any) -> list[str]:
    task, examples = loaded(*arguments)
    return list(examples.columns[task.columns[0]])


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("train.csv", 'text,label\n"a, ""b""\nc",x\n\nd,y\n', ['a, "b"\nc', "d"]),
        ("train.csv", 'text,label\na "b" c,x\n5" disk,y\n', ['a "b" c', '5" disk']),
        ("train.csv", "text,label\r\na,x\r\nb,y\r\n", ["a", "b"]),
        ("train.csv", "text,label\ra,x\rb,y", ["a", "b"]),
        ("train.csv", "text;label\na, b;x\nc;y\n", ["a, b", "c"]),
        ("train.csv", "text\tlabel\na\tx\nb\ty\n", ["a", "b"]),
        ("train.csv", '\ufeff"text","label"\na,x\nb,y\n', ["a", "b"]),
        ("train.csv", "n,text,n,label\n1,a,2,x\n1,b,2,y\n", ["a", "b"]),
        ("train.csv", "text,label\n,x\nNA,y\n", ["", "NA"]),
        ("train.csv", "text,label\na\u2028b\x0c,x\nc,y\n", ["a\u2028b\x0c", "c"]),
        ("train.tsv", 'text\tlabel\n"a\tx\nb"\ty\n', ['"a', 'b"']),
        ("train.tsv", 'text\tlabel\n"a ""b"""\tx\nc\ty\n', ['a "b"', "c"]),
        ("train.tsv", 'text\tlabel\n"a\nb\tc"\tx\nd\ty\n', ["a\nb\tc", "d"]),
        ("train.ndjson", '{"text": "a", "label": "x"}\n\n{"label": "y"}\n', ["a", ""]),
        ("train.json", '{"text": 1.0, "label": "x"}\n{"text": true, "label": "y"}\n', ["1", "True"]),
        ("train.json", '[\n{"text": 1.25, "label": "x"},\n{"text": null, "label": "y"}\n]\n', ["1.25", ""]),
    ],
)
def test_cells(name: str, content: str, expected: list[str], tmp_path: Path) -> None:
    assert texts(tmp_path, content.encode(), name) == expected


def test_a_row_may_be_longer_than_a_block_of_the_reader(tmp_path: Path) -> None:
    long = "a line\n" * 3_000_000
    assert texts(tmp_path, f'text,label\n"{long}",x\nb,y\n'.encode()) == [long, "b"]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig"])
def test_a_byte_order_mark_says_the_encoding(encoding: str, tmp_path: Path) -> None:
    _, examples = loaded(tmp_path, "text,label\nGrüße,x\n猫,y\n".encode(encoding))
    assert list(examples.columns["text"]) == ["Grüße", "猫"]
    assert bool(examples.notes) == (encoding == "utf-16")


def test_an_unusual_separator_is_noted(tmp_path: Path) -> None:
    _, examples = loaded(tmp_path, b"text;label\na;x\nb;y\n")
    assert any("semicolon" in note for note in examples.notes)


def test_rows_without_text_are_kept_and_noted(tmp_path: Path) -> None:
    _, examples = loaded(tmp_path, b"text,label\n,x\n  ,y\na,y\n")
    assert len(examples) == 3
    assert any("2 rows without any text" in note for note in examples.notes)


@pytest.mark.parametrize(
    ("text", "columns", "first"),
    [
        ("title", ("title",), ["T"]),
        ("title,body", ("title", "body"), ["T", "B"]),
        ("{title}\n{body}", ("text",), ["T\nB"]),
        ("{title} ({n}) {{x}}", ("text",), ["T (1) {x}"]),
        (["{title}: {body}", "body"], ("text1", "body"), ["T: B", "B"]),
        (["body", "{title}"], ("body", "text2"), ["B", "T"]),
    ],
)
def test_texts_are_made_of_columns(text: Any, columns: tuple[str, ...], first: list[str], tmp_path: Path) -> None:
    task, examples = loaded(tmp_path, b"title,body,n,label\nT,B,1,x\nT2,,2,y\n", "train.csv", text)
    assert task.columns == columns
    assert [examples.columns[name][0] for name in columns] == first


def test_messages_name_the_line_after_line_ends_in_quotes(tmp_path: Path) -> None:
    (tmp_path / "dev.csv").write_text('text,label\n"a\nb\nc",x\n\nd,z\n')
    (tmp_path / "train.csv").write_text("text,label\na,x\nb,y\n")
    files = TaskFiles(
        train=str(tmp_path / "train.csv"), validation=str(tmp_path / "dev.csv"), text="text", label="label"
    )
    task, source = open_task("own", files)
    with pytest.raises(DataError) as caught:
        source.load(task, "validation")
    assert str(caught.value).startswith(f"{tmp_path / 'dev.csv'}:6: ")


@pytest.fixture
def own(tmp_path: Path) -> TaskFiles:
    lines = [f"text {row},{'xyz'[row % 3]}" for row in range(60)]
    (tmp_path / "train.csv").write_text("\n".join(["text,label", *lines]))
    (tmp_path / "dev.csv").write_text("text,label\nv1,x\nv2,y\n")
    (tmp_path / "test.csv").write_text("text,label\nt1,x\n")
    return TaskFiles(train=str(tmp_path / "train.csv"), text="text", label="label")


def test_without_validation_selection_rows_are_held_out_of_train(own: TaskFiles) -> None:
    rows = split_rows(*open_task("own", own), DataConfig(), 0)
    assert len(rows.train) + len(rows.selection) == 60
    assert set(rows.selection.columns["text"]).isdisjoint(rows.train.columns["text"])
    assert rows.selection.labels is not None
    assert set(rows.selection.labels.tolist()) == {0, 1, 2}
    assert rows.dev == {}


def test_validation_rows_are_the_selection_rows_and_test_rows_score_the_winner(own: TaskFiles, tmp_path: Path) -> None:
    files = own.model_copy(update={"validation": str(tmp_path / "dev.csv"), "test": str(tmp_path / "test.csv")})
    task, source = open_task("own", files)
    rows = split_rows(task, source, DataConfig(), 0)
    assert list(rows.selection.columns["text"]) == ["v1", "v2"]
    assert len(rows.train) == 60
    assert {split: len(each) for split, each in rows.dev.items()} == {"validation": 2, "test": 1}
    recorded = split_rows(task, source, DataConfig(selection="holdout"), 0)  # as the job file in a run's folder says
    assert (len(recorded.train), len(recorded.selection)) == (60, 2)


def test_texts_in_arrow_are_a_sequence_of_strings() -> None:
    plain = ["a", "", "Grüße", "🙂", "e"]
    rows = Texts(pa.array(plain, pa.large_string()))
    assert (list(rows), len(rows), rows[2], rows[-1], rows[1:3], rows[::-2]) == (
        plain, 5, "Grüße", "e", ["", "Grüße"], ["e", "Grüße", "a"],
    )  # fmt: skip
    assert rows == plain == list(rows.take(np.arange(5)))
    assert rows != plain[:4]
    with pytest.raises(IndexError):
        rows[5]


def test_the_fingerprint_does_not_depend_on_how_texts_are_stored() -> None:
    plain = [f"text {row} 🙂" for row in range(9000)]
    kept = Texts(pa.array(plain, pa.large_string()))
    labels = np.arange(9000)
    first, second = (Examples("own", "train", {"text": each}, labels, "") for each in (plain, kept))
    assert examples_fingerprint(first) == examples_fingerprint(second)


@pytest.mark.parametrize("name", ["cola", "mrpc", "stsb", "mnli"])
def test_rows_of_a_built_in_task_as_an_own_task_are_split_the_same_way(name: str, tmp_path: Path) -> None:
    task, source = get_task(name), SyntheticSource()
    for split in (task.train, task.dev[0]):
        rows = source.load(task, str(split))
        assert rows.labels is not None
        labels = [label if task.regression else task.labels[int(label)] for label in rows.labels.tolist()]
        pd.DataFrame({**rows.columns, "label": labels}).to_csv(tmp_path / f"{split}.csv", index=False)
    files = TaskFiles(
        train=str(tmp_path / "train.csv"),
        test=str(tmp_path / f"{task.dev[0]}.csv"),
        text=list(task.columns),
        label="label",
        labels=list(task.labels) or None,
    )
    official = split_rows(task, source, DataConfig(), 1).fingerprints
    own = split_rows(*open_task("own", files), DataConfig(), 1).fingerprints
    assert own == {
        "train": official["train"],
        "selection": official["selection"],
        "test": official[task.dev[0]],
    }


class ArrowRows:
    """Rows of a library that offers Arrow's stream interface, as polars does."""

    def __init__(self, table: pa.Table) -> None:
        self.table = table

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self.table.__arrow_c_stream__(requested_schema)


@pytest.mark.parametrize("kind", [lambda frame: frame, datasets.Dataset.from_pandas, pa.table, "arrow"])
def test_rows_in_memory_of_any_kind_make_the_same_task(kind: Any) -> None:
    frame = pd.DataFrame({"text": ["a", "b", "c", "d"], "topic": ["x", "y", "x", "y"]}, index=[7, 8, 9, 3])
    made = ArrowRows(pa.table(frame.reset_index(drop=True))) if kind == "arrow" else kind(frame)
    task = Task.from_frame(made, name="mine", text="text", label="topic")
    assert task.labels == ("x", "y")
    rows = read_own_file(task.files["train"], task, labels=True)
    assert list(rows.columns["text"]) == ["a", "b", "c", "d"]
    assert rows.labels is not None
    assert rows.labels.tolist() == [0, 1, 0, 1]


def test_other_objects_are_no_rows() -> None:
    with pytest.raises(DataError, match=r"builtins\.list"):
        Task.from_frame([{"text": "a"}], name="mine", text="text", label="topic")
