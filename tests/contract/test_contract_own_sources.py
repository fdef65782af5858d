"""Tasks of the user's own: every kind of source gives the same rows, for every problem."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import parquet

from gluetune.config import TaskFiles
from gluetune.data import Examples
from gluetune.data.own_tasks import OwnSource, open_frames, open_task
from gluetune.tasks import Task

TEXTS = ["a cat, black", 'the "best" dog', "two\nlines", "naïve – Grüße 🙂", "", "NA", "123", " spaces "]
ROWS = 40
TABLE: dict[str, list[Any]] = {
    "title": [f"title {row}" for row in range(ROWS)],
    "body": [TEXTS[row % len(TEXTS)] for row in range(ROWS)],
    "topic": [("news", "sport", "arts")[row % 3] if row != 7 else None for row in range(ROWS)],
    "stars": [row % 5 + 1 for row in range(ROWS)],
    "score": [row / 8 - 1 for row in range(ROWS)],
    "tags": [["x", "y", "z"][: row % 4] for row in range(ROWS)],
    "toxic": [row % 2 for row in range(ROWS)],
    "rude": [bool(row % 3) for row in range(ROWS)],
}
PROBLEMS = {
    "topic": ("topic", "single_label", ("arts", "news", "sport")),
    "stars": ("stars", "single_label", ("1", "2", "3", "4", "5")),
    "score": ("score", "regression", ()),
    "tags": ("tags", "multi_label", ("x", "y", "z")),
    "toxic": (["toxic", "rude"], "multi_label", ("toxic", "rude")),
}


def frame() -> pd.DataFrame:
    return pd.DataFrame(TABLE)


def csv(folder: Path, name: str = "train.csv", separator: str = ",", **options: Any) -> dict[str, Any]:
    frame().assign(tags=[json.dumps(tags) for tags in TABLE["tags"]]).to_csv(
        folder / name, index=False, sep=separator, **options
    )
    return {"train": str(folder / name)}


def packed(folder: Path, ending: str, pack: Callable[[bytes], bytes]) -> dict[str, Any]:
    file = folder / f"train.csv{ending}"
    file.write_bytes(pack(Path(csv(folder)["train"]).read_bytes()))
    return {"train": str(file)}


def json_lines(folder: Path) -> dict[str, Any]:
    lines = [json.dumps({name: cells[row] for name, cells in TABLE.items()}) for row in range(ROWS)]
    (folder / "train.jsonl").write_text("\n\n".join(lines))
    return {"train": str(folder / "train.jsonl")}


def json_list(folder: Path) -> dict[str, Any]:
    rows = [{name: cells[row] for name, cells in TABLE.items()} for row in range(ROWS)]
    (folder / "train.json").write_text(json.dumps(rows, indent=1), encoding="utf-8")
    return {"train": str(folder / "train.json")}


def parquet_file(folder: Path) -> dict[str, Any]:
    parquet.write_table(pa.table(TABLE), folder / "train.parquet", row_group_size=7)
    return {"train": str(folder / "train.parquet")}


def shards(folder: Path) -> dict[str, Any]:
    (folder / "shards").mkdir()
    for number in range(4):
        part = pa.table(TABLE).slice(number * 10, 10)
        parquet.write_table(part, folder / "shards" / f"train-{number:05}-of-00004.parquet")
    (folder / "shards" / "_SUCCESS").touch()
    return {"train": str(folder / "shards")}


def saved(folder: Path) -> dict[str, Any]:
    datasets.Dataset.from_dict(TABLE).save_to_disk(str(folder / "saved"))
    return {"train": str(folder / "saved")}


def saved_splits(folder: Path) -> dict[str, Any]:
    datasets.DatasetDict(train=datasets.Dataset.from_dict(TABLE)).save_to_disk(str(folder / "splits"))
    return {"dataset": str(folder / "splits")}


def hub_copy(folder: Path) -> dict[str, Any]:
    """A copy of a repository of the hub, with two configurations."""
    home = folder / "acme" / "topics"
    (home / "en").mkdir(parents=True)
    parquet.write_table(pa.table(TABLE), home / "en" / "part-00000-of-00001.parquet")
    configs = [
        {"config_name": name, "data_files": [{"split": "part", "path": f"{name}/part-*"}]} for name in ("en", "de")
    ]
    (home / "README.md").write_text(f"---\n{json.dumps({'configs': configs})}\n---\n")
    return {"dataset": str(home), "dataset_config": "en", "train": "part"}


FILES: dict[str, Callable[[Path], dict[str, Any]]] = {
    "csv": csv,
    "csv with semicolons": lambda folder: csv(folder, separator=";"),
    "csv with all cells quoted": lambda folder: csv(folder, quoting=1),
    "csv of Windows": lambda folder: csv(folder, lineterminator="\r\n", encoding="utf-8-sig"),
    "csv in UTF-16": lambda folder: csv(folder, encoding="utf-16"),
    "tsv": lambda folder: csv(folder, "train.tsv", "\t"),
    "gzip": lambda folder: packed(folder, ".gz", gzip.compress),
    "bzip2": lambda folder: packed(folder, ".bz2", bz2.compress),
    "xz": lambda folder: packed(folder, ".xz", lzma.compress),
    "zstd": lambda folder: packed(folder, ".zst", lambda raw: bytes(pa.compress(raw, "zstd", asbytes=True))),
    "json lines": json_lines,
    "json": json_list,
    "parquet": parquet_file,
    "shards": shards,
    "save_to_disk": saved,
    "save_to_disk of splits": saved_splits,
    "hub": hub_copy,
}
FRAMES: dict[str, Callable[[], Any]] = {
    "DataFrame": frame,
    "Dataset": lambda: datasets.Dataset.from_dict(TABLE),
    "shuffled back": lambda: (
        datasets.Dataset.from_dict(TABLE).select(range(ROWS - 1, -1, -1)).select(range(ROWS - 1, -1, -1))
    ),
    "Arrow": lambda: pa.table(TABLE),
}


def opened(source: str, folder: Path, label: Any, **fields: Any) -> tuple[Task, OwnSource]:
    if source in FRAMES:
        files = TaskFiles(text=["title", "body"], label=label, **fields)
        return open_frames("own", files, {"train": FRAMES[source]()})
    files = TaskFiles(text=["title", "body"], label=label, **FILES[source](folder), **fields)
    return open_task("own", files, cache_dir=str(folder / "cache"))


def check(task: Task, examples: Examples, label: str) -> None:
    kept = [row for row in range(ROWS) if label != "topic" or TABLE["topic"][row] is not None]
    assert list(examples.columns["title"]) == [TABLE["title"][row] for row in kept]
    assert list(examples.columns["body"]) == [TABLE["body"][row] for row in kept]
    assert examples.labels is not None
    if task.problem == "single_label":
        assert examples.labels.dtype == np.int64
        assert [task.labels[number] for number in examples.labels] == [str(TABLE[label][row]) for row in kept]
    elif task.problem == "regression":
        assert examples.labels.dtype == np.float32
        assert examples.labels.tolist() == TABLE["score"]
    else:
        assert examples.labels.dtype == np.float32
        sets = TABLE["tags"] if label == "tags" else [[n for n in ("toxic", "rude") if TABLE[n][row]] for row in kept]
        assert examples.labels.tolist() == [[float(name in each) for name in task.labels] for each in sets]


@pytest.mark.parametrize("label", PROBLEMS)
@pytest.mark.parametrize("source", [*FILES, *FRAMES])
def test_every_source_gives_the_same_task_and_rows(source: str, label: str, tmp_path: Path) -> None:
    columns, problem, names = PROBLEMS[label]
    task, rows = opened(source, tmp_path, columns)
    assert (task.problem, task.labels, task.columns) == (problem, names, ("title", "body"))
    assert (task.splits, task.metrics[0]) == (("train",), task.primary)
    assert problem in rows.decided
    examples = rows.load(task, "train")
    check(task, examples, label)
    if label == "topic":
        assert "1 row without a label left out" in examples.source
        assert any("1 row without a label" in note for note in examples.notes)
    assert examples.labels is not None
    again = pickle.loads(pickle.dumps(rows)).load(task, "train")
    assert again.columns == examples.columns
    assert np.array_equal(again.labels, examples.labels)


@pytest.mark.parametrize("source", ["csv", "json lines", "parquet", "Dataset"])
def test_without_labels_there_are_all_rows(source: str, tmp_path: Path) -> None:
    task, rows = opened(source, tmp_path, "topic")
    examples = rows.load(task, "train", labels=False)
    assert examples.labels is None
    assert list(examples.columns["body"]) == TABLE["body"]


def test_classes_of_a_dataset_keep_their_ids_and_names() -> None:
    features = datasets.Features(
        {"text": datasets.Value("string"), "label": datasets.ClassLabel(names=["pos", "neg", "none"])}
    )
    rows = datasets.Dataset.from_dict({"text": ["a", "b", "c", "d"], "label": [1, 0, -1, 1]}, features=features)
    task, source = open_frames("own", TaskFiles(text="text", label="label"), {"train": rows})
    examples = source.load(task, "train")
    assert task.labels == ("pos", "neg", "none")
    assert examples.labels is not None
    assert examples.labels.tolist() == [1, 0, 1]  # -1 is no label


def test_splits_are_those_that_are_given(tmp_path: Path) -> None:
    csv(tmp_path)
    frame().head(9).to_json(tmp_path / "dev.jsonl", orient="records", lines=True)
    frame()[["title", "body"]].to_parquet(tmp_path / "test.parquet")
    train, validation, test = (str(tmp_path / name) for name in ("train.csv", "dev.jsonl", "test.parquet"))
    files = TaskFiles(text="{title}: {body}", label="topic", train=train, validation=validation, test=test)
    task, source = open_task("own", files)
    assert (task.dev, task.test, task.columns) == (("validation",), ("test",), ("text",))
    assert len(source.load(task, "validation")) == 8
    examples = source.load(task, "test")
    assert examples.labels is None
    assert list(examples.columns["text"]) == [
        f"{title}: {body}" for title, body in zip(TABLE["title"], TABLE["body"], strict=True)
    ]
