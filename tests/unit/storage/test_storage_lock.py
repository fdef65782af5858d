"""One driver at a time in a run's folder, also where the file system has no locks."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gluetune.errors import StorageError
from gluetune.storage.lock import LEASE, LOCK, STALE_S, Lease, check_folder, is_locked, lock_folder


@pytest.fixture
def no_flock(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file system without flock, as Lustre's default: there is none in a test's reach."""

    def refuse(descriptor: int, operation: int) -> None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))

    monkeypatch.setattr(fcntl, "flock", refuse)


def test_a_second_driver_is_refused_by_the_kernels_lock(tmp_path: Path) -> None:
    release = lock_folder(tmp_path / "run")
    with pytest.raises(StorageError, match="one driver at a time"):
        lock_folder(tmp_path / "run")
    release()
    lock_folder(tmp_path / "run")()


@pytest.mark.usefixtures("no_flock")
def test_without_flock_a_lease_file_keeps_a_second_driver_out_and_says_what_to_do(tmp_path: Path) -> None:
    release = lock_folder(tmp_path / "run")
    lease = tmp_path / "run" / LEASE
    with pytest.raises(StorageError) as refused:
        lock_folder(tmp_path / "run")
    for part in ("one driver at a time", f"process {os.getpid()}", "flock", f"delete {lease}"):
        assert part in str(refused.value)
    release()
    again = lock_folder(tmp_path / "run")
    assert {path.name for path in (tmp_path / "run").iterdir()} == {".lock", LEASE}
    again()


@pytest.mark.parametrize("has_flock", [True, False])
def test_a_check_finds_another_driver_and_writes_nothing(
    has_flock: bool, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    if not has_flock:
        request.getfixturevalue("no_flock")
    run = tmp_path / "run"
    check_folder(run)
    assert not run.exists()
    release = lock_folder(run)
    before = {path.name: path.stat().st_mtime_ns for path in (run, *run.iterdir())}
    with pytest.raises(StorageError, match="one driver at a time"):
        check_folder(run)
    assert {path.name: path.stat().st_mtime_ns for path in (run, *run.iterdir())} == before
    release()
    check_folder(run)


def test_a_lease_is_free_after_it_is_released(tmp_path: Path) -> None:
    first, second = Lease(tmp_path), Lease(tmp_path)
    first.acquire()
    with pytest.raises(StorageError):
        second.acquire()
    assert first.renew()
    first.release()
    second.acquire()
    assert not first.renew()
    assert second.renew()
    first.release()  # leaves another driver's lease alone
    assert second.renew()


def test_the_lease_of_a_process_that_was_killed_is_free_at_once(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from gluetune.storage.lock import Lease; "
        "Lease(Path(sys.argv[1])).acquire()"
    )
    subprocess.run([sys.executable, "-c", code, tmp_path], check=True)
    assert (tmp_path / LEASE).exists()
    Lease(tmp_path).acquire()


@pytest.mark.parametrize(("age", "free"), [(STALE_S / 2, False), (STALE_S * 2, True)])
@pytest.mark.parametrize("content", [json.dumps({"token": "x", "pid": 1, "host": "another", "boot": "b"}), "", "{"])
def test_another_machines_lease_is_free_once_it_has_not_been_renewed_for_long(
    age: float, free: bool, content: str, tmp_path: Path
) -> None:
    file = tmp_path / LEASE
    file.write_text(content)
    now = file.stat().st_mtime
    os.utime(file, (now - age, now - age))
    lease = Lease(tmp_path)
    if not free:
        with pytest.raises(StorageError, match="renewed"):
            lease.acquire()
        assert file.read_text() == content
        return
    lease.acquire()
    assert lease.renew()
    assert [path.name for path in tmp_path.iterdir()] == [LEASE]


@pytest.mark.parametrize("has_flock", [True, False])
def test_a_reader_sees_the_lock_and_writes_nothing(
    has_flock: bool, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    if not has_flock:
        request.getfixturevalue("no_flock")
    run = tmp_path / "run"
    assert not is_locked(run)
    assert not run.exists()
    release = lock_folder(run)
    before = {path.name for path in run.iterdir()}
    assert is_locked(run)
    release()
    assert not is_locked(run)
    assert {path.name for path in run.iterdir()} <= before


def test_a_reader_that_looks_at_the_lock_keeps_no_driver_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The instant in which `is_locked` has a shared lock, held here until the driver has tried once."""
    lock_folder(tmp_path / "run")()
    reader = os.open(tmp_path / "run" / LOCK, os.O_RDONLY)
    fcntl.flock(reader, fcntl.LOCK_SH | fcntl.LOCK_NB)
    monkeypatch.setattr(time, "sleep", lambda seconds: fcntl.flock(reader, fcntl.LOCK_UN))
    lock_folder(tmp_path / "run")()
    os.close(reader)
