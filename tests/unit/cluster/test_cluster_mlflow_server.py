"""deploy/mlflow_server.py: its password, and the record that outlives its machine."""

from __future__ import annotations

import configparser
import importlib.util
import sqlite3
import stat
import subprocess
import sys
import tracemalloc
from pathlib import Path
from types import ModuleType

import pytest

from gluetune.errors import StorageError
from gluetune.storage import Storage
from launcher_files import ROOT
from limits import files_of_at_most


@pytest.fixture(scope="module")
def server() -> ModuleType:
    spec = importlib.util.spec_from_file_location("mlflow_server", ROOT / "deploy" / "mlflow_server.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def write(file: Path, run: str) -> None:
    with sqlite3.connect(file) as database:
        database.execute("create table if not exists runs (name text)")
        database.execute("insert into runs values (?)", (run,))
    database.close()


def runs(file: Path) -> list[str]:
    with sqlite3.connect(file) as database:
        names = [name for (name,) in database.execute("select name from runs")]
    database.close()
    return names


def test_the_password_is_made_once_where_mlflow_looks_for_it(server: ModuleType, tmp_path: Path) -> None:
    file = tmp_path / ".mlflow" / "credentials"
    made = server.password(file)
    assert len(made) >= 24
    assert server.password(file) == made
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    found = configparser.ConfigParser(interpolation=None)
    found.read(file)
    assert dict(found["mlflow"]) == {"mlflow_tracking_username": "admin", "mlflow_tracking_password": made}


def test_two_machines_never_share_a_password(server: ModuleType, tmp_path: Path) -> None:
    assert server.password(tmp_path / "one") != server.password(tmp_path / "two")


def test_a_new_machine_continues_with_the_record(server: ModuleType, tmp_path: Path) -> None:
    store = Storage(str(tmp_path / "bucket"))
    old, new = tmp_path / "old.db", tmp_path / "new.db"
    write(old, "first")
    server.DatabaseBackup(old, store).copy()
    server.DatabaseBackup(new, store).restore()
    assert runs(new) == ["first"]


def test_a_machine_that_has_a_record_keeps_it(server: ModuleType, tmp_path: Path) -> None:
    store = Storage(str(tmp_path / "bucket"))
    old, new = tmp_path / "old.db", tmp_path / "new.db"
    write(old, "stale")
    server.DatabaseBackup(old, store).copy()
    write(new, "fresh")
    server.DatabaseBackup(new, store).restore()
    assert runs(new) == ["fresh"]


def test_only_changes_are_copied(server: ModuleType, tmp_path: Path) -> None:
    store = Storage(str(tmp_path / "bucket"))
    record = tmp_path / "mlflow.db"
    backup = server.DatabaseBackup(record, store)
    write(record, "first")
    backup.copy()
    store.delete("mlflow.db")
    backup.copy()
    assert not store.exists("mlflow.db")
    write(record, "second")
    backup.copy()
    assert runs(tmp_path / "bucket" / "mlflow.db") == ["first", "second"]


def test_an_unfinished_write_is_not_copied(server: ModuleType, tmp_path: Path) -> None:
    record = tmp_path / "mlflow.db"
    write(record, "done")
    writing = sqlite3.connect(record)
    writing.execute("insert into runs values ('half')")
    server.DatabaseBackup(record, Storage(str(tmp_path / "bucket"))).copy()
    writing.close()
    assert runs(tmp_path / "bucket" / "mlflow.db") == ["done"]


def test_a_store_that_is_away_is_reported_and_tried_again(
    server: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record, bucket = tmp_path / "mlflow.db", tmp_path / "bucket"
    write(record, "first")
    backup = server.DatabaseBackup(record, Storage(str(bucket)))
    bucket.write_text("a file where the folder should be")
    backup.copy()
    assert "not copied yet" in capsys.readouterr().err
    bucket.unlink()
    backup.copy()
    assert runs(bucket / "mlflow.db") == ["first"]


def test_a_broken_database_is_reported_and_the_server_goes_on(
    server: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record, bucket = tmp_path / "mlflow.db", tmp_path / "bucket"
    backup = server.DatabaseBackup(record, Storage(str(bucket)))
    write(record, "first")
    backup.copy()
    record.write_bytes(b"no database" * 1000)
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(0.5)"])
    assert server.serve(child, backup.copy, 0.1) == 0
    assert "not copied yet: " in capsys.readouterr().err
    assert runs(bucket / "mlflow.db") == ["first"]
    record.unlink()
    write(record, "second")
    backup.copy()
    assert runs(bucket / "mlflow.db") == ["second"]
    assert [path.name for path in bucket.iterdir()] == ["mlflow.db"]


def test_no_server_is_left_behind_by_an_error(server: ModuleType) -> None:
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])

    def keep() -> None:
        raise MemoryError

    with pytest.raises(MemoryError):
        server.serve(child, keep, 0.05)
    assert child.poll() is not None


def test_a_record_is_copied_and_fetched_in_pieces(server: ModuleType, tmp_path: Path) -> None:
    store, record = Storage(str(tmp_path / "bucket")), tmp_path / "mlflow.db"
    with sqlite3.connect(record) as database:
        database.execute("create table blobs (content blob)")
        database.execute("insert into blobs values (zeroblob(64000000))")
    database.close()
    tracemalloc.start()
    server.DatabaseBackup(record, store).copy()
    server.DatabaseBackup(tmp_path / "new" / "mlflow.db", store).restore()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (tmp_path / "new" / "mlflow.db").stat().st_size >= 64_000_000
    assert peak < 20_000_000


def test_a_record_that_is_fetched_by_half_is_not_taken_for_a_whole_one(server: ModuleType, tmp_path: Path) -> None:
    store, record = Storage(str(tmp_path / "bucket")), tmp_path / "new.db"
    store.write("mlflow.db", bytes(100_000))
    with files_of_at_most(50_000), pytest.raises(StorageError):
        server.DatabaseBackup(record, store).restore()
    assert not record.exists()


def test_the_record_is_kept_while_the_server_runs_and_after_its_end(server: ModuleType) -> None:
    code = "import sys; sys.stdin.read(); raise SystemExit(7)"
    child, kept = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE), list[bool]()

    def keep() -> None:
        kept.append(child.poll() is None)
        if len(kept) == 3 and child.stdin is not None:
            child.stdin.close()

    assert server.serve(child, keep, 0.05) == 7
    assert kept[:3] == [True, True, True]
    assert not kept[-1]


def test_a_server_without_a_store_is_refused() -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "deploy" / "mlflow_server.py"],
        capture_output=True,
        text=True,
        env={"PYTHONPATH": str(ROOT / "platform")},
    )
    assert done.returncode == 2
    assert "MLFLOW_STORE" in done.stderr


def test_an_unedited_store_is_refused_before_anything_is_installed(tmp_path: Path) -> None:
    (tmp_path / "mlflow.env").write_text("MLFLOW_STORE=s3://YOUR-BUCKET/mlflow\n")
    done = subprocess.run(
        ["sh", ROOT / "deploy" / "install_mlflow.sh"],
        capture_output=True,
        text=True,
        env={"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"},
    )
    assert done.returncode == 1
    assert "<- 2" in done.stderr
