"""Reader of safetensors files into a model, with one clear error for whatever is wrong with the files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from transformers import PretrainedConfig, PreTrainedModel

from gluetune.errors import ModelError
from gluetune.models.architecture import model_class
from gluetune.models.files import list_files, silence_transformers_logging, suggest_subfolder

# Exceptions that transformers and torch raise for configurations and files that they cannot use.
MODEL_ERRORS = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    ImportError,
    LookupError,
    OSError,
    RuntimeError,
    SafetensorError,
    TypeError,
    ValueError,
)
_FILES = ("model.safetensors", "model.safetensors.index.json")


def read_model(folder: Path, settings: PretrainedConfig, name: str) -> tuple[PreTrainedModel, dict[str, Any]]:
    """Read weights into the sequence classification model of their family, in fp32 on the CPU.

    Args:
        folder: the folder with the safetensors files.
        settings: configuration of the model.
        name: name or folder of the model as the user wrote it, for messages.

    Returns:
        The model, and transformers' loading info with ``missing_keys``, ``unexpected_keys`` and ``mismatched_keys``.
        Weights that are missing, or have other shapes in the file, are random.

    Raises:
        ModelError: there are no safetensors files, they are broken, or the model cannot be built.
    """
    if not any((folder / file).exists() for file in _FILES):
        hint = next((found for file in _FILES if (found := suggest_subfolder(folder, file))), "")
        raise ModelError(
            f"{name!r} must hold its weights as model.safetensors (pickles such as pytorch_model.bin can "
            f"run code and are never read), but got {list_files(folder)}{hint}; where you trust the files, "
            "transformers' from_pretrained(…) and save_pretrained(…) write them anew as safetensors"
        )
    kind = model_class(settings)
    try:
        with silence_transformers_logging():
            loaded: Any = kind.from_pretrained(
                folder,
                config=settings,
                use_safetensors=True,
                dtype=torch.float32,
                output_loading_info=True,
                ignore_mismatched_sizes=True,
            )
    except MODEL_ERRORS as error:
        raise ModelError(f"{name!r} cannot be loaded as {kind.__name__}: {type(error).__name__}: {error}") from error
    model, info = loaded
    return model, info


def check_shapes(model: PreTrainedModel, info: dict[str, Any], name: str, prefix: str = "") -> None:
    """Check that the weights in the file have the shapes that ``config.json`` requires.

    Args:
        model: the model that `read_model` returned.
        info: the loading info that `read_model` returned.
        name: name or folder of the model as the user wrote it, for messages.
        prefix: only weights whose names start with this prefix are checked.

    Raises:
        ModelError: shapes differ; the message names one weight with both shapes.
    """
    wrong = sorted(found for found in info["mismatched_keys"] if found[0].startswith(prefix))
    if wrong:
        key, in_file, required = wrong[0]
        raise ModelError(
            f"{name!r} must hold the weights of {type(model).__name__} in the shapes of its config.json, "
            f"but {len(wrong)} differ, such as {key!r}: {list(in_file)} in the file, {list(required)} by "
            "config.json"
        )
