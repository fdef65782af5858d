"""Encoders, pre-trained or randomly initialized: configuration, weights and their files, without a task's head."""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from transformers import PretrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

from gluetune.config import EncoderFamily, ModelConfig, TrainingConfig
from gluetune.errors import ModelError
from gluetune.models.architecture import load_architecture, masked_lm_weight_names, max_sequence_length, model_class
from gluetune.models.files import (
    list_files,
    open_tokenizer,
    resolve_model_dir,
    silence_transformers_logging,
    suggest_subfolder,
)
from gluetune.models.heads import EncoderWithHead, EnsembleConfig


@dataclass(frozen=True)
class Encoder:
    """An encoder as plain arrays, which pickle and which Ray's object store shares without copies.

    Attributes:
        name: name or folder that the encoder was loaded from.
        config: configuration of the model, as in ``config.json``.
        weights: fp32 arrays by their names in the family's sequence classification model, without the head.
        unused_weights: names of the other weights of the checkpoint, such as those of another task's head.
    """

    name: str
    config: dict[str, Any] = field(repr=False)
    weights: dict[str, np.ndarray] = field(repr=False)
    unused_weights: tuple[str, ...] = field(default=(), repr=False)

    @property
    def parameters(self) -> int:
        """Number of weights."""
        return sum(array.size for array in self.weights.values())


def count_unused_weights(encoder: Encoder) -> dict[str, int]:
    """Return the number of unused tensors of a checkpoint, by the part of the model that they belong to.

    A part is a head such as ``classifier``, or a layer that the ``config.json`` does not have.
    """
    return dict(Counter(_part(name) for name in encoder.unused_weights))


def _part(name: str) -> str:
    layer = LAYER.search(name)
    return name[: layer.end() - 1] if layer else name.partition(".")[0]


def load_encoder(config: ModelConfig, seed: int = 0) -> Encoder:
    """Load an encoder such as BERT, RoBERTa, DeBERTa, ModernBERT, ELECTRA or ALBERT.

    Weights are read from safetensors files only, and code in a repository is never run. A head that the checkpoint has
    for another task is left out. Weights outside the encoder that the checkpoint lacks, and BERT's pooler if it is
    missing, are initialized by `gluetune.models.build_model`.

    Args:
        config: the job's section ``model``; with ``from_scratch`` only the architecture is loaded.
        seed: seed of the random weights that ``from_scratch`` draws with the family's own initialization.

    Raises:
        ModelError: the model does not exist, is not an encoder, has no safetensors files or lacks weights.
    """
    folder, name = resolve_model_dir(config), config.name
    settings = load_architecture(folder, config)
    if isinstance(settings, EnsembleConfig):
        raise ModelError(
            f"{name!r} must hold an encoder, but it holds an ensemble of {settings.members} trained models"
        )
    if config.from_scratch:
        return _random(settings, len(open_tokenizer(folder, name)), name, seed)
    model, info = read_model(folder, settings, name)
    _check_weights(model, info, name)
    kept, unused = _partition_weights(model, info)
    return replace(_encoder(name, model, kept), unused_weights=unused)


def load_tokenizer(config: ModelConfig) -> PreTrainedTokenizerBase:
    """Load the tokenizer of an encoder.

    Args:
        config: the job's section ``model``.

    Returns:
        The tokenizer; its ``model_max_length`` does not exceed the number of positions of the encoder.

    Raises:
        ModelError: the model does not exist or has no tokenizer.
    """
    folder = resolve_model_dir(config)
    tokenizer = open_tokenizer(folder, config.name)
    limit = max_sequence_length(load_architecture(folder, config))
    tokenizer.model_max_length = min(tokenizer.model_max_length, limit or tokenizer.model_max_length)
    return tokenizer


def encoder_family(config: ModelConfig) -> EncoderFamily:
    """Return the family and the size of an encoder, from its ``config.json``.

    Args:
        config: the job's section ``model`` for one encoder.

    Raises:
        ModelError: the model does not exist or is not an encoder.
    """
    settings = load_architecture(resolve_model_dir(config), config)
    layers, width = (int(getattr(settings, name, 0)) for name in ("num_hidden_layers", "hidden_size"))
    return EncoderFamily(settings.model_type, layers, width)


def tokenizer_fingerprint(tokenizer: PreTrainedTokenizerBase) -> str:
    """Return a fingerprint that is equal for tokenizers that make the same tokens of all texts.

    Tokenizers without a backend of the library ``tokenizers`` are equal only to themselves.
    """
    backend = getattr(tokenizer, "backend_tokenizer", None)
    content = f"object {id(tokenizer)}" if backend is None else backend.to_str()
    pad = (tokenizer.pad_token_id, tokenizer.pad_token_type_id, tokenizer.padding_side)
    settings = (tokenizer.model_input_names, tokenizer.special_tokens_map, tokenizer.truncation_side, *pad)
    return hashlib.sha256(f"{content}{settings}".encode()).hexdigest()


def _random(settings: PretrainedConfig, tokens: int, name: str, seed: int) -> Encoder:
    if settings.vocab_size < tokens:
        raise ModelError(
            f"`tokens of the vocabulary <= vocab_size` must hold, but got (tokens={tokens}, "
            f"vocab_size={settings.vocab_size}) of {name!r}"
        )
    kind = model_class(settings)
    try:
        with torch.random.fork_rng(devices=[]), silence_transformers_logging():
            torch.default_generator.manual_seed(seed)
            model = kind(settings)
    except MODEL_ERRORS as error:  # layers raise various exceptions
        raise ModelError(
            f"{kind.__name__} cannot be built to the settings of {name!r} and model.config_overrides: "
            f"{type(error).__name__}: {error}"
        ) from error
    return _encoder(name, model, [key for key in model.state_dict() if key.startswith(model.base_model_prefix + ".")])


def _check_weights(model: PreTrainedModel, info: dict[str, Any], name: str) -> None:
    """Check that a checkpoint has all weights of the encoder in the right shapes; BERT's pooler may be missing.

    Raises:
        ModelError: weights are missing or have other shapes.
    """
    encoder = model.base_model_prefix + "."
    check_shapes(model, info, name, encoder)
    lost = sorted(key for key in info["missing_keys"] if key.startswith(encoder) and "pooler" not in key)
    if lost:
        raise ModelError(
            f"{name!r} must hold all weights of {type(model).__name__}'s encoder, but {len(lost)} are "
            f"missing, such as {lost[0]!r}"
        )


def _partition_weights(model: PreTrainedModel, info: dict[str, Any]) -> tuple[list[str], tuple[str, ...]]:
    """Return the names of the weights to keep, and those of the checkpoint's other weights.

    Kept are the weights of the encoder, and those outside the encoder that pre-training shares with the classification
    model: ModernBERT's prediction head, as ``from_pretrained`` does. If the checkpoint has weights that the family's
    masked language model does not have, it was fine-tuned for another task, and only its encoder is kept.
    """
    encoder = model.base_model_prefix + "."
    absent = {*info["missing_keys"], *(key for key, *_ in info["mismatched_keys"])}
    loaded = [key for key in model.state_dict() if key not in absent]
    others = {*info["unexpected_keys"], *(absent - set(info["missing_keys"]))}
    outside = {key for key in (*loaded, *others) if not key.startswith(encoder)}
    shared = set() if outside - masked_lm_weight_names(model.config) else outside
    kept = [key for key in loaded if key.startswith(encoder) or key in shared]
    return kept, tuple(sorted({*loaded, *others} - set(kept)))


def _encoder(name: str, model: PreTrainedModel, names: list[str]) -> Encoder:
    """Return an encoder of the named weights.

    Weights of an `EncoderWithHead` get the names that they have in the family's own model.
    """
    settings, state = model.config, model.state_dict()
    if not isinstance(model, EncoderWithHead):
        return Encoder(name, settings.to_dict(), {key: state[key].numpy() for key in names})
    family = model.encoder.config
    inside, outside = model.base_model_prefix + ".", model_class(family).base_model_prefix + "."
    return Encoder(name, family.to_dict(), {outside + key.removeprefix(inside): state[key].numpy() for key in names})


# Matches the number of a layer in the name of a weight.
LAYER = re.compile(r"\.(?:layer|layers|albert_layer_groups)\.(\d+)\.")
# The second alternative matches the norm of DeBERTa's relative position embeddings.
_EMBEDDING = re.compile(r"embedding|\.encoder\.LayerNorm\.")


def count_layers(names: Iterable[str]) -> int:
    """Return the number of layers among the names of an encoder's weights; layers with shared weights count once."""
    return max((int(match[1]) for name in names if (match := LAYER.search(name))), default=-1) + 1


def layer_depths(model: PreTrainedModel) -> dict[str, int]:
    """Return the depth of every parameter by name.

    Embeddings have depth 0, layer ``i`` has ``i + 1``, parameters of the encoder above its layers (BERT's pooler,
    ModernBERT's final norm) have ``layers + 1``, and the head has ``layers + 2``.

    Args:
        model: a classification model of `gluetune.models.build_model`.
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
    """Turn ``requires_grad`` off for the embeddings and the lowest ``freeze_layers`` layers, as ``training`` asks."""
    if training.freeze_embeddings or training.freeze_layers:
        found = layer_depths(model)
        for name, parameter in model.named_parameters():
            parameter.requires_grad_(found[name] > training.freeze_layers)


_SETTINGS = "config.json"
# Keys that transformers writes when it saves a model. They depend on its version but do not affect the computation.
_VOLATILE = frozenset({"_name_or_path", "architectures", "dtype", "torch_dtype", "transformers_version"})


def encoder_fingerprint(encoder: Encoder, config: ModelConfig) -> str:
    """Return the SHA-256 of an encoder's weights by name and of its ``config.json``.

    The location of the files does not count. Weights that ``from_scratch`` draws do not count either, because they
    follow from the job.

    Args:
        encoder: the encoder as `load_encoder` returned it.
        config: the section ``model`` that it was loaded with.
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
