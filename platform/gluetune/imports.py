"""Imports of torch, transformers and MLflow make half a million objects, in which Python looks for garbage."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def unsearched() -> Iterator[None]:
    """What is made in this block, modules above all, is not searched for garbage, neither now nor later (`gc.freeze`).

    That search is a fifth of the CPU time that such imports take.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
