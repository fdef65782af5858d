"""CoLA's and MRPC's files as the user's own tasks: the same rows, trials and scores as those of the built-in tasks."""

from __future__ import annotations

import csv
import os
import string
from pathlib import Path

import numpy as np
import pytest

from gluetune.config import DataConfig, JobConfig, ModelConfig, TrainingConfig
from gluetune.config.space import SearchSpace
from gluetune.data import EncodedTask, open_source
from gluetune.events import Evaluation
from gluetune.inference import load_classifier, own_task_of
from gluetune.search.prepare import SearchInputs, prepare_inputs
from gluetune.storage import Storage
from gluetune.tasks import Task, get_task
from gluetune.training import Checkpoints, train_trial
from tiny_classifiers import spelling, write_encoder

GLUE = os.environ.get("GLUETUNE_GLUE_DIR")
SPACE = SearchSpace(name="none", space={})
TRAINING = TrainingConfig(learning_rate=1e-3, batch_size=32, max_steps=6, evals_per_epoch=3, eval_batch_size=64)
LIMITS = {"max_train_samples": 300, "max_eval_samples": 150, "max_seq_length": 64}
SOURCES = [
    "synthetic",
    pytest.param("dir", marks=pytest.mark.skipif(GLUE is None, reason="GLUETUNE_GLUE_DIR names no GLUE folder")),
]


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> ModelConfig:
    """A random BERT of one layer that reads characters."""
    words = spelling(string.ascii_lowercase + string.digits + string.punctuation)
    return ModelConfig(name_or_path=str(write_encoder(tmp_path_factory.mktemp("encoder"), words)))


def write_csv(task: Task, data: DataConfig, split: str, file: Path) -> str:
    """Write a split with class names as labels."""
    rows = open_source(data).load(task, split)
    with file.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow([*task.columns, "label"])
        writer.writerows(
            [*texts, task.labels[label]]
            for *texts, label in zip(*rows.columns.values(), rows.labels, strict=True)  # type: ignore[arg-type]
        )
    return str(file)


def assert_same_rows(own: EncodedTask, known: EncodedTask, splits: dict[str, str]) -> None:
    for mine, official in splits.items():
        for name in ("input_ids", "offsets", "boundaries", "labels"):
            assert np.array_equal(getattr(own.splits[mine], name), getattr(known.splits[official], name)), (mine, name)
        assert own.fingerprints[mine] == known.fingerprints[official]


def trial(inputs: SearchInputs, data: EncodedTask, folder: Path) -> list[tuple[object, ...]]:
    """Train a trial and return all its figures."""
    found: list[Evaluation] = []

    def report(evaluation: Evaluation) -> bool:
        found.append(evaluation)
        return True

    checkpoints = Checkpoints(Storage(str(folder)), "trial")
    train_trial(data.task, data, inputs.first.encoder, TRAINING, 11, report=report, checkpoints=checkpoints)
    return [
        (each.step, each.score, each.metrics[data.task.primary], each.eval_loss, each.train_loss, each.learning_rate)
        for each in found
    ]


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("selection", ["holdout", "dev"])
@pytest.mark.parametrize("name", ["cola", "mrpc"])
def test_own_files_give_the_trials_of_the_built_in_task(
    name: str, selection: str, source: str, encoder: ModelConfig, tmp_path: Path
) -> None:
    task = get_task(name)
    data = DataConfig(source=source, dir=GLUE if source == "dir" else None, selection=selection, **LIMITS)  # type: ignore[arg-type]
    train, dev = (write_csv(task, data, split, tmp_path / f"{split}.csv") for split in ("train", "validation"))
    described = {
        "train": train,
        "validation" if selection == "dev" else "test": dev,
        "text": list(task.columns),
        "label": "label",
        "labels": list(task.labels),
        "metric": task.primary,
    }
    own = prepare_inputs(JobConfig(tasks={"mine": described}, data=data, model=encoder, training=TRAINING), SPACE)  # type: ignore[dict-item]
    known = prepare_inputs(JobConfig(tasks=[name], data=data, model=encoder, training=TRAINING), SPACE)  # type: ignore[arg-type]
    mine, official = own.data["mine"], known.data[name]
    scored = "validation" if selection == "dev" else "test"
    assert_same_rows(mine, official, {"train": "train", "selection": "selection", scored: "validation"})
    figures = trial(own, mine, tmp_path / "own")
    assert figures == trial(known, official, tmp_path / "known")
    assert len(figures) >= 1


def test_a_winners_folder_answers_rows_without_the_files(encoder: ModelConfig, tmp_path: Path) -> None:
    from gluetune.models import save_pretrained

    task = get_task("cola")
    train = write_csv(task, DataConfig(), "train", tmp_path / "train.csv")
    described = {"train": train, "text": "{sentence}!", "label": "label", "metric": "accuracy"}
    job = JobConfig(tasks={"mine": described}, data=DataConfig(**LIMITS), model=encoder, training=TRAINING)  # type: ignore[dict-item, arg-type]
    inputs = prepare_inputs(job, SPACE)
    mine = inputs.data["mine"]
    trial(inputs, mine, tmp_path / "run")
    weights = Checkpoints(Storage(str(tmp_path / "run")), "trial").load_best()
    assert weights is not None
    folder = tmp_path / "winner"
    save_pretrained(inputs.first.encoder, mine.task, weights, inputs.first.tokenizer, str(folder), TRAINING)
    inputs.first.text.of_task(mine.task).write(folder)
    Path(train).unlink()
    answered = own_task_of(str(folder))
    assert answered is not None
    assert (answered.labels, answered.primary) == (("acceptable", "unacceptable"), "accuracy")
    assert set(load_classifier(str(folder), answered).predict(["It rains."])) <= set(answered.labels)
