"""A search on rows that a Python program holds in memory, beside a built-in task: record, models and resume."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

import gluetune
from gluetune.errors import DataError

pytestmark = [pytest.mark.ray, pytest.mark.slow]
WORDS = {"animals": ["cat", "dog", "bird"], "places": ["town", "river", "hill"], "things": ["book", "ball", "car"]}


def rows(count: int, seed: int) -> pd.DataFrame:
    """Texts of three classes."""
    draw = random.Random(seed)
    topics = [draw.choice(list(WORDS)) for _ in range(count)]
    texts = [" ".join(draw.choices([*WORDS[topic], "the", "a"], k=6)) for topic in topics]
    return pd.DataFrame({"title": [text[:9] for text in texts], "body": texts, "topic": topics})


@pytest.fixture(scope="module")
def result(ray_cluster: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[gluetune.SearchResult]:
    """The one search of these tests."""
    before, folder = Path.cwd(), tmp_path_factory.mktemp("program")
    os.chdir(folder)
    task = gluetune.Task.from_frame(
        rows(120, 0), name="topics.v1", text="{title}: {body}", label="topic", metric="accuracy", test=rows(30, 1)
    )
    yield gluetune.tune(
        name="own",
        tasks=[task, "cola"],
        data={"source": "synthetic", "max_train_samples": 100, "max_eval_samples": 40},
        training={"num_train_epochs": 1},
        search={"num_samples": 1},
        progress=False,
    )
    os.chdir(before)


def test_the_run_keeps_rows_definition_and_card(result: gluetune.SearchResult) -> None:
    folder = Path(result.folder)
    assert (result.status, result.tasks) == ("complete", ["topics.v1", "cola"])
    assert (folder / "rows" / "topics.v1" / "train" / "train.parquet").is_file()
    assert json.loads((folder / "tasks.json").read_text())["tasks"]["topics.v1"]["labels"] == list(WORDS)
    assert "topics" in (folder / "report" / "topics.v1_data_card.md").read_text()
    assert not (folder / "report" / "cola_data_card.md").exists()


def test_the_winner_answers_by_its_folder_its_run_and_mlflow(result: gluetune.SearchResult) -> None:
    best = result.best("topics.v1")
    assert set(best.scores) == {"selection", "test"} or set(best.scores) == {"test"}
    new = rows(5, 2)
    expected = best.load(device="cpu").predict(new)
    assert set(expected) <= set(WORDS)
    for loaded in (
        gluetune.load(best.folder or ""),
        gluetune.load(result.folder, "topics.v1"),
        gluetune.load(best.model_uri or "", tracking_uri=result.tracking_uri),
    ):
        assert loaded.predict(new) == expected


def test_mlflow_has_the_card_and_the_datasets(result: gluetune.SearchResult) -> None:
    from mlflow import MlflowClient

    client = MlflowClient(result.tracking_uri)
    experiment = client.get_experiment_by_name("own")
    runs = {
        run.data.tags["gluetune.task"]: run
        for run in client.search_runs([experiment.experiment_id], "tags.`gluetune.level` = 'task'")
    }
    own = runs["topics.v1"]
    assert {given.dataset.name for given in own.inputs.dataset_inputs} == {"topics.v1-train", "topics.v1-selection"}
    assert "data_card.md" in {file.path for file in client.list_artifacts(own.info.run_id)}
    assert "data_card.md" not in {file.path for file in client.list_artifacts(runs["cola"].info.run_id)}


def test_a_resume_finds_the_rows_and_refuses_other_classes(result: gluetune.SearchResult) -> None:
    assert gluetune.resume("own", progress=False).status == "complete"
    file = Path(result.folder) / "rows" / "topics.v1" / "train" / "train.parquet"
    kept = file.read_bytes()
    frame = pd.read_parquet(file)
    frame.loc[:1, "topic"] = "plants"
    frame.to_parquet(file)
    with pytest.raises(DataError, match=r"topics\.v1: classes .*plants"):
        gluetune.resume("own", progress=False)
    file.write_bytes(kept)
