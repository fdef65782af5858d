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
FIRST = """
import importlib, sys
for name in {names!r}:
    for loaded in [known for known in sys.modules if known.partition(".")[0] == "gluetune"]:
        del sys.modules[loaded]  # as in a new process, but libraries stay
    importlib.import_module(name)
"""


def run(code: str) -> None:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_import_is_lazy_and_every_public_name_is_there() -> None:
    run(
        "import sys, gluetune\n"
        "assert not {'ray', 'torch', 'mlflow', 'optuna', 'transformers', 'pydantic'} & set(sys.modules)\n"
        "assert gluetune.errors.UserError and 'errors' in dir(gluetune)\n"
        "assert not {'torch', 'pydantic'} & set(sys.modules)\n"
        "assert all(getattr(gluetune, name) is not None and name in dir(gluetune) for name in gluetune.__all__)"
    )
    with pytest.raises(AttributeError, match="tun"):
        gluetune.tun  # noqa: B018


@pytest.mark.slow
def test_each_package_and_home_of_a_public_name_can_be_imported_first() -> None:
    packages = [module.name for module in pkgutil.walk_packages(gluetune.__path__, "gluetune.") if module.ispkg]
    homes = {getattr(gluetune, name).__module__ for name in CALLABLE}
    names = sorted({*packages, *homes, "gluetune.search.search", "gluetune.tracking.tracker"})
    assert "gluetune.inference" in names
    run(FIRST.format(names=names))


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
