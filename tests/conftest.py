"""Shared by all tests."""

from __future__ import annotations

import gc
import logging
import os
import signal
import time
import warnings
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from two_workers import TwoWorkers

settings.register_profile("repeatable", derandomize=True, database=None, deadline=None)  # no time limit of an example
settings.load_profile("repeatable")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("OMP_NUM_THREADS", "1")  # small matrices on busy machines
os.environ.setdefault("MLFLOW_SERVER_ENABLE_JOB_EXECUTION", "false")  # eight processes beside each server of a test
# The background of a shell, and `nohup`, have all processes ignore these; commands that tests start must receive them.
for _number, _handler in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
    if signal.getsignal(_number) is signal.SIG_IGN:
        signal.signal(_number, _handler)
os.environ["RAY_ENABLE_AUTO_CONNECT"] = "0"  # only `ray_cluster` starts Ray: a call of Ray anywhere else is an error


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-messages", action="store_true", help="write messages.golden.txt anew")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the tests of `ray_cluster` first, then those that start Ray themselves, then the slow ones.

    In a module, tests of the same open lane follow each other: to open another one takes seconds.
    """
    modules: dict[Path, int] = {}
    for item in items:
        modules.setdefault(item.path, len(modules))
    items.sort(key=lambda item: (_position(item), modules[item.path], _lane(item)))


def pytest_collection_finish() -> None:
    """Spare the garbage collector the libraries, which all tests have imported by now."""
    gc.collect()
    gc.freeze()


def _position(item: pytest.Item) -> int:
    if item.get_closest_marker("cluster"):
        return 4  # these run in the order of their files
    if item.get_closest_marker("ray"):
        return 0 if needs_shared_cluster(item) else 1
    return 2 if item.get_closest_marker("slow") else 3


def _lane(item: pytest.Item) -> int:
    """The fixture that a test has its lane from."""
    fixtures = getattr(item, "fixturenames", ())
    return next((number for number, name in enumerate(("lane", "pair")) if name in fixtures), 2)


def needs_shared_cluster(item: pytest.Item) -> bool:
    return "ray_cluster" in getattr(item, "fixturenames", ())


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> Generator[None, object, object]:
    """Shut the shared cluster down after the last test that uses it."""
    result = yield
    if needs_shared_cluster(item) and not (nextitem and needs_shared_cluster(nextitem)):
        import ray

        ray.shutdown()
    return result


@pytest.fixture(scope="module")
def ray_cluster() -> Iterator[None]:
    """A local Ray cluster of two CPUs that modules share, joined as gluetune joins its own.

    A module finds no placement groups on it that another one created.
    """
    import ray

    from gluetune.cluster import connect_to_ray

    if not ray.is_initialized():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            connect_to_ray(None)
    yield
    if ray.is_initialized():
        _remove_placement_groups()


def _remove_placement_groups() -> None:
    from ray.util import placement_group_table

    from gluetune.lanes.placement_groups import release_all_placement_groups

    release_all_placement_groups()
    deadline = time.monotonic() + 60
    while any(group["state"] != "REMOVED" for group in placement_group_table().values()):
        assert time.monotonic() < deadline, "placement groups are left"
        time.sleep(0.1)


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with MLflow's tables: making them takes seconds, copying the file none."""
    from gluetune.tracking.runs import open_store

    file = tmp_path_factory.mktemp("mlflow") / "mlflow.db"
    open_store(f"sqlite:///{file}", "tests")
    return file


@pytest.fixture
def logged(caplog: pytest.LogCaptureFixture) -> Callable[[], list[str]]:
    """The messages that gluetune has logged since the test began."""
    caplog.set_level(logging.INFO, "gluetune")
    return lambda: [record.getMessage() for record in caplog.records if record.name.startswith("gluetune.")]


@pytest.fixture(scope="session")
def two_workers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TwoWorkers]:
    """Two processes of a torch process group."""
    from two_workers import TwoWorkers

    workers = TwoWorkers(tmp_path_factory.mktemp("two_workers"))
    yield workers
    workers.close()
