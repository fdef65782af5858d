"""Out-of-memory errors: how they are recognised, and retried with smaller micro-batches."""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import TypeVar

import numpy as np
import torch

_MESSAGES = ("out of memory", "can't allocate memory", "cannot allocate memory")  # CUDA's, PyTorch's CPU allocator's

_Result = TypeVar("_Result")


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory, of the GPU or of the machine, is exhausted."""
    if isinstance(error, (torch.OutOfMemoryError, MemoryError)):
        return True
    return isinstance(error, RuntimeError) and any(message in str(error).lower() for message in _MESSAGES)


def free_memory() -> None:
    """Returns unreferenced memory to the GPU.

    Call it outside of the ``except`` block: the traceback of the error still refers to the tensors.
    """
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


class MicroBatches:
    """Splits a worker's share of each batch into micro-batches, and halves them when they do not fit the memory.

    Args:
        count: number of micro-batches per batch.
        world_size: number of workers. Only a single worker retries: with several, the others already wait for this
            worker's gradients.
    """

    def __init__(self, count: int, world_size: int) -> None:
        self.count, self._world_size = count, world_size

    def accumulate(
        self, rows: np.ndarray, backward: Callable[[list[np.ndarray]], _Result], reset: Callable[[], None]
    ) -> _Result:
        """Accumulates the gradients of a batch; on a single worker, retries with twice as many micro-batches.

        Args:
            rows: [rows] row numbers of the batch.
            backward: runs forward and backward passes of micro-batches of row numbers.
            reset: drops the gradients of an attempt that ran out of memory.

        Returns:
            What ``backward`` returns.

        Raises:
            torch.OutOfMemoryError: a micro-batch of one row does not fit, or there are several workers.
        """
        while True:
            try:
                return backward(np.array_split(rows, min(self.count, len(rows))))
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error) or self._world_size > 1 or self.count >= len(rows):
                    raise
            reset()
            free_memory()
            self.count *= 2
