"""The layout of the repository, and the import graph of the package."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
PACKAGE = ROOT / "platform" / "gluetune"


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def test_the_import_graph_keeps_the_contracts_of_pyproject() -> None:
    lint = "import sys; sys.path.insert(0, 'platform'); from importlinter.cli import lint_imports_command as run; run()"
    done = subprocess.run([sys.executable, "-c", lint, "--no-cache"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_imports_are_absolute() -> None:
    for path in modules():
        for node in ast.walk(ast.parse(path.read_text())):
            assert not (isinstance(node, ast.ImportFrom) and node.level), f"{path}:{node.lineno}: relative import"


def test_platform_is_no_package_because_it_would_hide_pythons_own() -> None:
    assert not (ROOT / "platform" / "__init__.py").exists()
    shown = subprocess.run(
        [sys.executable, "-c", "import platform; print(platform.python_version())"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert shown.stdout.strip()


def test_no_file_is_a_maze() -> None:
    longest = max(modules(), key=lambda path: len(path.read_text().splitlines()))
    assert len(longest.read_text().splitlines()) <= 400, longest


def test_make_finds_the_tests_of_clusters() -> None:
    """`make test-cluster` looks for them in tests/cluster, tests/integration and tests/unit/benchmarks."""
    mark = ".".join(("mark", "cluster"))
    tests = [*(ROOT / "tests" / "unit").rglob("test_*.py"), *(ROOT / "tests" / "contract").glob("test_*.py")]
    assert {path.parent.name for path in tests if mark in path.read_text()} == {"benchmarks"}


def test_job_scripts_are_thin() -> None:
    for script in (ROOT / "jobs").glob("*.py"):
        assert len(script.read_text().splitlines()) < 60, script
