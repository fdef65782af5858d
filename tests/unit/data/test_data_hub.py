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


def mirror(folder: Path, task: Task, split: str, rows: dict[str, list[Any]], label: Any) -> HubSource:
    """A copy of one repository with one split."""
    path, name = task.hub[0], task.hub[1] or "plain_text"
    (folder / path / name).mkdir(parents=True)
    config = {"config_name": name, "data_files": [{"split": split, "path": f"{name}/{split}-*"}]}
    (folder / path / "README.md").write_text(f"---\n{json.dumps({'configs': [config]})}\n---\n")
    features = datasets.Features({column: datasets.Value("string") for column in rows if column != "label"}
                                 | ({"label": label} if "label" in rows else {}))
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
    assert mirror(tmp_path, task, "test", rows, datasets.Value("float32")).load(task, "test").labels is None


def test_classes_in_another_order_are_renumbered(tmp_path: Path) -> None:
    task = get_task("snli")
    names = datasets.ClassLabel(names=["contradiction", "entailment", "neutral"])
    examples = mirror(tmp_path, task, "train", PAIR | {"label": [0, 1, 2, -1]}, names).load(task, "train")
    assert examples.labels is not None
    assert examples.labels.tolist() == [2, 0, 1]


def test_plain_numbers_are_class_ids(tmp_path: Path) -> None:
    task = get_task("cola")
    rows = {"sentence": ["a", "b"], "label": [1, 0]}
    examples = mirror(tmp_path, task, "train", rows, datasets.Value("int64")).load(task, "train")
    assert examples.labels is not None
    assert examples.labels.dtype == np.int64
    assert examples.labels.tolist() == [1, 0]


@pytest.mark.parametrize(("task", "rows", "label", "message"), [
    ("cola", {"sentence": ["a", "b"], "label": [1, 2]}, datasets.Value("int64"),
     "`0 <= label <= 1` must hold, but got 2 in row 1"),
    ("cola", {"sentence": ["a", "b"], "label": [1, -1]}, datasets.Value("int64"),
     "`0 <= label <= 1` must hold, but got -1 in row 1"),
    ("stsb", {"sentence1": ["a"], "sentence2": ["b"], "label": [5.5]}, datasets.Value("float32"),
     "`0 <= label <= 5` must hold, but got 5.5 in row 0"),
    ("cola", {"sentence": ["a"], "label": [1]}, datasets.ClassLabel(names=["no", "yes"]),
     "the classes must be unacceptable, acceptable, but got no, yes"),
    ("cola", {"sentences": ["a"], "label": [1]}, datasets.Value("int64"),
     "the dataset must have the column 'sentence', but got (sentences, label); nearest: 'sentences'"),
    ("cola", {"sentence": ["a"]}, None, "the dataset must have the column 'label', but got (sentence)"),
])
def test_rows_that_break_the_task(tmp_path: Path, task: str, rows: dict[str, list[Any]], label: Any, message: str,
                                  ) -> None:
    found = get_task(task)
    source = mirror(tmp_path, found, "train", rows, label)
    with pytest.raises(DataError) as caught:
        source.load(found, "train")
    assert str(caught.value) == f"hub:{tmp_path}/nyu-mll/glue/{task}/train: {message}"


def test_without_a_network_the_message_says_what_helps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(DataError) as caught:
        HubSource(cache_dir=str(tmp_path)).load(get_task("cola"), "train")
    message = str(caught.value)
    assert message.startswith("hub:nyu-mll/glue/cola/train: the dataset must be in the cache or within reach, but ")
    assert "use `data.source: dir` or `embedded`" in message


def test_a_mirror_without_the_repository(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="within reach"):
        HubSource(mirror=tmp_path).load(get_task("cola"), "train")


def test_the_jobs_folder_is_a_mirror_of_the_hub(tmp_path: Path) -> None:
    task = get_task("cola")
    mirror(tmp_path, task, "validation", {"sentence": ["a"], "label": [1]}, datasets.Value("int64"))
    source = open_source(DataConfig(source="hub", dir=str(tmp_path), cache_dir=str(tmp_path / "cache")))
    assert source.load(task, "validation").columns == {"sentence": ["a"]}


def test_describe_names_repository_and_configuration() -> None:
    assert HubSource().describe(get_task("cola")) == "hub:nyu-mll/glue/cola"
    assert HubSource().describe(get_task("snli")) == "hub:stanfordnlp/snli"
