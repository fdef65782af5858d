"""Where files lie, and which package may import which."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
PACKAGE = ROOT / "platform" / "gluetune"

# The packages that each package imports. No arrow points back.
MAY_IMPORT: dict[str, set[str]] = {
    "errors": set(),
    "supervisor": set(),
    "synthetic": set(),
    "tasks": {"errors"},
    "config": {"errors", "tasks"},
    "storage": {"errors"},
    "events": {"errors", "config", "storage"},
    "data": {"errors", "config", "tasks", "synthetic"},
    "models": {"errors", "config", "tasks", "data"},
    "training": {"errors", "config", "tasks", "storage", "data", "models"},
    "pretraining": {"errors", "config", "storage", "synthetic", "data", "models", "training"},
    "inference": {"errors", "config", "tasks", "storage", "events", "data", "models", "training"},
    "cluster": {"errors", "config"},
    "lanes": {"errors", "supervisor", "config", "storage", "events", "training", "cluster"},
    "workloads": {"config", "tasks", "events", "training", "pretraining", "lanes"},
    "search": {
        "errors",
        "supervisor",
        "config",
        "tasks",
        "storage",
        "events",
        "data",
        "models",
        "training",
        "inference",
        "pretraining",
        "lanes",
        "workloads",
        "cluster",
    },
    "tracking": {"errors", "config", "tasks", "storage", "events", "data"},
    "reporting": {"errors", "config", "tasks", "storage", "events", "tracking"},
}
MAY_IMPORT["api"] = set(MAY_IMPORT)
MAY_IMPORT["cli"] = set(MAY_IMPORT)
MAY_IMPORT["__main__"] = {"cli"}
ONLY_IN = {
    "ray": {"lanes", "workloads", "cluster", "search", "api"},
    "mlflow": {"tracking"},
    "optuna": {"search"},
}


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def package_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(path: Path) -> set[str]:
    """Dotted names of everything a module imports, anywhere in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            found.add(node.module or "")
    return found


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_package_imports_upward(path: Path) -> None:
    here = package_of(path)
    if here == "__init__":
        return
    packages = {name.split(".")[1] for name in imports(path) if name.startswith("gluetune.")}
    assert packages - {here} <= MAY_IMPORT[here], (
        f"{here} may not import {sorted(packages - {here} - MAY_IMPORT[here])}"
    )


@pytest.mark.parametrize("library", ONLY_IN)
def test_libraries_are_imported_only_where_they_belong(library: str) -> None:
    users = {package_of(path) for path in modules() if any(name.split(".")[0] == library for name in imports(path))}
    assert users <= ONLY_IN[library]


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


def test_training_runs_without_ray_or_mlflow() -> None:
    loaded = "sorted({'ray', 'mlflow', 'optuna'} & set(sys.modules))"
    code = f"import sys, gluetune.training, gluetune.tasks.metrics; print({loaded})"
    shown = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"


def test_no_file_is_a_maze() -> None:
    longest = max(modules(), key=lambda path: len(path.read_text().splitlines()))
    assert len(longest.read_text().splitlines()) <= 400, longest


def test_job_scripts_are_thin() -> None:
    for script in (ROOT / "jobs").glob("*.py"):
        assert len(script.read_text().splitlines()) < 60, script
