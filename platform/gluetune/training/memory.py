"""Telling an exhausted memory from other errors, giving memory back, and keeping it between steps."""

from __future__ import annotations

import ctypes
import gc
import sys

import torch

_SIGNS = ("out of memory", "can't allocate memory", "cannot allocate memory")  # CUDA's, PyTorch's CPU allocator's
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # parameters of mallopt, glibc's malloc.h
_PLENTY = 2**30  # bytes
_OLD_MOST = 2**25


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


def keep_freed() -> None:
    """Lets this process keep up to 1 GiB of what it frees, for its next step.

    By default glibc hands large blocks back to the kernel, which gives them out again page by page, zeroed: with
    MiniLM's size that is 20,000 page faults in every training step, a twentieth of its time. Threads other than the
    first keep blocks of up to some 60 MB only. Other C libraries are left as they are.
    """
    if sys.platform != "linux":
        return
    library = ctypes.CDLL(None)
    if not hasattr(library, "mallopt"):
        return
    # older glibc takes no more than 32 MiB; where it takes nothing, its own moving threshold is left alone
    if library.mallopt(_MMAP_THRESHOLD, _PLENTY) or library.mallopt(_MMAP_THRESHOLD, _OLD_MOST):
        library.mallopt(_TRIM_THRESHOLD, _PLENTY)
