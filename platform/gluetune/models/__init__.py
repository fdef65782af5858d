"""Encoders by name or folder, and the classification models made of them."""

from gluetune.models.build import build_model, check_training, load_trained, nsp_is_default, save_pretrained
from gluetune.models.depth import depths
from gluetune.models.encoder import Encoder, left_out, load_encoder, load_tokenizer
from gluetune.models.fingerprint import encoder_fingerprint
from gluetune.models.fit import check_ids, check_rows

__all__ = [
    "Encoder",
    "build_model",
    "check_ids",
    "check_rows",
    "check_training",
    "depths",
    "encoder_fingerprint",
    "left_out",
    "load_encoder",
    "load_tokenizer",
    "load_trained",
    "nsp_is_default",
    "save_pretrained",
]
