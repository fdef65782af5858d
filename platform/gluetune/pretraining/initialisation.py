"""Weights to start pre-training from."""

from __future__ import annotations

import torch
from torch import nn
from transformers import BertForPreTraining

_RANDOM_SHARE = 0.25


def mimic_trained_attention(model: BertForPreTraining) -> None:
    """Starts attention near where training takes it: a token attends to its like, and what it attends to is handed on.

    Mimetic initialisation (Trockman and Kolter 2023, "Mimetic Initialization of Self-Attention Layers"): trained query
    and key weights have a product near the identity, and so have value and output weights. A random start of a small
    encoder spends most of a short pre-training on finding that a masked word stands in the other sentence.

    Args:
        model: initialised at random; changed in place.
    """
    with torch.no_grad():
        for layer in model.bert.encoder.layer:
            attention = layer.attention
            attention.self.query.weight.mul_(0.5)
            attention.self.key.weight.copy_(attention.self.query.weight)
            _towards_identity(attention.self.value)
            _towards_identity(attention.output.dense)
        _towards_identity(model.cls.predictions.transform.dense)


def _towards_identity(linear: nn.Linear) -> None:
    linear.weight.mul_(_RANDOM_SHARE).add_(torch.eye(linear.weight.shape[0]))
