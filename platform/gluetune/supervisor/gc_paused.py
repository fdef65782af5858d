"""Imports of torch, transformers and MLflow make half a million objects, in which Python looks for garbage."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def gc_paused() -> Iterator[None]:
    """Nothing is searched for garbage during the block, nor is what there is at its end ever again (`gc.freeze`).

    That search is a fifth of the CPU time that such imports take.
    """
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if collecting:
            gc.enable()
