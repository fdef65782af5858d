"""Architecture of an encoder: its model family and its configuration."""

from __future__ import annotations

import json
from pathlib import Path
from typing import cast

import torch
from huggingface_hub.errors import StrictDataclassError
from transformers import (
    MODEL_FOR_MASKED_LM_MAPPING,
    MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING,
    AutoConfig,
    AutoModelForSequenceClassification,
    BertConfig,
    PretrainedConfig,
    PreTrainedModel,
)

from gluetune.config import ModelConfig
from gluetune.errors import ModelError, did_you_mean
from gluetune.internals.transformers_hooks import reset_attention
from gluetune.models.files import (
    VOCABULARY,
    has_only_vocab_txt,
    list_files,
    open_tokenizer,
    silence_transformers_logging,
    suggest_subfolder,
)
from gluetune.models.heads import EncoderWithHead, EncoderWithHeadConfig, Ensemble, EnsembleConfig

ORIGINAL_BERT_CONFIG = "bert_config.json"  # in the checkpoints that Google published
_ADAPTER = "adapter_config.json"
_POSITIONS = "position_embeddings"

# transformers resolves saved models of these types to these classes and never runs the copies of their code in folders.
AutoConfig.register(EncoderWithHeadConfig.model_type, EncoderWithHeadConfig, exist_ok=True)
AutoModelForSequenceClassification.register(EncoderWithHeadConfig, EncoderWithHead, exist_ok=True)
AutoConfig.register(EnsembleConfig.model_type, EnsembleConfig, exist_ok=True)
AutoModelForSequenceClassification.register(EnsembleConfig, Ensemble, exist_ok=True)


def load_architecture(folder: Path, config: ModelConfig) -> PretrainedConfig:
    """Load the configuration of the model in a folder and apply ``config_overrides``.

    The configuration is read from ``config.json``. With ``from_scratch`` the folder may instead contain
    ``bert_config.json``, as Google's checkpoints do, or only a vocabulary; a vocabulary gets the configuration of BERT
    base (Devlin et al. 2019).

    Args:
        folder: the folder with the files of the model.
        config: the job's section ``model``.

    Raises:
        ModelError: the folder has no usable configuration, the weights are quantized, or an override does not fit.
    """
    settings = _settings(folder, config)
    if config.from_scratch and isinstance(settings, EncoderWithHeadConfig):
        settings = settings.encoder_config()
    _drop_runtime_settings(settings, config)
    return _overridden(settings, config) if config.config_overrides else settings


def model_class(settings: PretrainedConfig) -> type[PreTrainedModel]:
    """Return the sequence classification class of a model family.

    Args:
        settings: configuration of a model of the family.

    Raises:
        ModelError: the family is not an encoder, or transformers has no sequence classification model for it.
    """
    if isinstance(settings, EncoderWithHeadConfig):
        return EncoderWithHead
    if isinstance(settings, EnsembleConfig):
        return Ensemble
    family = settings.model_type
    encoder = (
        type(settings) in MODEL_FOR_MASKED_LM_MAPPING
        and type(settings) in MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING
        and not settings.is_encoder_decoder
        and not getattr(settings, "is_decoder", False)
    )
    if not encoder:
        raise ModelError(
            "the model must be an encoder with a sequence classification model in transformers (bert, "
            f"roberta, deberta-v2, modernbert, electra, albert, …), but got model_type {family!r}"
        )
    return cast("type[PreTrainedModel]", MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING[type(settings)])


def max_sequence_length(settings: PretrainedConfig) -> int | None:
    """Return the maximum number of tokens per row, special tokens included; ``None`` if positions are relative.

    RoBERTa and related families count positions from ``padding_idx + 1``, so the first position embeddings are never
    used. The function reads ``padding_idx`` from the modules of a model on the meta device.

    Args:
        settings: configuration of the model.
    """
    if isinstance(settings, EnsembleConfig):
        settings = settings.member_config()
    if isinstance(settings, EncoderWithHeadConfig):
        settings = settings.encoder_config()
    positions: int | None = getattr(settings, "max_position_embeddings", None)
    if positions is None or not getattr(settings, "position_biased_input", True):  # DeBERTa's relative positions
        return None
    model = _on_meta_device(model_class(settings), settings)
    if model is None:
        return positions
    tables = (table for name, table in model.named_modules() if name.rpartition(".")[2] == _POSITIONS)
    return min(
        [
            positions,
            *(
                len(table.weight) - int(table.padding_idx) - 1
                for table in tables
                if getattr(table, "padding_idx", None) is not None
            ),
        ]
    )


def masked_lm_weight_names(settings: PretrainedConfig) -> set[str]:
    """Return the weight names of the family's masked language model; an `EncoderWithHead` has none."""
    kind = MODEL_FOR_MASKED_LM_MAPPING.get(type(settings), None)
    model = None if kind is None else _on_meta_device(cast("type[PreTrainedModel]", kind), settings)
    return set() if model is None else set(model.state_dict())


def _on_meta_device(kind: type[PreTrainedModel], settings: PretrainedConfig) -> PreTrainedModel | None:
    """Return a model without memory for its weights, or ``None`` if it cannot be built on the meta device."""
    try:
        with silence_transformers_logging(), torch.device("meta"):
            return kind(settings)
    except (ArithmeticError, AssertionError, AttributeError, KeyError, RuntimeError, TypeError, ValueError):
        return None  # `load_encoder` reports the error when it builds the model with weights


def _drop_runtime_settings(settings: PretrainedConfig, config: ModelConfig) -> None:
    """Remove settings of ``config.json`` that concern how the model is computed and not its architecture.

    transformers selects the attention implementation on the machine that runs the model.

    Raises:
        ModelError: the weights are quantized.
    """
    reset_attention(settings)
    quantization = getattr(settings, "quantization_config", None)
    if quantization is None:
        return
    if not config.from_scratch:
        known = quantization if isinstance(quantization, dict) else quantization.to_dict()
        method = known.get("quant_method", "unknown method")
        raise ModelError(
            f"{config.name!r} must hold floating-point weights to be fine-tuned, but they are "
            f"quantized (quantization_config of config.json: {method}); name the model that it was made "
            "from, or save it again after model.dequantize()"
        )
    del settings.quantization_config


def _settings(folder: Path, config: ModelConfig) -> PretrainedConfig:
    name = config.name
    if (folder / _ADAPTER).exists() and not config.from_scratch:
        raise ModelError(_adapter(folder, name))
    if not config.from_scratch and not (folder / "config.json").exists():
        hint = "; model.from_scratch needs none" if (folder / VOCABULARY).exists() else ""
        raise ModelError(
            f"{name!r} must hold the config.json of an encoder, but got {list_files(folder)}"
            f"{hint}{suggest_subfolder(folder, 'config.json')}"
        )
    try:
        if not config.from_scratch or (folder / "config.json").exists():
            found: PretrainedConfig = AutoConfig.from_pretrained(folder, trust_remote_code=False)
            return found
        if (folder / ORIGINAL_BERT_CONFIG).exists():
            return BertConfig.from_json_file(folder / ORIGINAL_BERT_CONFIG)
    except (OSError, ValueError, KeyError, TypeError, StrictDataclassError) as error:
        raise ModelError(
            f"{name!r} must hold a config.json of an encoder that transformers knows, but: {error}"
        ) from error
    if has_only_vocab_txt(folder):
        return BertConfig(vocab_size=len(open_tokenizer(folder, name)))
    raise ModelError(
        f"{name!r} must hold an architecture (config.json, {ORIGINAL_BERT_CONFIG}) or a vocabulary ({VOCABULARY}), "
        f"but got {list_files(folder)}"
    )


def _adapter(folder: Path, name: str) -> str:
    """Return why a PEFT adapter is refused, and what to do instead."""
    try:
        base = json.loads((folder / _ADAPTER).read_text(encoding="utf-8"))["base_model_name_or_path"]
    except (OSError, ValueError, KeyError, TypeError):
        base = None
    encoder = "its encoder" if base is None else repr(base)
    if (folder.parent / "config.json").exists():  # gluetune saves an adapter in the folder of the merged model
        return f"{name!r} must hold an encoder, but it holds an adapter; {str(folder.parent)!r} holds the merged model"
    return (
        f"{name!r} must hold an encoder, but it holds a PEFT adapter ({_ADAPTER}) that changes the weights of "
        f"{encoder}; merge the two, save them (peft's merge_and_unload(), then save_pretrained(FOLDER)), and name "
        "that folder"
    )


def _overridden(settings: PretrainedConfig, config: ModelConfig) -> PretrainedConfig:
    """Return the configuration with single values replaced; for pre-trained weights only dropout rates may change."""
    known = settings.to_dict()
    known.pop("layer_types", None)  # ModernBERT derives it from other settings
    options = {*known, *settings.attribute_map} - {"model_type", "transformers_version"}
    for key, value in config.config_overrides.items():
        if key not in options:
            raise ModelError(
                f"model.config_overrides must name settings of {settings.model_type!r}, but got "
                f"{key!r}{did_you_mean(key, options)}"
            )
        if not config.from_scratch and "dropout" not in key:
            raise ModelError(
                "model.config_overrides must name dropout rates only unless model.from_scratch is set, "
                f"because pre-trained weights fit no other architecture, but got ({key}={value!r})"
            )
    try:
        made: PretrainedConfig = AutoConfig.for_model(**{**known, **config.config_overrides})
    except (AttributeError, StrictDataclassError, TypeError, ValueError) as error:
        raise ModelError(
            f"model.config_overrides must hold values that {settings.model_type!r} takes, but got "
            f"{config.config_overrides}: {str(error).splitlines()[-1].strip()}"
        ) from error
    if made.num_hidden_layers < 1:
        raise ModelError(f"`num_hidden_layers >= 1` must hold, but got (num_hidden_layers={made.num_hidden_layers})")
    return made
