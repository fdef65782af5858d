"""Shared by all tests."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator

import pytest

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("OMP_NUM_THREADS", "1")  # small matrices on busy machines


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
