"""Telling an exhausted memory from other errors, and giving memory back."""

from __future__ import annotations

import gc

import torch

_SIGNS = ("out of memory", "can't allocate memory", "cannot allocate memory")  # CUDA's, PyTorch's CPU allocator's


def out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory, the GPU's or the machine's, is exhausted."""
    if isinstance(error, (torch.OutOfMemoryError, MemoryError)):
        return True
    return isinstance(error, RuntimeError) and any(sign in str(error).lower() for sign in _SIGNS)


def free() -> None:
    """Gives memory that nothing holds any more back to the GPU; call it outside of the ``except`` block."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
