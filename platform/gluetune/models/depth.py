"""How deep a weight lies: embeddings, layers, what the encoder has above them, head."""

from __future__ import annotations

import re
from collections.abc import Iterable

from transformers import PreTrainedModel

from gluetune.config import TrainingConfig

LAYER = re.compile(r"\.(?:layer|layers|albert_layer_groups)\.(\d+)\.")
# The second is the norm of DeBERTa's relative position embeddings.
_EMBEDDING = re.compile(r"embedding|\.encoder\.LayerNorm\.")


def count_layers(names: Iterable[str]) -> int:
    """Number of an encoder's layers by its weights' names; layers that share their weights (ALBERT's) count once."""
    return max((int(match[1]) for name in names if (match := LAYER.search(name))), default=-1) + 1


def layer_depths(model: PreTrainedModel) -> dict[str, int]:
    """Depth by parameter name: 0 for embeddings, ``i + 1`` for layer ``i``, ``layers + 2`` for the head.

    What an encoder has above its layers (BERT's pooler, ModernBERT's final norm) stands at ``layers + 1``.
    """
    names = [name for name, _ in model.named_parameters()]
    layers, encoder = count_layers(names), model.base_model_prefix + "."

    def depth(name: str) -> int:
        if not name.startswith(encoder):
            return layers + 2
        if match := LAYER.search(name):
            return int(match[1]) + 1
        return 0 if _EMBEDDING.search(name) else layers + 1

    return {name: depth(name) for name in names}


def freeze_parameters(model: PreTrainedModel, training: TrainingConfig) -> None:
    """Takes embeddings, and with ``freeze_layers`` that many layers above them, out of training."""
    if training.freeze_embeddings or training.freeze_layers:
        found = layer_depths(model)
        for name, parameter in model.named_parameters():
            parameter.requires_grad_(found[name] > training.freeze_layers)
