"""Shared by all tests."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator

import pytest

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("RAY_TRAIN_V2_ENABLED", "1")


@pytest.fixture(scope="module")
def ray_cluster() -> Iterator[None]:
    """A local Ray cluster of two CPUs, joined as gluetune joins its own."""
    import ray

    from gluetune.search import connect

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        connect(None)
    yield
    ray.shutdown()
