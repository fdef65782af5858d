"""The hub's repositories, loaded by the real datasets library from local copies."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pytest

from gluetune.config import DataConfig
from gluetune.data import HubSource, open_source
from gluetune.errors import DataError
from gluetune.tasks import Task, get_task
from messages import Line, assert_shows


def csv_copy(folder: Path, task: Task, text: str) -> HubSource:
    """A copy of one repository with its train split as CSV."""
    repository = folder / task.hub[0]
    repository.mkdir(parents=True, exist_ok=True)
    files = json.dumps([{"config_name": task.hub[1], "data_files": [{"split": "train", "path": "train.csv"}]}])
    (repository / "README.md").write_text(f"---\nconfigs: {files}\n---\n")
    (repository / "train.csv").write_text(text, encoding="utf-8")
    return HubSource(cache_dir=str(folder.parent / "cache"), mirror=folder)


def mirror(folder: Path, task: Task, split: str, rows: dict[str, list[Any]], label: Any) -> HubSource:
    """A copy of one repository with one split."""
    path, name = task.hub[0], task.hub[1] or "plain_text"
    (folder / path / name).mkdir(parents=True)
    config = {"config_name": name, "data_files": [{"split": split, "path": f"{name}/{split}-*"}]}
    (folder / path / "README.md").write_text(f"---\n{json.dumps({'configs': [config]})}\n---\n")
    features = datasets.Features(
        {column: datasets.Value("string") for column in rows if column != "label"}
        | ({"label": label} if "label" in rows else {})
    )
    table = datasets.Dataset.from_dict(rows, features=features)
    table.to_parquet(folder / path / name / f"{split}-00000-of-00001.parquet")
    return HubSource(cache_dir=str(folder / "cache"), mirror=folder)


PAIR = {"premise": ["a", "b", "c", "d"], "hypothesis": ["e", "f", "g", "h"]}
NLI = datasets.ClassLabel(names=["entailment", "neutral", "contradiction"])


def test_snli_rows_without_a_label_are_left_out(tmp_path: Path) -> None:
    task = get_task("snli")
    examples = mirror(tmp_path, task, "train", PAIR | {"label": [2, -1, 0, -1]}, NLI).load(task, "train")
    assert examples.columns == {"premise": ["a", "c"], "hypothesis": ["e", "g"]}
    assert examples.labels is not None
    assert examples.labels.tolist() == [2, 0]
    assert examples.source == f"hub:{tmp_path}/stanfordnlp/snli/train (2 rows without a label left out)"


def test_hidden_test_labels_are_none(tmp_path: Path) -> None:
    task = get_task("mnli")
    examples = mirror(tmp_path, task, "test_matched", PAIR | {"label": [-1] * 4}, NLI).load(task, "test_matched")
    assert examples.labels is None
    assert len(examples) == 4


def test_hidden_similarities_are_none(tmp_path: Path) -> None:
    task = get_task("stsb")
    rows = {"sentence1": ["a"], "sentence2": ["b"], "label": [-1.0]}
    assert mirror(tmp_path, task, "test", rows, datasets.Value("float32")).load(task, "test").labels is None  # type: ignore[arg-type]


def test_classes_in_another_order_are_renumbered(tmp_path: Path) -> None:
    task = get_task("snli")
    names = datasets.ClassLabel(names=["contradiction", "entailment", "neutral"])
    examples = mirror(tmp_path, task, "train", PAIR | {"label": [0, 1, 2, -1]}, names).load(task, "train")
    assert examples.labels is not None
    assert examples.labels.tolist() == [2, 0, 1]


def test_plain_numbers_are_class_ids(tmp_path: Path) -> None:
    task = get_task("cola")
    rows = {"sentence": ["a", "b"], "label": [1, 0]}
    examples = mirror(tmp_path, task, "train", rows, datasets.Value("int64")).load(task, "train")  # type: ignore[arg-type]
    assert examples.labels is not None
    assert examples.labels.dtype == np.int64
    assert examples.labels.tolist() == [1, 0]


@pytest.mark.parametrize(
    ("task", "rows", "label", "value", "near"),
    [
        (
            "cola",
            {"sentence": ["a", "b"], "label": [1, 2]},
            datasets.Value("int64"),
            "2 in row 1",
            "",
        ),
        (
            "cola",
            {"sentence": ["a", "b"], "label": [1, -1]},
            datasets.Value("int64"),
            "-1 in row 1",
            "",
        ),
        (
            "stsb",
            {"sentence1": ["a"], "sentence2": ["b"], "label": [5.5]},
            datasets.Value("float32"),
            "5.5 in row 0",
            "",
        ),
        (
            "cola",
            {"sentence": ["a"], "label": [1]},
            datasets.ClassLabel(names=["no", "yes"]),
            "no, yes",
            "",
        ),
        (
            "cola",
            {"sentences": ["a"], "label": [1]},
            datasets.Value("int64"),
            "(sentences, label)",
            "sentences",
        ),
        ("cola", {"sentence": ["a"]}, None, "(sentence)", ""),
    ],
)
def test_rows_that_break_the_task(
    tmp_path: Path,
    task: str,
    rows: dict[str, list[Any]],
    label: Any,
    value: str,
    near: str,
) -> None:
    found = get_task(task)
    source = mirror(tmp_path, found, "train", rows, label)
    with pytest.raises(DataError) as caught:
        source.load(found, "train")
    assert_shows(str(caught.value), [Line(f"hub:{tmp_path}/nyu-mll/glue/{task}/train", value, near)])


def test_without_a_network_the_message_names_alternatives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(DataError) as caught:
        HubSource(cache_dir=str(tmp_path)).load(get_task("cola"), "train")
    assert_shows(str(caught.value), [Line("hub:nyu-mll/glue/cola/train", "`data.source: dir` or `synthetic`")])


def test_a_mirror_without_the_repository(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=f"^hub:{tmp_path}/nyu-mll/glue/cola/train: "):
        HubSource(mirror=tmp_path).load(get_task("cola"), "train")


def test_the_jobs_folder_is_a_mirror_of_the_hub(tmp_path: Path) -> None:
    task = get_task("cola")
    mirror(tmp_path, task, "validation", {"sentence": ["a"], "label": [1]}, datasets.Value("int64"))
    source = open_source(DataConfig(source="hub", dir=str(tmp_path), cache_dir=str(tmp_path / "cache")))
    assert source.load(task, "validation").columns == {"sentence": ["a"]}


def test_describe_names_repository_and_configuration() -> None:
    assert HubSource().describe(get_task("cola")) == "hub:nyu-mll/glue/cola"
    assert HubSource().describe(get_task("snli")) == "hub:stanfordnlp/snli"


def test_two_copies_with_one_cache_are_two_datasets(tmp_path: Path) -> None:
    task = get_task("cola")
    first, second = (
        csv_copy(tmp_path / name, task, "sentence,label\n" + f"{name},1\n" * rows)
        for name, rows in (("one", 2), ("two", 3))
    )
    assert first.load(task, "train").columns == {"sentence": ["one"] * 2}
    assert second.load(task, "train").columns == {"sentence": ["two"] * 3}
    assert first.load(task, "train").columns == {"sentence": ["one"] * 2}


def test_an_edited_copy_is_read_anew(tmp_path: Path) -> None:
    task = get_task("cola")
    csv_copy(tmp_path / "hub", task, "sentence,label\nbefore,1\n").load(task, "train")
    edited = csv_copy(tmp_path / "hub", task, "sentence,label\nafter,0\n")
    assert edited.load(task, "train").columns == {"sentence": ["after"]}


def test_the_cache_of_an_unchanged_copy_is_used_again(tmp_path: Path) -> None:
    task = get_task("cola")
    for _ in range(2):
        csv_copy(tmp_path / "hub", task, "sentence,label\na,1\n").load(task, "train")
    assert len(list((tmp_path / "cache" / "gluetune-local-copies").iterdir())) == 1


@pytest.mark.parametrize(
    ("task", "text", "message"),
    [
        ("cola", "sentence,label\na,1\nb,0.7\n", "`0 <= label <= 1` must hold and be whole, but got 0.7 in row 1"),
        ("cola", "sentence,label\na,1\nb,1.9\n", "`0 <= label <= 1` must hold and be whole, but got 1.9 in row 1"),
        ("cola", "sentence,label\na,1\nb,inf\n", "`0 <= label <= 1` must hold and be whole, but got inf in row 1"),
        (
            "cola",
            "sentence,label\na,1\nb,\n",
            "all rows must have a label or none, but row 0 has one and row 1 has none",
        ),
        ("cola", "sentence,label\na,1\n,0\n", "'sentence' must be text, but row 1 has none"),
        ("cola", "sentence,label\na,1\nNA,0\n", "such as NA or null"),
        ("cola", "sentence,label\n12,1\n13,0\n", "'sentence' must be text, but is 12 (int) in row 0"),
        (
            "cola",
            "sentence,label\na,acceptable\nb,unaceptable\n",
            "but got 'unaceptable' in row 1; nearest: 'unacceptable'",
        ),
        ("stsb", "sentence1,sentence2,label\na,b,high\n", "the label must be a number, but got 'high' in row 0"),
    ],
)
def test_cells_of_a_csv_copy_that_are_no_text_or_no_label(tmp_path: Path, task: str, text: str, message: str) -> None:
    with pytest.raises(DataError) as caught:
        csv_copy(tmp_path / "hub", get_task(task), text).load(get_task(task), "train")
    assert str(caught.value).startswith(f"hub:{tmp_path}/hub/nyu-mll/glue/{task}/train: ")
    assert message in str(caught.value)


@pytest.mark.parametrize("written", ["acceptable,unacceptable", "1,0", "1.0,0.0"])
def test_classes_are_understood_by_name_and_as_whole_numbers(tmp_path: Path, written: str) -> None:
    first, second = written.split(",")
    text = f"sentence,label\na,{first}\nb,{second}\n"
    labels = csv_copy(tmp_path / "hub", get_task("cola"), text).load(get_task("cola"), "train").labels
    assert labels is not None
    assert labels.tolist() == [1, 0]


@pytest.mark.parametrize(
    ("readme", "rows", "reason"),
    [
        ("---\nconfigs: [a: b: c\n---\n", b"sentence,label\na,1\n", "while parsing"),
        (None, b"sentence,label\na,1\nb,1,2,3\n", "Expected 2 fields in line 3, saw 4"),
        (None, b"sentence,label\ncaf\xe9,1\n", "can't decode byte 0xe9"),
        (None, b"", "No columns to parse from file"),
        (None, b"sentence,label\n", "corresponds to no data"),
    ],
)
def test_a_copy_that_the_library_cannot_load_is_an_error_with_its_cause(
    tmp_path: Path,
    readme: str | None,
    rows: bytes,
    reason: str,
) -> None:
    source, task = csv_copy(tmp_path / "hub", get_task("cola"), ""), get_task("cola")
    repository = tmp_path / "hub" / "nyu-mll" / "glue"
    (repository / "train.csv").write_bytes(rows)
    if readme is not None:
        (repository / "README.md").write_text(readme)
    with pytest.raises(DataError) as caught:
        source.load(task, "train")
    assert str(caught.value).startswith(f"hub:{tmp_path}/hub/nyu-mll/glue/cola/train: the datasets library must be ")
    assert reason in str(caught.value)
