"""Out-of-memory errors: how they are recognised, retried with smaller micro-batches, and reported as a trial's end."""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import TypeVar

import numpy as np
import torch

from gluetune.errors import TrialOutOfMemoryError

_MESSAGES = ("out of memory", "can't allocate memory", "cannot allocate memory")  # CUDA's, PyTorch's CPU allocator's

_Result = TypeVar("_Result")


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory, of the GPU or of the machine, is exhausted."""
    if isinstance(error, (torch.OutOfMemoryError, MemoryError)):
        return True
    return isinstance(error, RuntimeError) and any(message in str(error).lower() for message in _MESSAGES)


def free_memory() -> None:
    """Return unreferenced memory to the GPU.

    Call it outside of the ``except`` block: the traceback of the error still refers to the tensors.
    """
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def run_in_memory(run: Callable[[], _Result], device: str, batch_size: int, accumulation_steps: int) -> _Result:
    """Run a whole training run, and turn a lack of memory into an error that names the settings to change.

    Args:
        run: trains; it owns all tensors of the run, so that they are freed before the error is raised.
        device: device of this worker, for the message.
        batch_size: rows per step, for the message.
        accumulation_steps: micro-batches per step and worker, for the message.

    Returns:
        What ``run`` returns.

    Raises:
        TrialOutOfMemoryError: the run does not fit the memory.
    """
    try:
        return run()
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        reason = str(error).split("\n", 1)[0] or type(error).__name__
    free_memory()  # after the except block, which keeps the run's tensors alive through the traceback
    raise TrialOutOfMemoryError(
        f"training must fit the memory of {device}, but got (batch_size={batch_size}, "
        f"gradient_accumulation_steps={accumulation_steps}): {reason}"
    )


class MicroBatches:
    """Splits batches into micro-batches, and halves them when they do not fit the memory.

    Args:
        count: number of micro-batches per batch.
        retry: whether to retry with smaller ones. Several workers that exchange gradients must not: when one runs out
            of memory, the others already wait for its gradients.
    """

    def __init__(self, count: int = 1, *, retry: bool = True) -> None:
        self.count, self._retry = count, retry

    def run(
        self,
        rows: np.ndarray,
        compute: Callable[[list[np.ndarray]], _Result],
        reset: Callable[[], None] = lambda: None,
    ) -> _Result:
        """Compute a batch; retry with twice as many micro-batches until they fit.

        Later batches are split into as many micro-batches.

        Args:
            rows: [rows] row numbers of the batch.
            compute: computes micro-batches of row numbers.
            reset: drops what an attempt that ran out of memory has left, such as gradients.

        Returns:
            What ``compute`` returns.

        Raises:
            torch.OutOfMemoryError: a micro-batch of one row does not fit, or must not be retried.
        """
        while True:
            try:
                return compute(np.array_split(rows, min(self.count, len(rows))))
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error) or not self._retry or self.count >= len(rows):
                    raise
            reset()
            free_memory()
            self.count *= 2
