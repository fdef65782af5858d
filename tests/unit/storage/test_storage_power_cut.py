"""What has been written survives a power cut: files, folders, every event of the journal, every checkpoint."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from gluetune.config import TrainingConfig
from gluetune.errors import StorageError
from gluetune.events import Evaluation, Journal, TrialStarted, read_run_file
from gluetune.events import journal as journal_module
from gluetune.storage import Storage, durable
from gluetune.storage.durable import replace_folder
from gluetune.tasks import TASKS
from gluetune.training import Checkpoints, train_trial
from power_cut import Disk
from training_setup import task_data, tiny_encoder


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "disk").mkdir()
    return tmp_path / "disk"


@pytest.fixture
def disk(root: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Disk]:
    disk = Disk(root, monkeypatch)
    yield disk
    disk.close()


def test_the_disk_of_these_tests_loses_what_is_not_synced(disk: Disk, root: Path, tmp_path: Path) -> None:
    (root / "draft").write_bytes(b"content")
    (root / "draft").rename(root / "file")
    durable.sync_folder(root)
    (root / "later").write_bytes(b"")
    left = disk.left_after("power cut", tmp_path / "after")
    assert {path.name: path.read_bytes() for path in left.iterdir()} == {"file": b""}


def test_a_written_file_and_the_folders_that_lead_to_it_are_kept(disk: Disk, root: Path, tmp_path: Path) -> None:
    storage = Storage(str(root)).sub("runs/search")
    for data in (b"one", b"two"):
        storage.write("a/b/file", data)
        left = disk.left_after("power cut", tmp_path / data.decode())
        assert (left / "runs/search/a/b/file").read_bytes() == data
    storage.delete("a")
    storage.write("a/b/file", b"three")
    assert (disk.left_after("power cut", tmp_path / "again") / "runs/search/a/b/file").read_bytes() == b"three"


def test_a_winners_folder_survives_completely(disk: Disk, root: Path, tmp_path: Path) -> None:
    storage = Storage(str(root))
    for version in ("first", "second"):
        model = tmp_path / version
        (model / "inner").mkdir(parents=True)
        (model / "config.json").write_text(version)
        (model / "inner" / "vocab.txt").write_text(version)
        storage.upload(model, "winners/cola")
        left = disk.left_after("power cut", tmp_path / f"after {version}") / "winners" / "cola"
        assert [(left / name).read_text() for name in ("config.json", "inner/vocab.txt")] == [version, version]
    assert storage.list("winners") == ["cola"]


def test_every_event_is_kept_before_anything_acts_on_it(
    disk: Disk, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_module, "SEGMENT", 2)
    journal = Journal(Storage(str(root)).sub("search"))
    for number in range(5):  # the first one of each segment is written in another way than the next
        journal.append(TrialStarted(time=1.0, number=number, task="cola", params={}, training={}, seed=1))
        left = disk.left_after("power cut", tmp_path / f"after {number}")
        assert Journal(Storage(str(left / "search"))).events == journal.events


def test_a_trials_checkpoint_is_kept_before_its_evaluation_is_reported(disk: Disk, root: Path, tmp_path: Path) -> None:
    steps, reported = [], []

    def report(evaluation: Evaluation) -> bool:
        left = Checkpoints(
            Storage(str(disk.left_after("power cut", tmp_path / str(evaluation.index)))), "trials/cola-0000"
        )
        state = left.load()
        assert left.load_best() is not None
        steps.append(state["step"] if state else 0)
        reported.append(evaluation.step)
        return True

    training = TrainingConfig(batch_size=8, learning_rate=5e-3, num_train_epochs=1, evals_per_epoch=3)
    train_trial(
        TASKS["cola"],
        task_data(TASKS["cola"]),
        tiny_encoder(),
        training,
        3,
        report=report,
        checkpoints=Checkpoints(Storage(str(root)), "trials/cola-0000"),
    )
    assert len(reported) == 3
    assert steps[:-1] == reported[:-1]  # after the last step only the best weights are kept


@pytest.mark.parametrize("damaged", [b"", b"\0" * 4096])
def test_a_trial_with_a_damaged_state_starts_again(
    damaged: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    checkpoints = Checkpoints(Storage(str(tmp_path)), "trial")
    checkpoints.save({"step": 3, "weights": torch.ones(9)})
    (tmp_path / "trial" / "state.pt").write_bytes(damaged)
    assert checkpoints.load() is None
    assert str(tmp_path / "trial" / "state.pt") in capsys.readouterr().err


@pytest.mark.parametrize("damaged", [b"", b"\0" * 4096])
def test_damaged_best_weights_are_one_message_with_the_file(damaged: bytes, tmp_path: Path) -> None:
    checkpoints = Checkpoints(Storage(str(tmp_path)), "trial")
    checkpoints.save_best({"weight": torch.ones(9)})
    (tmp_path / "trial" / "best.safetensors").write_bytes(damaged)
    with pytest.raises(StorageError, match=r"trial/best\.safetensors must be .*damaged"):
        checkpoints.load_best()


@pytest.mark.parametrize("file", ["job.yaml", "space.yaml", "pretraining.yaml"])
def test_an_empty_state_file_is_one_message_with_the_file(file: str, tmp_path: Path) -> None:
    storage = Storage(str(tmp_path))
    assert read_run_file(storage, file) is None
    storage.write(file, b"seed: 1\n")
    assert read_run_file(storage, file) == b"seed: 1\n"
    (tmp_path / file).write_bytes(b"\0" * 8)
    with pytest.raises(StorageError, match=rf"{file} is empty \(8 bytes\)"):
        read_run_file(storage, file)


def test_a_folder_that_cannot_be_replaced_is_restored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, source = tmp_path / "winners" / "cola[1]", tmp_path / "new"
    for path, content in ((folder, "old"), (source, "new")):
        path.mkdir(parents=True)
        (path / "config.json").write_text(content)
    rename = os.rename

    def refused(path: Path, target: Path) -> None:
        if target == folder and path.name.endswith(".part"):
            raise OSError("away")
        rename(path, target)

    with monkeypatch.context() as patch:
        patch.setattr(os, "rename", refused)
        with pytest.raises(OSError, match="away"):
            replace_folder(source, folder)
    assert (folder / "config.json").read_text() == "old"
    replace_folder(source, folder)
    assert (folder / "config.json").read_text() == "new"
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]
