"""Checkpoints of a trial: the files, and a writer that saves them in the background while training continues."""

from __future__ import annotations

import io
import pickle
import sys
import time
import zipfile
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

import safetensors
import safetensors.torch
import torch

from gluetune.errors import DivergedError, StorageError
from gluetune.storage import Storage
from gluetune.training.distributed_context import DistributedContext

REPORT_DELAY_STEPS = 8
"""Steps after which several workers report an evaluation: only rank 0 knows whether its checkpoint is written."""

_Evaluation = TypeVar("_Evaluation")


class Checkpoints:
    """``state.pt`` (the state to resume from) and ``best.safetensors`` (weights of the best evaluation) of one trial.

    Each write replaces the whole file or leaves the former one.

    Args:
        storage: folder of the search.
        folder: folder of the trial, relative to ``storage``.
        keeps_best: whether weights are kept, beside the state to resume from.
    """

    def __init__(self, storage: Storage, folder: str, *, keeps_best: bool = True) -> None:
        self._storage, self._folder, self._keeps_best = storage, folder, keeps_best
        self._state, self._best = f"{folder}/state.pt", f"{folder}/best.safetensors"

    def part(self, name: str, *, keeps_best: bool = True) -> Checkpoints:
        """Return the checkpoints of a part of the trial, such as a fold, in a folder in the trial's.

        Args:
            name: name of the folder.
            keeps_best: whether weights are kept, beside the state to resume from.
        """
        return Checkpoints(self._storage, f"{self._folder}/{name}", keeps_best=keeps_best)

    def delete(self) -> None:
        """Delete the folder.

        Raises:
            StorageError: it cannot be deleted.
        """
        self._storage.delete(self._folder)

    def load(self) -> dict[str, Any] | None:
        """Load the last saved state onto the CPU. Only tensors and plain values are unpickled.

        Returns:
            The state; ``None`` if there is none, or if the file is damaged, as a power cut may leave it on a file
            system that does not sync: the trial then starts from the beginning.

        Raises:
            pickle.UnpicklingError: an undamaged file holds other objects than tensors and plain values.
        """
        data = self._storage.read(self._state)
        if data is None:
            return None
        try:
            state: dict[str, Any] = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
        except (RuntimeError, EOFError, pickle.UnpicklingError):
            if zipfile.is_zipfile(io.BytesIO(data)):  # complete, as `torch.save` writes it
                raise
            print(
                f"{self._storage.uri(self._state)} is damaged; its trial starts from the beginning",
                file=sys.stderr,
                flush=True,
            )
            return None
        return state

    def save(self, state: dict[str, Any]) -> None:
        """Replace the state to resume from.

        Raises:
            StorageError: the file cannot be written.
        """
        buffer = io.BytesIO()
        torch.save(state, buffer)
        self._storage.write(self._state, buffer.getbuffer())  # a view: no second copy in memory

    def load_best(self) -> dict[str, torch.Tensor] | None:
        """Load the weights of the best evaluation, by parameter name; ``None`` before the first evaluation.

        Raises:
            StorageError: the file is damaged.
        """
        data = self._storage.read(self._best)
        try:
            return None if data is None else safetensors.torch.load(data)
        except safetensors.SafetensorError as error:
            raise StorageError(
                f"{self._storage.uri(self._best)} must be a safetensors file, but is damaged "
                f"({len(data or b'')} bytes; {error})"
            ) from error

    def save_best(self, weights: dict[str, torch.Tensor]) -> None:
        """Replace the weights of the best evaluation.

        Raises:
            StorageError: the file cannot be written.
        """
        if self._keeps_best:
            self._storage.write(self._best, safetensors.torch.save({k: v.contiguous() for k, v in weights.items()}))


class AsyncCheckpointer(Generic[_Evaluation]):
    """Saves checkpoints in a thread while training continues, and reports each evaluation once its checkpoint is saved.

    An evaluation is reported only after its checkpoint is written, so a reported evaluation can always be resumed
    from. All workers must make the same calls after the same steps. On exit the context waits for the checkpoint that
    is being written. If an exception ends the context, the pending evaluation is still reported, except with several
    workers and an exception that the others may not share.

    Args:
        report: receives every evaluation; returns whether the run is to continue.
        distributed: this worker.
    """

    def __init__(self, report: Callable[[_Evaluation], bool], distributed: DistributedContext) -> None:
        self._report, self._distributed = report, distributed
        self._thread = ThreadPoolExecutor(1, "checkpoints")
        self._pending: tuple[_Evaluation, int, Future[None]] | None = None
        self._wait_seconds = 0.0

    def submit(self, evaluation: _Evaluation, deadline: int, save: Callable[[], None], step: int) -> None:
        """Start to save a checkpoint; the evaluation before must have been flushed.

        Args:
            evaluation: reported once ``save`` has returned.
            deadline: step after which `poll` blocks until ``save`` has returned, which limits the steps that a crash
                loses.
            save: writes the checkpoint, from values that training does not change.
            step: optimizer steps done.
        """
        several = min(step + REPORT_DELAY_STEPS, deadline)
        self._pending = (
            evaluation,
            deadline if self._distributed.world_size == 1 else several,
            self._thread.submit(save),
        )

    def poll(self, step: int) -> bool:
        """Report the pending evaluation if its checkpoint is saved or its deadline is reached.

        Args:
            step: optimizer steps done.

        Returns:
            Whether the run is to continue.

        Raises:
            StorageError: the checkpoint could not be written.
        """
        if self._pending is None:
            return True
        _, deadline, saving = self._pending
        due = step >= deadline or (self._distributed.world_size == 1 and saving.done())
        return not due or self.flush()

    def flush(self) -> bool:
        """Wait for the pending checkpoint and report its evaluation; do nothing if none is pending.

        Returns:
            Whether the run is to continue.

        Raises:
            StorageError: the checkpoint could not be written.
        """
        if self._pending is None:
            return True
        (evaluation, _, saving), self._pending = self._pending, None
        started = time.monotonic()
        saving.result()
        continues = self._report(evaluation)
        self._wait_seconds += time.monotonic() - started
        return continues

    def pop_wait_seconds(self) -> float:
        """Seconds that training has waited for checkpoints and reports since the last call."""
        seconds, self._wait_seconds = self._wait_seconds, 0.0
        return seconds

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        on_all_workers = isinstance(error, DivergedError)  # all workers raise it after the same step
        try:
            if on_all_workers or (isinstance(error, Exception) and self._distributed.world_size == 1):
                self.flush()
        finally:
            self._thread.shutdown()


def to_cpu(state: Any) -> Any:
    """Copy all tensors in nested dictionaries and lists to the CPU, so that training can change the originals."""
    if isinstance(state, torch.Tensor):
        return state.detach().to("cpu", copy=True)
    if isinstance(state, dict):
        return {name: to_cpu(value) for name, value in state.items()}
    if isinstance(state, list):
        return [to_cpu(value) for value in state]
    return state


def noop() -> None:
    """Save function of a worker that saves nothing."""
