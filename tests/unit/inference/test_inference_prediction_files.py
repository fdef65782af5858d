"""Files of predictions have the format that their name ends in."""

from __future__ import annotations

import csv
import json
import os
from pathlib import Path

import numpy as np
import pytest
from pyarrow import parquet

from gluetune.errors import ConfigError
from gluetune.inference import Predictions, write_predictions
from gluetune.tasks import Task, get_task

TOPICS = Task("topics", "Topics", ("text",), ('a, "b"', "ünï", "c"), ("f1_macro",), "f1_macro", layouts={})
TAGS = Task("tags", "Tags", ("text",), ("x", "y"), ("f1_macro",), "f1_macro", layouts={}, problem="multi_label")
SINGLE = Predictions(TOPICS, np.log(np.array([[0.5, 0.25, 0.25], [0.125, 0.75, 0.125]], np.float32)))
SHARES = [[0.5, 0.25, 0.25], [0.125, 0.75, 0.125]]
ODDS = np.array([[0.0, -9.0], [9.0, 9.0], [-9.0, -9.0]], np.float32)  # probabilities 0.5, about 0 and about 1
MULTI = Predictions(TAGS, ODDS, np.array([0.4, 0.4]))


def test_csv_is_read_back_by_a_csv_reader(tmp_path: Path) -> None:
    write_predictions(SINGLE, tmp_path / "found.csv")
    with (tmp_path / "found.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["index", "label", "probability", *(f"probability_{name}" for name in TOPICS.labels)]
    assert [(row["index"], row["label"], row["probability"]) for row in rows] == [
        ("0", 'a, "b"', "0.500000"),
        ("1", "ünï", "0.750000"),
    ]


def test_json_lines_hold_an_object_of_probabilities(tmp_path: Path) -> None:
    write_predictions(SINGLE, tmp_path / "found.JSONL")
    rows = [json.loads(line) for line in (tmp_path / "found.JSONL").read_text(encoding="utf-8").splitlines()]
    first, second = (dict(zip(TOPICS.labels, shares, strict=True)) for shares in SHARES)
    assert rows == [
        {"index": 0, "label": 'a, "b"', "probability": 0.5, "probabilities": first},
        {"index": 1, "label": "ünï", "probability": 0.75, "probabilities": second},
    ]


def test_parquet_holds_numbers(tmp_path: Path) -> None:
    write_predictions(SINGLE, tmp_path / "found.parquet")
    table = parquet.read_table(tmp_path / "found.parquet").to_pydict()
    assert table["index"] == [0, 1]
    assert table["label"] == ['a, "b"', "ünï"]
    assert table["probability"] == pytest.approx([0.5, 0.75])
    assert [table[f"probability_{name}"] for name in TOPICS.labels] == [
        pytest.approx(column) for column in np.transpose(SHARES).tolist()
    ]


@pytest.mark.parametrize("ending", ["csv", "tsv", "jsonl", "parquet"])
def test_thresholds_decide_the_labels_of_every_format(ending: str, tmp_path: Path) -> None:
    file = tmp_path / f"found.{ending}"
    write_predictions(MULTI, file)
    if ending == "parquet":
        found = parquet.read_table(file).column("labels").to_pylist()
    elif ending == "jsonl":
        found = [json.loads(line)["labels"] for line in file.read_text().splitlines()]
    elif ending == "csv":
        with file.open(newline="") as rows:
            found = [json.loads(row["labels"]) for row in csv.DictReader(rows)]
    else:
        found = [json.loads(line.split("\t")[1]) for line in file.read_text().splitlines()[1:]]
    assert found == [["x"], ["x", "y"], []]  # 0.5 is above 0.4


@pytest.mark.parametrize(
    ("ending", "expected"),
    [("csv", "index,score\n0,5.250000\n"), ("jsonl", '{"index": 0, "score": 5.25}\n')],
)
def test_a_regression_has_scores(ending: str, expected: str, tmp_path: Path) -> None:
    write_predictions(Predictions(get_task("stsb"), np.array([[5.25]], np.float32)), tmp_path / f"found.{ending}")
    assert (tmp_path / f"found.{ending}").read_text() == expected


def test_a_regression_in_parquet_has_scores(tmp_path: Path) -> None:
    write_predictions(Predictions(get_task("stsb"), np.array([[5.25]], np.float32)), tmp_path / "found.parquet")
    assert parquet.read_table(tmp_path / "found.parquet").to_pydict() == {"index": [0], "score": [5.25]}


@pytest.mark.parametrize(("name", "hint"), [("found.xlsx", ""), ("found", ""), ("found.parqet", "'.parquet'")])
def test_an_unknown_ending_names_the_known_ones(name: str, hint: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        write_predictions(SINGLE, tmp_path / name)
    for part in (".csv, .tsv, .jsonl, .parquet", name, hint):
        assert part in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_a_pipe_without_an_ending_gets_tab_separated_text() -> None:
    read, write = os.pipe()
    write_predictions(Predictions(get_task("stsb"), np.array([[5.25]], np.float32)), f"/dev/fd/{write}")
    os.close(write)
    with os.fdopen(read, "rb") as stream:
        assert stream.read() == b"index\tscore\n0\t5.250000\n"
