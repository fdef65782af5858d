"""The part of an encoder's vocabulary that a task's rows use.

A token that occurs in no row has no gradient: all that training does to its embedding is AdamW's decay, the same
factor for all such tokens. So a trial trains the embeddings of those that occur and makes up for the others when
the best weights are saved. A fifth of BERT base's weights are token embeddings, half of DeBERTa-v3 base's and two
thirds of XLM-R base's: those that do not occur have no gradient and no moments in memory, are not read and written by
every step of the optimizer, nor sent between workers, nor part of the state that a resume goes on from.
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

_WORTHWHILE = 0.75  # of the vocabulary; above, nothing is gained


class EmbeddingPruner:
    """A model's token embedding: what of it is trained, and what it is as a whole.

    Args:
        model: on the CPU, with its initial weights; its embedding is replaced where that is worth it.
        used: [tokens] ids that occur in the data, sorted; ``None`` for all.

    Attributes:
        faded: what decay has left of the embeddings that are not trained, as a factor.
    """

    def __init__(self, model: PreTrainedModel, used: NDArray[np.int64] | None) -> None:
        self.faded = 1.0
        self._trained: _PrunedEmbedding | None = None
        encoder: Any = model.base_model  # torch types it as Tensor | Module
        embedding = encoder.get_input_embeddings()
        if used is None or not _replaceable(embedding) or len(used) > _WORTHWHILE * embedding.num_embeddings:
            return
        self._rows, self._initial = torch.from_numpy(used), embedding.weight.detach()
        self._trained = _PrunedEmbedding(embedding, self._rows)
        for path, parent in model.named_modules():
            for name, child in parent.named_children():
                if child is embedding:
                    setattr(parent, name, self._trained)
                    self._key = f"{path}.{name}.weight".removeprefix(".")

    def fade(self, optimizer: Optimizer) -> None:
        """The optimizer has made a step; the scheduler has not changed its rate since."""
        if self._trained is None:
            return
        group = next(
            group
            for group in optimizer.param_groups
            if any(weight is self._trained.weight for weight in group["params"])
        )
        self.faded *= 1 - float(group["lr"]) * group["weight_decay"]

    def state(self) -> dict[str, Any]:
        """What a resume needs beside the model's weights."""
        return {"faded": self.faded, "tokens": self._tokens()}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Goes on from a `state`, before the model takes up its weights.

        Raises:
            StorageError: it is of other tokens, whose embeddings these would silently become.
        """
        if state["tokens"] != self._tokens():
            raise StorageError(
                "a trial must go on with the rows it began with, but other tokens occur in them now: "
                "its data or its tokenizer has changed"
            )
        self.faded = state["faded"]

    def _tokens(self) -> str:
        return "all" if self._trained is None else sha256(self._rows.numpy().tobytes()).hexdigest()

    def whole(self, weights: Mapping[str, torch.Tensor], faded: float) -> dict[str, torch.Tensor]:
        """Weights by name, with the embeddings of all tokens.

        Args:
            weights: a ``state_dict`` of the model.
            faded: `faded` of that time.
        """
        if self._trained is None:
            return dict(weights)
        table = self._initial * faded
        table[self._rows] = weights[self._key].cpu()
        return {**weights, self._key: table}


class _PrunedEmbedding(nn.Module):
    """The rows of an embedding that are used."""

    places: torch.Tensor

    def __init__(self, whole: nn.Embedding, rows: torch.Tensor) -> None:
        super().__init__()
        self.weight = nn.Parameter(whole.weight.detach()[rows])
        places = torch.full((whole.num_embeddings,), -1)  # torch refuses that as an index
        places[rows] = torch.arange(len(rows))
        self.register_buffer("places", places, persistent=False)
        padding = -1 if whole.padding_idx is None else int(places[whole.padding_idx])
        self.padding_idx = None if padding < 0 else padding

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        """Embeddings of token ids."""
        return functional.embedding(self.places[ids], self.weight, self.padding_idx)


def _replaceable(embedding: Any) -> bool:
    return (
        type(embedding) is nn.Embedding
        and embedding.weight.requires_grad
        and embedding.max_norm is None
        and not embedding.scale_grad_by_freq
        and not embedding.sparse
    )
