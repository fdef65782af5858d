"""Shared by all tests."""

from __future__ import annotations

import os
import signal
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("repeatable", derandomize=True, database=None, deadline=None)  # no time limit of an example
settings.load_profile("repeatable")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("OMP_NUM_THREADS", "1")  # small matrices on busy machines
# The background of a shell, and `nohup`, have all processes ignore these; commands that tests start must hear them.
for _number, _handler in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
    if signal.getsignal(_number) is signal.SIG_IGN:
        signal.signal(_number, _handler)
os.environ["RAY_ENABLE_AUTO_CONNECT"] = "0"  # only `ray_cluster` starts Ray: a call of Ray anywhere else is an error


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
