"""``gluetune submit``: mistakes are found before anything is uploaded, and what a job is given."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from gluetune.cli.submit import EXCLUDES, main, runtime_environment
from launcher_files import ROOT


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("--address 127.0.0.1:8265 -- tune", ["--address: ", "http://"]),
        ("--working-dir /no/such/folder -- tune", ["--working-dir: ", "/no/such/folder"]),
        ("--working-dir / -- tune", ["--working-dir: ", "project"]),
        ("--env NO_SUCH_VARIABLE --wroking-dir . -- tune", ["NO_SUCH_VARIABLE", "'--working-dir'"]),
        ("-- tnue --tasks cola", ["'tune'"]),
        ("-- ui", ["'ui'"]),
        ("--no-wait", ["got none"]),
        ("-- tune --tsks cola --num_sample 3", ["'--tasks'", "'--num-samples'"]),
    ],
)
def test_mistakes_are_found_here(line: str, expected: list[str], capfd: pytest.CaptureFixture[str]) -> None:
    assert main(line.split()) == 2
    err = capfd.readouterr().err
    assert [part for part in expected if part not in err] == []
    assert "Traceback" not in err


def test_a_cluster_that_does_not_answer_is_named(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    address = "http://127.0.0.1:9"
    assert main(["--address", address, "--working-dir", str(tmp_path), "--", "tune"]) == 2
    assert address in capfd.readouterr().err


def test_a_checkout_brings_its_own_package(tmp_path: Path) -> None:
    environment = runtime_environment(ROOT, tmp_path, ["A=b=c", "HOME"])
    assert "py_modules" not in environment
    assert environment["working_dir"] == str(ROOT)
    assert environment["env_vars"] == {
        "PYTHONPATH": "platform",
        "RAY_JOB_STOP_WAIT_TIME_S": "60",
        "A": "b=c",
        "HOME": os.environ["HOME"],
    }


def uploaded(folder: Path, target: Path) -> None:
    """Unpacks what Ray would upload of a package's folder."""
    from ray._private.runtime_env.packaging import create_package

    archive = target.with_suffix(".zip")
    log = logging.getLogger("test")
    create_package(
        str(folder), archive, include_gitignore=True, include_parent_dir=True, excludes=[*EXCLUDES], logger=log
    )
    zipfile.ZipFile(archive).extractall(target)


def test_any_other_folder_gets_the_package_with_job_files_and_search_spaces(tmp_path: Path) -> None:
    """The command of the uploaded package checks the quickstart in an empty folder."""
    for name in ("project", "scratch"):
        (tmp_path / name).mkdir()
    environment = runtime_environment(tmp_path / "project", tmp_path / "scratch")
    assert "PYTHONPATH" not in environment["env_vars"]
    (package,) = environment["py_modules"]
    uploaded(Path(package), tmp_path / "uploaded")
    code = (
        "import gluetune; from gluetune.config import default_job_file, load_job; "
        "print(gluetune.__file__, load_job(default_job_file()).search.space)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path / "project",
        env=os.environ | {"PYTHONPATH": str(tmp_path / "uploaded")},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    file, space = done.stdout.split()
    assert file.startswith(str(tmp_path / "uploaded"))
    assert space == "compact_bert"
