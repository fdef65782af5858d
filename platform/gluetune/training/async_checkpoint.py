"""Checkpoints written beside the training, and evaluations told once theirs is."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

import torch

from gluetune.errors import DivergedError
from gluetune.training.distributed import DistributedContext

TOLD_AFTER = 8  # steps; of several workers, who cannot each look whether the first one has written its files

_Evaluation = TypeVar("_Evaluation")


class AsyncCheckpointer(Generic[_Evaluation]):
    """Saves in a thread of its own while the next steps run.

    What is told is saved: who hears of an evaluation can rely on its checkpoint. All workers make the same calls at
    the same steps. Leaving the context waits for what is being written; a run that ends by an error tells what it
    still knows, unless the other workers might not be there to hear it too.

    Args:
        report: told every evaluation; says whether to go on.
        distributed: this worker.
    """

    def __init__(self, report: Callable[[_Evaluation], bool], distributed: DistributedContext) -> None:
        self._report, self._distributed = report, distributed
        self._thread = ThreadPoolExecutor(1, "checkpoints")
        self._pending: tuple[_Evaluation, int, Future[None]] | None = None
        self._waited = 0.0

    def keep(self, evaluation: _Evaluation, last: int, save: Callable[[], None], step: int) -> None:
        """Begins to save; the evaluation before must be settled.

        Args:
            evaluation: what is told once it is saved.
            last: after this step it is waited for, so that a crash never costs much more than one evaluation's steps.
            save: writes the checkpoint, of values that training does not change.
            step: optimizer steps done.
        """
        several = min(step + TOLD_AFTER, last)
        self._pending = evaluation, last if self._distributed.world_size == 1 else several, self._thread.submit(save)

    def go_on(self, step: int) -> bool:
        """Tells the last evaluation if its checkpoint is saved meanwhile; whether to go on. Asked before every step."""
        if self._pending is None:
            return True
        _, last, saving = self._pending
        due = step >= last or (self._distributed.world_size == 1 and saving.done())
        return not due or self.settle()

    def settle(self) -> bool:
        """Waits for the last checkpoint and tells its evaluation, if that is not done yet; whether to go on.

        Raises:
            StorageError: it could not be written.
        """
        if self._pending is None:
            return True
        (evaluation, _, saving), self._pending = self._pending, None
        begun = time.monotonic()
        saving.result()
        goes_on = self._report(evaluation)
        self._waited += time.monotonic() - begun
        return goes_on

    def waited(self) -> float:
        """Seconds that training has waited for checkpoints and answers since the last call."""
        waited, self._waited = self._waited, 0.0
        return waited

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        together = isinstance(error, DivergedError)  # all workers see it at the same step
        try:
            if together or (isinstance(error, Exception) and self._distributed.world_size == 1):
                self.settle()
        finally:
            self._thread.shutdown()


def snapshot(state: Any) -> Any:
    """Copies of all tensors in nested dictionaries and lists, on the CPU; training goes on in the originals."""
    if isinstance(state, torch.Tensor):
        return state.detach().to("cpu", copy=True)
    if isinstance(state, dict):
        return {name: snapshot(value) for name, value in state.items()}
    if isinstance(state, list):
        return [snapshot(value) for value in state]
    return state


def nothing() -> None:
    """What a worker saves that has nothing to save."""
