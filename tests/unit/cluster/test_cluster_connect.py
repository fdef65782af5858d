"""What starting Ray needs of this machine: each lack is one message, or mended."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from gluetune.cluster.connect import ATTEMPTS, MIN_OPEN_FILES, session_folder, start_with_retries
from gluetune.errors import ClusterError

RAISE_LIMIT = "from gluetune.cluster.connect import raise_open_file_limit as limit; limit()"
SLOW = Exception(
    "The current node timed out during startup. This could happen because some of the raylet failed to "
    "startup or the GCS has become overloaded."
)


@pytest.fixture(autouse=True)
def own_choice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAY_TMPDIR", raising=False)
    monkeypatch.delenv("TMPDIR", raising=False)


def in_child(limits: str, code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", "-c", f"{limits}; exec {sys.executable} -c {code!r}"], capture_output=True, text=True, timeout=60
    )


def test_too_few_open_files_are_named_with_the_limit_and_what_to_do() -> None:
    said = in_child("ulimit -n 64", RAISE_LIMIT)
    assert said.returncode == 1
    last = said.stderr.splitlines()[-1]
    assert "ClusterError" in last
    assert all(part in last for part in (str(MIN_OPEN_FILES), "64", "ulimit -n"))


def test_a_low_soft_limit_is_raised_where_it_may_be() -> None:
    said = in_child(
        "ulimit -Sn 64 && ulimit -Hn 1024",
        f"{RAISE_LIMIT}; import resource; print(resource.getrlimit(resource.RLIMIT_NOFILE))",
    )
    assert said.stdout == "(1024, 1024)\n", said.stderr


def test_a_temporary_folder_that_can_be_used_is_left_to_ray(
    monkeypatch: pytest.MonkeyPatch, logged: Callable[[], list[str]]
) -> None:
    monkeypatch.setenv("TMPDIR", "/tmp")
    assert session_folder() is None
    assert not logged()


@pytest.mark.parametrize("variable", ["TMPDIR", "RAY_TMPDIR"])
@pytest.mark.parametrize("kind", ["too long", "no folder", "not writable"])
def test_another_folder_is_taken_and_named(
    kind: str, variable: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, logged: Callable[[], list[str]]
) -> None:
    (tmp_path / "file").write_text("")
    chosen = {
        "too long": str(tmp_path / ("x" * 100)),
        "no folder": str(tmp_path / "file")[-200:],
        "not writable": "/proc",
    }[kind]
    monkeypatch.setenv(variable, chosen)
    folder = session_folder()
    assert folder is not None
    assert len(folder) < 31
    found = os.stat(folder)
    assert (found.st_uid, found.st_mode & 0o777) == (os.getuid(), 0o700)
    (note,) = logged()
    assert all(part in note for part in (folder, chosen, variable))
    assert session_folder() == folder  # not a new one each time


def test_a_slow_start_is_tried_again(logged: Callable[[], list[str]]) -> None:
    outcomes = iter([SLOW, TimeoutError("timed out")])

    def start() -> str:
        for error in outcomes:
            raise error
        return "started"

    assert start_with_retries(start) == "started"
    assert len(logged()) == ATTEMPTS - 1


@pytest.mark.parametrize(("error", "attempts"), [(SLOW, ATTEMPTS), (OSError("No space left on device"), 1)])
def test_what_stays_wrong_is_one_message(error: Exception, attempts: int) -> None:
    tried: list[int] = []

    def start() -> None:
        tried.append(1)
        raise error

    with pytest.raises(ClusterError, match=str(error)[:20]):
        start_with_retries(start)
    assert len(tried) == attempts


@pytest.mark.skipif(os.getuid() != 0, reason="takes another user's id")
def test_a_user_without_name_and_home_gets_both() -> None:
    code = (
        "import getpass, os, pathlib; from gluetune.cli.process import complete_account; os.setuid(54321); "
        "complete_account(); home = pathlib.Path.home().stat(); "
        "print(getpass.getuser(), home.st_uid, oct(home.st_mode))"
    )
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        os.chmod(folder, 0o777)
        environment = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
            "TMPDIR": folder,
        }
        said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, env=environment)
    assert said.stdout == "uid-54321 54321 0o40700\n", said.stderr
