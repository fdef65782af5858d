"""Encoders by name or folder, and the classification models made of them."""

from gluetune.models.build import build_model, check_training, load_trained, nsp_is_default, save_pretrained
from gluetune.models.depth import depths
from gluetune.models.encoder import Encoder, load_encoder, load_tokenizer
from gluetune.models.fingerprint import encoder_fingerprint

__all__ = ["Encoder", "build_model", "check_training", "depths", "encoder_fingerprint", "load_encoder",
           "load_tokenizer", "load_trained", "nsp_is_default", "save_pretrained"]
