"""A folder of files that are whole or absent."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from gluetune.errors import StorageError
from gluetune.storage import Storage


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    return Storage(str(tmp_path / "with spaces" / "search"))


def test_storages_of_the_same_folder_are_equal(storage: Storage) -> None:
    assert {
        storage,
        pickle.loads(pickle.dumps(storage)),
        Storage(f"{storage.uri()}/"),
        Storage(f"file://{storage.uri().replace(' ', '%20')}"),
    } == {storage}
    assert storage != storage.sub("trials")
    assert storage != storage.uri()


def test_what_is_written_is_read_back_and_leaves_nothing_else(storage: Storage) -> None:
    storage.write("a/b.bin", b"one")
    storage.write("a/b.bin", b"two")
    assert storage.read("a/b.bin") == b"two"
    assert storage.list("a") == ["b.bin"]


def test_missing_files_read_as_none_and_missing_folders_are_empty(storage: Storage) -> None:
    assert storage.read("nothing") is None
    assert storage.list("nowhere") == []
    assert not storage.exists("nothing")
    storage.delete("nothing")


def test_folders_are_uploaded_and_downloaded_and_replace_existing_ones(storage: Storage, tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "config.json").write_text("{}")
    storage.write("winners/cola/old.bin", b"")
    storage.upload(tmp_path / "model", "winners/cola")
    assert storage.list("winners/cola") == ["config.json"]
    storage.download("winners/cola", tmp_path / "copy")
    assert (tmp_path / "copy" / "config.json").read_text() == "{}"
    storage.delete("winners")
    assert not storage.exists("winners")


def test_it_can_be_pickled(storage: Storage) -> None:
    storage.write("x", b"1")
    assert pickle.loads(pickle.dumps(storage)).read("x") == b"1"


def test_an_unknown_scheme_is_an_error() -> None:
    with pytest.raises(StorageError, match=r"must be a local folder or an s3://, gs:// or hdfs:// URI.*'ftp://host/x'"):
        Storage("ftp://host/x")


def test_a_folder_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="cannot write"):
        Storage(str(tmp_path / "file")).write("x", b"")
