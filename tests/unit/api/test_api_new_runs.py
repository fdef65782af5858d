"""The folder of a new run: a name of its own, where several start in one second too."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from gluetune.api.new_runs import new_folder, unnamed_runs
from gluetune.errors import FolderInUseError, StorageError
from gluetune.storage import Storage

NOW = time.struct_time((2026, 1, 31, 9, 30, 0, 5, 31, 0))


@pytest.fixture(autouse=True)
def one_second(monkeypatch: pytest.MonkeyPatch) -> None:
    """All runs of a test start in the same second."""
    form = time.strftime
    monkeypatch.setattr(time, "strftime", lambda text, *_: form(text, NOW))


def test_unnamed_runs_of_one_second_have_names_of_their_own(tmp_path: Path) -> None:
    root = Storage(str(tmp_path))
    made = [new_folder(root, None, "tickets") for _ in range(3)]
    names = ["tickets-20260131-093000", "tickets-20260131-093000-2", "tickets-20260131-093000-3"]
    assert [run.name for run in made] == names
    assert [run.folder.storage.uri() for run in made] == [str(tmp_path / name) for name in names]
    assert new_folder(root, None, "tickets", starts=False).name == "tickets-20260131-093000-4"
    assert len(list(tmp_path.iterdir())) == 3, "what does not start leaves no folder"
    for run in made:
        run.folder.unlock()


def test_a_run_that_has_just_locked_the_name_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = Storage(str(tmp_path))
    first = new_folder(root, None, "tune")
    exists = Storage.exists
    monkeypatch.setattr(  # the folder is made between the look at it and the lock
        Storage, "exists", lambda self, path="": exists(self, path) and path != first.name
    )
    second = new_folder(root, None, "tune")
    assert second.name == f"{first.name}-2"
    for run in (first, second):
        run.folder.unlock()


def test_a_name_that_the_user_gave_is_taken_once(tmp_path: Path) -> None:
    root = Storage(str(tmp_path))
    made = new_folder(root, "mine", "tune")
    with pytest.raises(FolderInUseError, match="mine"):
        new_folder(root, "mine", "tune")
    made.folder.storage.write("job.yaml", b"")
    made.folder.unlock()
    for _ in range(2):  # a refusal keeps no lock
        with pytest.raises(StorageError, match="--resume mine"):
            new_folder(root, "mine", "tune")


def test_unnamed_runs_are_listed_in_the_order_of_their_start() -> None:
    late, early = "tune-20260131-093001", "tune-20260131-093000"
    names = [late, f"{early}-10", f"{early}-2", early, "tune-mine", "other-20260131-093000", f"{early}x"]
    assert unnamed_runs("tune", names) == [early, f"{early}-2", f"{early}-10", late]
