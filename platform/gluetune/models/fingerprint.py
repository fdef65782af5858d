"""A fingerprint of what trials start from: equal for the same weights and settings, wherever they lie."""

from __future__ import annotations

import hashlib
import json

import numpy as np

from gluetune.config import ModelConfig
from gluetune.models.encoder import Encoder
from gluetune.models.files import resolve_model_dir

_SETTINGS = "config.json"
# Written by the library that saved the model: they change with its version, and not what is computed.
_VOLATILE = frozenset({"_name_or_path", "architectures", "dtype", "torch_dtype", "transformers_version"})


def encoder_fingerprint(encoder: Encoder, config: ModelConfig) -> str:
    """The SHA-256 of an encoder's weights by name, and of its ``config.json`` as it stands in the file.

    Weights that ``from_scratch`` draws are left out: they follow from the job, which is kept by itself.

    Args:
        encoder: as it was loaded.
        config: names it.
    """
    digest = hashlib.sha256()
    file = resolve_model_dir(config) / _SETTINGS
    if file.is_file():
        settings = json.loads(file.read_bytes())
        kept = {name: value for name, value in settings.items() if name not in _VOLATILE}
        digest.update(json.dumps(kept, sort_keys=True).encode())
    if not config.from_scratch:
        for name, array in sorted(encoder.weights.items()):
            digest.update(f"{name}\0{array.shape}\0".encode())
            digest.update(np.ascontiguousarray(array).reshape(-1).data)
    return digest.hexdigest()
