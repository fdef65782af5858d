"""Weights to start pre-training from."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from transformers import BertForPreTraining

_RANDOM_SHARE = 0.25
_POSITION_SHARE = 0.4
_ATTENTION_SHARE = 0.5


def start_matching(model: BertForPreTraining) -> None:
    """Starts a randomly initialised encoder so that words attend to the same words and hand them on.

    Mimetic initialisation (Trockman and Kolter 2023, "Mimetic Initialization of Self-Attention Layers"): trained query
    and key weights have a product near the identity, and so have value and output weights. Positions start smaller than
    words, so that a word is alike wherever it stands. From a fully random start a small encoder spends most of a short
    pre-training on finding that a masked word stands in the other sentence.

    Args:
        model: changed in place.
    """
    with torch.no_grad():
        model.bert.embeddings.position_embeddings.weight.mul_(_POSITION_SHARE)
        layers: Any = model.bert.encoder.layer  # torch types what a module holds as Tensor | Module
        for layer in layers:
            attention = layer.attention
            attention.self.query.weight.mul_(_ATTENTION_SHARE)
            attention.self.key.weight.copy_(attention.self.query.weight)
            _towards_identity(attention.self.value)
            _towards_identity(attention.output.dense)
        _towards_identity(model.cls.predictions.transform.dense)


def _towards_identity(linear: nn.Linear) -> None:
    linear.weight.mul_(_RANDOM_SHARE).add_(torch.eye(linear.weight.shape[0]))
