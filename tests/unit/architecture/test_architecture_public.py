"""The public names: imported lazily, from any module first, documented, with examples that run."""

from __future__ import annotations

import doctest
import inspect
import pkgutil
import subprocess
import sys

import pytest

import gluetune

CALLABLE = [
    name
    for name in gluetune.__all__
    if inspect.isclass(getattr(gluetune, name)) or inspect.isfunction(getattr(gluetune, name))
]
WITHOUT_RUN = ("JobConfig", "SearchSpace", "Task", "TrainingConfig")  # their examples need no run that came before
IMPORTS = """
import importlib, sys, gluetune
def loaded(*libraries):
    return sorted(set(libraries) & set(sys.modules))
assert not loaded("ray", "torch", "mlflow", "optuna", "transformers", "pydantic")
assert gluetune.errors.UserError and "errors" in dir(gluetune)
assert not loaded("torch", "pydantic")
import gluetune.training, gluetune.tasks.metrics
assert not loaded("ray", "mlflow", "optuna"), "training must run without them"
assert all(getattr(gluetune, name) is not None and name in dir(gluetune) for name in gluetune.__all__)
for name in {names!r}:
    for loaded in [known for known in sys.modules if known.partition(".")[0] == "gluetune"]:
        del sys.modules[loaded]  # as in a new process, but libraries stay
    importlib.import_module(name)
"""


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="tun"):
        gluetune.tun  # noqa: B018


@pytest.mark.slow
def test_imports_are_lazy_and_each_package_and_home_of_a_public_name_can_be_imported_first() -> None:
    """In one process, because its libraries take seconds to import."""
    packages = [module.name for module in pkgutil.walk_packages(gluetune.__path__, "gluetune.") if module.ispkg]
    homes = {getattr(gluetune, name).__module__ for name in CALLABLE}
    names = sorted({*packages, *homes, "gluetune.search.search", "gluetune.tracking.tracker"})
    assert "gluetune.inference" in names
    done = subprocess.run([sys.executable, "-c", IMPORTS.format(names=names)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", CALLABLE)
def test_each_public_name_has_a_docstring_with_an_example(name: str) -> None:
    assert ">>>" in (inspect.getdoc(getattr(gluetune, name)) or "")


@pytest.mark.parametrize("name", WITHOUT_RUN)
def test_the_examples_of_configurations_run(name: str) -> None:
    runner = doctest.DocTestRunner()
    for example in doctest.DocTestFinder(recurse=False).find(getattr(gluetune, name), globs={"gluetune": gluetune}):
        runner.run(example)
    assert runner.summarize(verbose=False).failed == 0
    assert runner.tries
