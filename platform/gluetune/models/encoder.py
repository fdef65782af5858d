"""Encoders, pre-trained or random: their weights and settings, apart from any task."""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from transformers import PretrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

from gluetune.config import ModelConfig, TrainingConfig
from gluetune.errors import ModelError
from gluetune.models.architecture import load_architecture, masked_lm_weight_names, max_sequence_length, model_class
from gluetune.models.files import open_tokenizer, resolve_model_dir, silence_transformers_logging
from gluetune.models.heads import EncoderWithHead
from gluetune.models.weights import MODEL_ERRORS, check_shapes, read_model


@dataclass(frozen=True)
class Encoder:
    """An encoder as plain arrays: pickles, and Ray's object store shares it without copies.

    Attributes:
        name: the name or folder it was loaded from.
        config: the model's settings, as in its ``config.json``.
        weights: fp32 arrays by their names in the family's sequence classification model. The head is not among them.
        unused_weights: names of the checkpoint's other weights, such as the head of the task that it was trained for.
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
    """How many tensors of the checkpoint are not used, by the part of the model that they belong to.

    A part is a layer of the encoder, which its ``config.json`` has no place for, or a head such as ``classifier``.
    """
    return dict(Counter(_part(name) for name in encoder.unused_weights))


def _part(name: str) -> str:
    layer = LAYER.search(name)
    return name[: layer.end() - 1] if layer else name.partition(".")[0]


def load_encoder(config: ModelConfig, seed: int = 0) -> Encoder:
    """Loads an encoder, BERT, RoBERTa, DeBERTa, ModernBERT, ELECTRA, ALBERT or any other of their kind.

    Weights are read from safetensors files only, and no code of a repository is ever run. The head that a checkpoint
    has for another task is left out, whatever its names and shapes. What the checkpoint lacks outside the encoder is
    left to `gluetune.models.build_model`, and so is BERT's pooler where the checkpoint has none.

    Args:
        config: names it; ``from_scratch`` takes its architecture only.
        seed: of the random weights that ``from_scratch`` draws, as the family draws them before pre-training.

    Raises:
        ModelError: no such model, not an encoder, no safetensors file, or weights are missing in it.
    """
    folder, name = resolve_model_dir(config), config.name_or_path
    settings = load_architecture(folder, config)
    if config.from_scratch:
        return _random(settings, len(open_tokenizer(folder, name)), name, seed)
    model, info = read_model(folder, settings, name)
    _check_weights(model, info, name)
    kept, unused = _pretrained(model, info)
    return replace(_encoder(name, model, kept), unused_weights=unused)


def load_tokenizer(config: ModelConfig) -> PreTrainedTokenizerBase:
    """Loads the encoder's tokenizer; its ``model_max_length`` is never more than the encoder has positions for.

    Raises:
        ModelError: no such model, or no tokenizer with it.
    """
    folder = resolve_model_dir(config)
    tokenizer = open_tokenizer(folder, config.name_or_path)
    limit = max_sequence_length(load_architecture(folder, config))
    tokenizer.model_max_length = min(tokenizer.model_max_length, limit or tokenizer.model_max_length)
    return tokenizer


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
    except MODEL_ERRORS as error:  # whatever its layers refuse
        raise ModelError(
            f"{kind.__name__} cannot be built to the settings of {name!r} and model.config_overrides: "
            f"{type(error).__name__}: {error}"
        ) from error
    return _encoder(name, model, [key for key in model.state_dict() if key.startswith(model.base_model_prefix + ".")])


def _check_weights(model: PreTrainedModel, info: dict[str, Any], name: str) -> None:
    """Refuses a checkpoint without all of the encoder's weights in their shapes; BERT's pooler may be missing."""
    encoder = model.base_model_prefix + "."
    check_shapes(model, info, name, encoder)
    lost = sorted(key for key in info["missing_keys"] if key.startswith(encoder) and "pooler" not in key)
    if lost:
        raise ModelError(
            f"{name!r} must hold all weights of {type(model).__name__}'s encoder, but {len(lost)} are "
            f"missing, such as {lost[0]!r}"
        )


def _pretrained(model: PreTrainedModel, info: dict[str, Any]) -> tuple[list[str], tuple[str, ...]]:
    """Names of the weights to keep, and of the checkpoint's others.

    Kept are the encoder's, and what pre-training shares with the classification model: ModernBERT's prediction head,
    as ``from_pretrained`` does. A checkpoint with weights that its family's pre-training has no place for was trained
    for another task since, and gives its encoder only: its head answers another question.
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
    """The named weights; those under a head of ours get the names they have in their family's own model."""
    settings, state = model.config, model.state_dict()
    if not isinstance(model, EncoderWithHead):
        return Encoder(name, settings.to_dict(), {key: state[key].numpy() for key in names})
    family = model.encoder.config
    inside, outside = model.base_model_prefix + ".", model_class(family).base_model_prefix + "."
    return Encoder(name, family.to_dict(), {outside + key.removeprefix(inside): state[key].numpy() for key in names})


LAYER = re.compile(r"\.(?:layer|layers|albert_layer_groups)\.(\d+)\.")
# The second is the norm of DeBERTa's relative position embeddings.
_EMBEDDING = re.compile(r"embedding|\.encoder\.LayerNorm\.")


def count_layers(names: Iterable[str]) -> int:
    """Number of an encoder's layers by its weights' names; layers that share their weights (ALBERT's) count once."""
    return max((int(match[1]) for name in names if (match := LAYER.search(name))), default=-1) + 1


def layer_depths(model: PreTrainedModel) -> dict[str, int]:
    """Depth by parameter name: 0 for embeddings, ``i + 1`` for layer ``i``, ``layers + 2`` for the head.

    What an encoder has above its layers (BERT's pooler, ModernBERT's final norm) stands at ``layers + 1``.
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
    """Takes embeddings, and with ``freeze_layers`` that many layers above them, out of training."""
    if training.freeze_embeddings or training.freeze_layers:
        found = layer_depths(model)
        for name, parameter in model.named_parameters():
            parameter.requires_grad_(found[name] > training.freeze_layers)


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
