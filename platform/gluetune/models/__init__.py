"""Encoders by name or folder, and the classification models made of them."""

from gluetune.models.build import build_model, check_training_config, load_trained, nsp_is_default, save_pretrained
from gluetune.models.encoder import (
    Encoder,
    count_unused_weights,
    encoder_fingerprint,
    layer_depths,
    load_encoder,
    load_tokenizer,
)
from gluetune.models.fit import check_forward_pass, check_token_ids

__all__ = [
    "Encoder",
    "build_model",
    "check_forward_pass",
    "check_token_ids",
    "check_training_config",
    "count_unused_weights",
    "encoder_fingerprint",
    "layer_depths",
    "load_encoder",
    "load_tokenizer",
    "load_trained",
    "nsp_is_default",
    "save_pretrained",
]
