"""What `ray job submit --working-dir .` uploads, packaged as Ray does it."""

from __future__ import annotations

import logging
import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest

from launcher_files import ROOT

LIMIT = 10 * 1024**2  # bytes
NEEDED = {
    "jobs/tune_glue.py",
    "jobs/quickstart.yaml",
    "platform/gluetune/__init__.py",
    "search_spaces/bert_recommended.yaml",
}
LEFT_BEHIND = (
    ".git/objects/pack",
    ".venv/lib",
    "runs/search",
    "mlruns/0",
    "mlartifacts/1",
    "docs/images",
    "tests/unit",
    "deploy",
    ".mypy_cache/3.11",
    ".pytest_cache",
    ".ruff_cache",
    "platform/gluetune/__pycache__",
    "platform/gluetune.egg-info",
    "build/lib",
    "dist",
    "jobs/.ipynb_checkpoints",
)


def package(folder: Path, target: Path, *, gitignore: bool = True) -> Path:
    """The archive of a working directory, made by the code behind ``ray job submit``."""
    from ray._private.runtime_env.packaging import create_package

    create_package(str(folder), target, include_gitignore=gitignore, logger=logging.getLogger("test"))
    return target


def test_this_checkout_uploads_less_than_10_mb_and_all_that_a_job_needs(tmp_path: Path) -> None:
    archive = package(ROOT, tmp_path / "checkout.zip")
    names = set(zipfile.ZipFile(archive).namelist())
    assert names >= NEEDED
    assert archive.stat().st_size < LIMIT, sorted(names)


@pytest.fixture
def untidy(tmp_path: Path) -> Path:
    """A checkout with a large file in each place that work leaves large files in."""
    checkout = tmp_path / "a checkout with spaces"
    for name in ("jobs", "search_spaces", "platform"):
        shutil.copytree(ROOT / name, checkout / name, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    for name in (".gitignore", ".rayignore"):
        shutil.copy(ROOT / name, checkout)
    for folder in LEFT_BEHIND:
        (checkout / folder).mkdir(parents=True, exist_ok=True)
        (checkout / folder / "large").write_bytes(bytes(100))
    (checkout / "mlflow.db").write_bytes(bytes(100))
    return checkout


@pytest.mark.parametrize("gitignore", [True, False], ids=["", "RAY_RUNTIME_ENV_IGNORE_GITIGNORE=1"])
def test_what_work_leaves_behind_is_not_uploaded(untidy: Path, tmp_path: Path, gitignore: bool) -> None:
    names = zipfile.ZipFile(package(untidy, tmp_path / "untidy.zip", gitignore=gitignore)).namelist()
    assert set(names) >= NEEDED
    assert not [name for name in names if name.endswith("large") or name.endswith(".db")]


def test_no_package_is_left_out(untidy: Path, tmp_path: Path) -> None:
    names = set(zipfile.ZipFile(package(untidy, tmp_path / "package.zip")).namelist())
    modules = {str(path.relative_to(untidy)) for path in (untidy / "platform").rglob("*.py")}
    assert modules <= names


def test_make_submit_passes_its_arguments_on() -> None:
    dry = subprocess.run(
        ["make", "-n", "submit", "ARGS=--name 'a b'", "RAY_API_SERVER_ADDRESS=http://127.0.0.1:9"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    (line,) = [line for line in dry.splitlines() if "gluetune submit" in line]
    assert line.endswith("-- tune --name 'a b'")
