"""Trains only the token embeddings that a task's rows use.

A token that occurs in no row has no gradient, so all that training does to its embedding is AdamW's weight decay,
which is the same factor for all such tokens. A trial therefore trains the embeddings of the tokens that occur, and
applies the factor to the others when the best weights are saved. Token embeddings are a fifth of BERT base's weights,
half of DeBERTa-v3 base's and two thirds of XLM-R base's. The unused ones need no gradients and moments in memory, are
not updated in every step, not exchanged between workers, and not part of the state to resume from.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional
from torch.optim import Optimizer
from transformers import PreTrainedModel

from gluetune.errors import StorageError

_MAX_USED_FRACTION = 0.75  # of the vocabulary; above it, pruning saves nothing


class EmbeddingPruner:
    """Replaces a model's token embedding by one of the used tokens, and restores the full one for saving.

    The embedding is kept as it is if most of the vocabulary is used, if it is frozen, or if it is not a plain
    ``torch.nn.Embedding``.

    Args:
        model: model on the CPU with its initial weights; changed in place.
        used: [tokens] ids that occur in the data, sorted; ``None``: the whole vocabulary.

    Attributes:
        decay_factor: factor that weight decay has multiplied the embeddings of unused tokens by.
    """

    def __init__(self, model: PreTrainedModel, used: NDArray[np.int64] | None) -> None:
        self.decay_factor = 1.0
        self._pruned: _PrunedEmbedding | None = None
        encoder: Any = model.base_model  # torch types it as Tensor | Module
        embedding = encoder.get_input_embeddings()
        if used is None or not _can_prune(embedding) or len(used) > _MAX_USED_FRACTION * embedding.num_embeddings:
            return
        self._used, self._initial = torch.from_numpy(used), embedding.weight.detach()
        self._pruned = _PrunedEmbedding(embedding, self._used)
        for path, parent in model.named_modules():
            for name, child in parent.named_children():
                if child is embedding:
                    setattr(parent, name, self._pruned)
                    self._key = f"{path}.{name}.weight".removeprefix(".")

    def apply_weight_decay(self, optimizer: Optimizer) -> None:
        """Apply the weight decay of one optimizer step to the unused embeddings.

        Call it after ``optimizer.step()`` and before ``scheduler.step()`` changes the learning rate.
        """
        if self._pruned is None:
            return
        group = next(
            group
            for group in optimizer.param_groups
            if any(weight is self._pruned.weight for weight in group["params"])
        )
        self.decay_factor *= 1 - float(group["lr"]) * group["weight_decay"]

    def state_dict(self) -> dict[str, Any]:
        """State to resume from, beside the model's weights: the decay factor and a fingerprint of the used tokens."""
        return {"decay_factor": self.decay_factor, "tokens": self._fingerprint()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Resume from a `state_dict`; call it before the model loads its weights.

        Raises:
            StorageError: the state belongs to other tokens, and its embeddings would be loaded for the wrong ones.
        """
        if state["tokens"] != self._fingerprint():
            raise StorageError(
                "a trial must resume with the rows it started with, but other tokens occur in them now: "
                "its data or its tokenizer has changed"
            )
        self.decay_factor = state["decay_factor"]

    def _fingerprint(self) -> str:
        return "all" if self._pruned is None else sha256(self._used.numpy().tobytes()).hexdigest()

    def merge(self, weights: Mapping[str, torch.Tensor], decay_factor: float) -> dict[str, torch.Tensor]:
        """Restore the embeddings of all tokens in the weights of a model.

        Args:
            weights: a ``state_dict`` of the model.
            decay_factor: the attribute of that name when the weights were taken.

        Returns:
            The weights, with an embedding of the whole vocabulary.
        """
        if self._pruned is None:
            return dict(weights)
        table = self._initial * decay_factor
        table[self._used] = weights[self._key].cpu()
        return {**weights, self._key: table}


class _PrunedEmbedding(nn.Module):
    """Embedding of the used tokens that takes ids of the whole vocabulary."""

    rows: torch.Tensor

    def __init__(self, full: nn.Embedding, used: torch.Tensor) -> None:
        super().__init__()
        self.weight = nn.Parameter(full.weight.detach()[used])
        rows = torch.full((full.num_embeddings,), -1)  # torch rejects -1 as an index: an unused id is an error
        rows[used] = torch.arange(len(used))
        self.register_buffer("rows", rows, persistent=False)
        padding = -1 if full.padding_idx is None else int(rows[full.padding_idx])
        self.padding_idx = None if padding < 0 else padding

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        """Look up the embeddings of token ids."""
        return functional.embedding(self.rows[ids], self.weight, self.padding_idx)


def _can_prune(embedding: Any) -> bool:
    return (
        type(embedding) is nn.Embedding
        and embedding.weight.requires_grad
        and embedding.max_norm is None
        and not embedding.scale_grad_by_freq
        and not embedding.sparse
    )
