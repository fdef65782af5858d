"""Which folders make a classifier, and which are refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gluetune.config import DataConfig
from gluetune.errors import ModelError
from gluetune.inference import TextSettings, load_classifier
from gluetune.storage import Storage
from gluetune.tasks import TASKS, get_task
from tiny_classifiers import write_classifier


@pytest.mark.parametrize("task", TASKS.values(), ids=list(TASKS))
def test_every_tasks_own_model_is_taken(task: Any, tmp_path: Path) -> None:
    classifier = load_classifier(str(write_classifier(tmp_path / "model", task)), task)
    assert classifier.model.config.num_labels == task.num_labels


def test_the_diagnostic_set_is_answered_by_the_model_of_mnli(tmp_path: Path) -> None:
    assert load_classifier(str(write_classifier(tmp_path, get_task("mnli"))), get_task("ax")).task.name == "ax"


@pytest.mark.parametrize(
    ("trained", "asked", "message"),
    [
        (
            "mrpc",
            "cola",
            "the classes of a model for cola must be (unacceptable, acceptable), but those of '{}' are "
            "(not_equivalent, equivalent); it answers mrpc",
        ),
        (
            "wnli",
            "rte",
            "the classes of a model for rte must be (entailment, not_entailment), but those of '{}' are "
            "(not_entailment, entailment); it answers wnli",
        ),
        (
            "stsb",
            "mrpc",
            "the classes of a model for mrpc must be (not_equivalent, equivalent), but those of '{}' are "
            "(stsb); it answers stsb",
        ),
        (
            "qnli",
            "stsb",
            "the classes of a model for stsb must be (stsb), but those of '{}' are "
            "(entailment, not_entailment); it answers qnli or rte",
        ),
    ],
)
def test_a_model_of_another_task_is_refused(trained: str, asked: str, message: str, tmp_path: Path) -> None:
    folder = write_classifier(tmp_path / "model", get_task(trained))
    with pytest.raises(ModelError) as refused:
        load_classifier(str(folder), get_task(asked))
    assert str(refused.value) == message.format(folder)


def test_a_missing_folder_is_named_with_its_nearest(tmp_path: Path) -> None:
    write_classifier(tmp_path / "mrpc", get_task("mrpc"))
    with pytest.raises(ModelError, match=r"must be a folder that exists, but got '.*/mprc'; nearest: 'mrpc'$"):
        load_classifier(str(tmp_path / "mprc"), get_task("mrpc"))


def test_rows_are_as_long_as_the_search_read_them_or_as_the_model_takes(tmp_path: Path) -> None:
    folder, task = str(write_classifier(tmp_path, get_task("cola"))), get_task("cola")
    assert load_classifier(folder, task, DataConfig(max_seq_length=16)).config.max_seq_length == 16
    assert load_classifier(folder, task, DataConfig(max_seq_length=128)).config.max_seq_length == 40


def test_rows_are_cut_as_training_cut_them_unless_settings_say_otherwise(tmp_path: Path) -> None:
    folder, task = write_classifier(tmp_path, get_task("rte")), get_task("rte")
    TextSettings(max_seq_length=24, truncation="proportional").write(folder)
    left = load_classifier(str(folder), task).config
    assert (left.max_seq_length, left.truncation) == (24, "proportional")
    config = load_classifier(str(folder), task, DataConfig(max_seq_length=16)).config
    assert (config.max_seq_length, config.truncation) == (16, "longest_first")


@pytest.mark.parametrize(
    ("text", "field"),
    [("{}", "max_seq_length"), ("", "JSON"), ('{"max_seq_length": 24, "truncation": "middle"}', "truncation")],
)
def test_broken_settings_of_text_are_named(text: str, field: str, tmp_path: Path) -> None:
    folder = write_classifier(tmp_path, get_task("rte"))
    (folder / "gluetune.json").write_text(text)
    with pytest.raises(ModelError, match=rf"gluetune.json must hold .*{field}"):
        load_classifier(str(folder), get_task("rte"))


def test_a_model_in_a_bucket_is_fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write_classifier(tmp_path / "model", get_task("sst2"))
    fetched: list[Path] = []
    download = Storage.download
    monkeypatch.setattr(Storage, "local", property(lambda storage: False))
    monkeypatch.setattr(
        Storage, "download", lambda storage, path, local: (fetched.append(Path(local)), download(storage, path, local))
    )
    assert load_classifier(str(folder), get_task("sst2")).model.config.num_labels == 2
    assert len(fetched) == 1
    assert not fetched[0].exists()
