"""Shared by all tests."""

from __future__ import annotations

import os
import signal
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

RAY_GROUP = "ray"

settings.register_profile("repeatable", derandomize=True, database=None, deadline=None)  # no time limit of an example
settings.load_profile("repeatable")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("OMP_NUM_THREADS", "1")  # small matrices on busy machines
# The background of a shell, and `nohup`, have all processes ignore these; commands that tests start must receive them.
for _number, _handler in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
    if signal.getsignal(_number) is signal.SIG_IGN:
        signal.signal(_number, _handler)
os.environ["RAY_ENABLE_AUTO_CONNECT"] = "0"  # only `ray_cluster` starts Ray: a call of Ray anywhere else is an error


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-messages", action="store_true", help="write messages.golden.txt anew")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the tests that start Ray first, those of `ray_cluster` before the rest, then the slow ones.

    Under pytest-xdist the Ray tests are one group: one worker process runs them, one after another, since two clusters
    at a time would claim the same CPUs; the other worker processes run the other tests file by file.
    """
    for item in items:
        if item.get_closest_marker("ray"):
            item.add_marker(pytest.mark.xdist_group(RAY_GROUP))
    items.sort(key=_position)


def _position(item: pytest.Item) -> int:
    if item.get_closest_marker("ray"):
        return 0 if needs_shared_cluster(item) else 1
    return 2 if item.get_closest_marker("slow") else 3


def needs_shared_cluster(item: pytest.Item) -> bool:
    return "ray_cluster" in getattr(item, "fixturenames", ())


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """With ``--dist loadgroup``, assign the Ray tests as one unit and the others by file, in the collected order."""
    from xdist.scheduler import LoadGroupScheduling

    class GroupThenFiles(LoadGroupScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return RAY_GROUP if nodeid.endswith(f"@{RAY_GROUP}") else nodeid.partition("::")[0]

    if config.getvalue("dist") != "loadgroup":
        return None
    config.option.loadscopereorder = False
    return GroupThenFiles(config, log)


@pytest.fixture(scope="module")
def ray_cluster() -> Iterator[None]:
    """A local Ray cluster of two CPUs, joined as gluetune joins its own."""
    import ray

    from gluetune.cluster import connect

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        connect(None)
    yield
    ray.shutdown()


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with MLflow's tables: making them takes seconds, copying the file none."""
    from gluetune.tracking.runs import connect

    file = tmp_path_factory.mktemp("mlflow") / "mlflow.db"
    connect(f"sqlite:///{file}", "tests")
    return file
