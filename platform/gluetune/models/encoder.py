"""Encoders, pre-trained or random: their weights and settings, apart from any task."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from transformers import PretrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

from gluetune.config import ModelConfig
from gluetune.errors import ModelError
from gluetune.models.architecture import architecture, max_tokens, model_class
from gluetune.models.files import listing, locate
from gluetune.models.heads import EncoderWithHead
from gluetune.models.quiet import quiet
from gluetune.models.vocabulary import open_tokenizer


@dataclass(frozen=True)
class Encoder:
    """An encoder as plain arrays: pickles, and Ray's object store shares it without copies.

    Attributes:
        name: the name or folder it was loaded from.
        config: the model's settings, as in its ``config.json``.
        weights: fp32 arrays by their names in the family's sequence classification model. The head is not among them.
    """

    name: str
    config: dict[str, Any] = field(repr=False)
    weights: dict[str, np.ndarray] = field(repr=False)

    @property
    def parameters(self) -> int:
        """Number of weights."""
        return sum(array.size for array in self.weights.values())


def load_encoder(config: ModelConfig, seed: int = 0) -> Encoder:
    """Loads an encoder, BERT, RoBERTa, DeBERTa, ModernBERT, ELECTRA, ALBERT or any other of their kind.

    Weights are read from safetensors files only, and no code of a repository is ever run. What the checkpoint lacks
    outside the encoder is left to `gluetune.models.build_model`, and so is BERT's pooler where the checkpoint has none.

    Args:
        config: names it; ``from_scratch`` takes its architecture only.
        seed: of the random weights that ``from_scratch`` draws, as the family draws them before pre-training.

    Raises:
        ModelError: no such model, not an encoder, no safetensors file, or weights are missing in it.
    """
    folder, name = locate(config), config.name_or_path
    settings = architecture(folder, config)
    if config.from_scratch:
        return _random(settings, len(open_tokenizer(folder, name)), name, seed)
    _check_files(folder, name)
    kind = model_class(settings)
    try:
        with quiet():
            model, info = kind.from_pretrained(folder, config=settings, use_safetensors=True, dtype=torch.float32,
                                               output_loading_info=True)
    except (OSError, RuntimeError, ValueError, SafetensorError) as error:
        raise ModelError(f"{name!r} cannot be loaded as {kind.__name__}: {error}") from error
    names = _pretrained(model, set(info["missing_keys"]), name)
    return _encoder(name, model, names)


def load_tokenizer(config: ModelConfig) -> PreTrainedTokenizerBase:
    """Loads the encoder's tokenizer; its ``model_max_length`` is never more than the encoder has positions for.

    Raises:
        ModelError: no such model, or no tokenizer with it.
    """
    folder = locate(config)
    tokenizer = open_tokenizer(folder, config.name_or_path)
    limit = max_tokens(architecture(folder, config))
    tokenizer.model_max_length = min(tokenizer.model_max_length, limit or tokenizer.model_max_length)
    return tokenizer


def _random(settings: PretrainedConfig, tokens: int, name: str, seed: int) -> Encoder:
    if settings.vocab_size < tokens:
        raise ModelError(f"`tokens of the vocabulary <= vocab_size` must hold, but got (tokens={tokens}, "
                         f"vocab_size={settings.vocab_size}) of {name!r}")
    kind = model_class(settings)
    try:
        with torch.random.fork_rng(devices=[]), quiet():
            torch.default_generator.manual_seed(seed)
            model = kind(settings)
    except (ArithmeticError, AssertionError, AttributeError, KeyError, RuntimeError, TypeError,
            ValueError) as error:  # whatever its layers refuse
        raise ModelError(f"{kind.__name__} cannot be built to the settings of {name!r} and model.config_overrides: "
                         f"{type(error).__name__}: {error}") from error
    return _encoder(name, model, [key for key in model.state_dict() if key.startswith(model.base_model_prefix + ".")])


def _check_files(folder: Path, name: str) -> None:
    if not any((folder / file).exists() for file in ("model.safetensors", "model.safetensors.index.json")):
        raise ModelError(f"{name!r} must hold its weights as model.safetensors (pickles such as pytorch_model.bin can "
                         f"run code and are never read), but got {listing(folder)}")


def _pretrained(model: PreTrainedModel, missing: set[str], name: str) -> list[str]:
    """Names of the weights to keep: the encoder's, and what pre-training shares with the classification model.

    The latter is ModernBERT's prediction head, kept as ``from_pretrained`` does. A checkpoint that is a classifier
    already gives its encoder only, for its head answers another question.
    """
    encoder = model.base_model_prefix + "."
    classifier = isinstance(model, EncoderWithHead) or any("ForSequenceClassification" in known
                                                           for known in model.config.architectures or ())
    lost = sorted(key for key in missing if key.startswith(encoder) and "pooler" not in key)
    if lost:
        raise ModelError(f"{name!r} must hold all weights of {type(model).__name__}'s encoder, but {len(lost)} are "
                         f"missing, such as {lost[0]!r}")
    return [key for key in model.state_dict() if key not in missing and (key.startswith(encoder) or not classifier)]


def _encoder(name: str, model: PreTrainedModel, names: list[str]) -> Encoder:
    """The named weights; those under a head of ours get the names they have in their family's own model."""
    settings, state = model.config, model.state_dict()
    if not isinstance(model, EncoderWithHead):
        return Encoder(name, settings.to_dict(), {key: state[key].numpy() for key in names})
    family = model.encoder.config
    inside, outside = model.base_model_prefix + ".", model_class(family).base_model_prefix + "."
    return Encoder(name, family.to_dict(), {outside + key.removeprefix(inside): state[key].numpy() for key in names})
