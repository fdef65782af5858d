"""Encoders, loaded by name or from a folder, and the classification models that trials fine-tune."""

from gluetune.models.adapters import auto_target_modules, count_weights
from gluetune.models.build import (
    build_model,
    check_training_config,
    enable_gradient_checkpointing,
    load_trained,
    move_to_device,
    nsp_is_default,
    save_ensemble,
    save_pretrained,
)
from gluetune.models.encoder import (
    Encoder,
    count_unused_weights,
    encoder_family,
    encoder_fingerprint,
    layer_depths,
    load_encoder,
    load_tokenizer,
    tokenizer_fingerprint,
)
from gluetune.models.fit import check_forward_pass, check_token_ids

__all__ = [
    "Encoder",
    "auto_target_modules",
    "build_model",
    "check_forward_pass",
    "check_token_ids",
    "check_training_config",
    "count_unused_weights",
    "count_weights",
    "enable_gradient_checkpointing",
    "encoder_family",
    "encoder_fingerprint",
    "layer_depths",
    "load_encoder",
    "load_tokenizer",
    "load_trained",
    "move_to_device",
    "nsp_is_default",
    "save_ensemble",
    "save_pretrained",
    "tokenizer_fingerprint",
]
