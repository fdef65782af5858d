"""Encoders by name or folder, and the classification models made of them."""

from gluetune.models.build import build_model, save_pretrained
from gluetune.models.encoder import Encoder, load_encoder, load_tokenizer

__all__ = ["Encoder", "build_model", "load_encoder", "load_tokenizer", "save_pretrained"]
