"""A trial's files: the state it resumes from, and the weights of its best evaluation."""

from __future__ import annotations

import io
import pickle
import sys
import zipfile
from typing import Any

import safetensors
import safetensors.torch
import torch

from gluetune.errors import StorageError
from gluetune.storage import Storage


class Checkpoints:
    """``state.pt`` and ``best.safetensors`` of one trial; each is replaced whole or not at all.

    Args:
        storage: the search's folder.
        folder: the trial's folder in it.
    """

    def __init__(self, storage: Storage, folder: str) -> None:
        self._storage = storage
        self._state, self._best = f"{folder}/state.pt", f"{folder}/best.safetensors"

    def load(self) -> dict[str, Any] | None:
        """The last state saved, on the CPU. Only tensors and plain values are read.

        Returns:
            The state; ``None`` where there is none or where it is damaged, as a power cut may leave it on a file
            system that does not sync: the trial then begins anew.
        """
        data = self._storage.read(self._state)
        if data is None:
            return None
        try:
            state: dict[str, Any] = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
        except (RuntimeError, EOFError, pickle.UnpicklingError):
            if zipfile.is_zipfile(io.BytesIO(data)):  # whole, as `torch.save` writes it
                raise
            print(f"{self._storage.uri(self._state)} is damaged; its trial begins anew", file=sys.stderr, flush=True)
            return None
        return state

    def save(self, state: dict[str, Any]) -> None:
        """Replaces the state to resume from."""
        buffer = io.BytesIO()
        torch.save(state, buffer)
        self._storage.write(self._state, buffer.getbuffer())  # no second copy of it all

    def load_best(self) -> dict[str, torch.Tensor] | None:
        """Weights of the best evaluation; ``None`` before the first.

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
        """Replaces the best weights."""
        self._storage.write(self._best, safetensors.torch.save({k: v.contiguous() for k, v in weights.items()}))
