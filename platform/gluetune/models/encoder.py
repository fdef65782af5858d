"""Pre-trained encoders: their weights and settings, apart from any task."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from transformers import AutoConfig, AutoTokenizer, PretrainedConfig, PreTrainedModel, PreTrainedTokenizerBase
from transformers.models.auto.modeling_auto import (
    MODEL_FOR_MASKED_LM_MAPPING_NAMES,
    MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING,
    MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES,
)
from transformers.utils import logging

from gluetune.config import ModelConfig
from gluetune.errors import ModelError
from gluetune.models.files import locate

# Families that number positions from ``pad_token_id + 1``, so that some of their position embeddings are never used.
_POSITIONS_AFTER_PADDING = frozenset({"camembert", "data2vec-text", "longformer", "mpnet", "roberta",
                                      "roberta-prelayernorm", "xlm-roberta", "xlm-roberta-xl", "xmod"})


@dataclass(frozen=True)
class Encoder:
    """A pre-trained encoder as plain arrays: pickles, and Ray's object store shares it without copies.

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


def load_encoder(config: ModelConfig) -> Encoder:
    """Loads a pre-trained encoder, BERT, RoBERTa, DeBERTa, ModernBERT, ELECTRA, ALBERT or any other of their kind.

    Weights are read from safetensors files only, and no code of a repository is ever run. What the checkpoint lacks
    outside the encoder is left to `gluetune.models.build_model`, and so is BERT's pooler where the checkpoint has none.

    Raises:
        ModelError: no such model, not an encoder, no safetensors file, or weights are missing in it.
    """
    folder = locate(config)
    settings = _settings(folder, config.name_or_path)
    _check_files(folder, config.name_or_path)
    architecture = model_class(settings)
    try:
        with quiet():
            model, info = architecture.from_pretrained(folder, config=settings, use_safetensors=True,
                                                       dtype=torch.float32, output_loading_info=True)
    except (OSError, RuntimeError, ValueError, SafetensorError) as error:
        raise ModelError(f"{config.name_or_path!r} cannot be loaded as {architecture.__name__}: {error}") from error
    names = _pretrained(model, set(info["missing_keys"]), config.name_or_path)
    state = model.state_dict()
    return Encoder(config.name_or_path, settings.to_dict(), {name: state[name].numpy() for name in names})


def load_tokenizer(config: ModelConfig) -> PreTrainedTokenizerBase:
    """Loads the encoder's tokenizer; its ``model_max_length`` is never more than the encoder has positions for.

    Raises:
        ModelError: no such model, or no tokenizer with it.
    """
    folder = locate(config)
    try:
        with quiet():
            tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
    except (OSError, ValueError, TypeError, KeyError, ImportError) as error:
        raise ModelError(f"{config.name_or_path!r} must hold a tokenizer, but: {error}") from error
    if len(tokenizer) <= len(tokenizer.all_special_tokens):  # what transformers makes of a folder without vocabulary
        raise ModelError(f"{config.name_or_path!r} must hold a tokenizer (tokenizer.json, vocab.txt or a sentencepiece "
                         f"model), but got {_listing(folder)}")
    limit = max_tokens(_settings(folder, config.name_or_path))
    tokenizer.model_max_length = min(tokenizer.model_max_length, limit or tokenizer.model_max_length)
    return tokenizer


def max_tokens(settings: PretrainedConfig) -> int | None:
    """Longest row, special tokens included, that an encoder takes; ``None`` where positions are relative."""
    positions: int | None = getattr(settings, "max_position_embeddings", None)
    if positions is None or not getattr(settings, "position_biased_input", True):  # DeBERTa's relative positions
        return None
    return positions - (settings.pad_token_id + 1 if settings.model_type in _POSITIONS_AFTER_PADDING else 0)


def model_class(settings: PretrainedConfig) -> type[PreTrainedModel]:
    """The family's sequence classification model.

    Raises:
        ModelError: the family is not an encoder, or transformers has no such model for it.
    """
    family = settings.model_type
    encoder = (family in MODEL_FOR_MASKED_LM_MAPPING_NAMES and family in MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES
               and not settings.is_encoder_decoder and not getattr(settings, "is_decoder", False))
    if not encoder:
        raise ModelError("the model must be an encoder with a sequence classification model in transformers (bert, "
                         f"roberta, deberta-v2, modernbert, electra, albert, …), but got model_type {family!r}")
    architecture: type[PreTrainedModel] = MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING[type(settings)]
    return architecture


@contextmanager
def quiet() -> Iterator[None]:
    """Silences transformers' progress bars and its reports of fresh heads, which are fresh on purpose."""
    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()


def _settings(folder: Path, name: str) -> PretrainedConfig:
    try:
        return AutoConfig.from_pretrained(folder, trust_remote_code=False)
    except (OSError, ValueError, KeyError) as error:
        raise ModelError(f"{name!r} must hold a config.json of an encoder that transformers knows, but: "
                         f"{error}") from error


def _check_files(folder: Path, name: str) -> None:
    if not any((folder / file).exists() for file in ("model.safetensors", "model.safetensors.index.json")):
        raise ModelError(f"{name!r} must hold its weights as model.safetensors (pickles such as pytorch_model.bin can "
                         f"run code and are never read), but got {_listing(folder)}")


def _listing(folder: Path) -> str:
    return ", ".join(sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))) or "no files"


def _pretrained(model: PreTrainedModel, missing: set[str], name: str) -> list[str]:
    """Names of the weights to keep: the encoder's, and what pre-training shares with the classification model.

    The latter is ModernBERT's prediction head, kept as ``from_pretrained`` does. A checkpoint that is a classifier
    already gives its encoder only, for its head answers another question.
    """
    encoder = model.base_model_prefix + "."
    classifier = any("ForSequenceClassification" in known for known in model.config.architectures or ())
    lost = sorted(key for key in missing if key.startswith(encoder) and "pooler" not in key)
    if lost:
        raise ModelError(f"{name!r} must hold all weights of {type(model).__name__}'s encoder, but {len(lost)} are "
                         f"missing, such as {lost[0]!r}")
    return [key for key in model.state_dict() if key not in missing and (key.startswith(encoder) or not classifier)]
