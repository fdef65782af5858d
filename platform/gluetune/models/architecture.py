"""What an encoder is built like: its family and its settings."""

from __future__ import annotations

from pathlib import Path

from huggingface_hub.errors import StrictDataclassError
from transformers import (
    AutoConfig,
    AutoModelForSequenceClassification,
    BertConfig,
    PretrainedConfig,
    PreTrainedModel,
)
from transformers.models.auto.modeling_auto import (
    MODEL_FOR_MASKED_LM_MAPPING_NAMES,
    MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING,
    MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES,
)

from gluetune.config import ModelConfig
from gluetune.errors import ModelError, nearest
from gluetune.models.files import listing
from gluetune.models.heads import EncoderWithHead, EncoderWithHeadConfig
from gluetune.models.vocabulary import VOCABULARY, open_tokenizer, vocabulary_alone

_GOOGLES = "bert_config.json"
# Families that number positions from ``pad_token_id + 1``, so that some of their position embeddings are never used.
_POSITIONS_AFTER_PADDING = frozenset({"camembert", "data2vec-text", "longformer", "mpnet", "roberta",
                                      "roberta-prelayernorm", "xlm-roberta", "xlm-roberta-xl", "xmod"})

# A folder that names our class gets this one and never the copy of its code that lies in it.
AutoConfig.register(EncoderWithHeadConfig.model_type, EncoderWithHeadConfig, exist_ok=True)
AutoModelForSequenceClassification.register(EncoderWithHeadConfig, EncoderWithHead, exist_ok=True)


def architecture(folder: Path, config: ModelConfig) -> PretrainedConfig:
    """The settings of the model in a folder, with ``config_overrides``.

    They are ``config.json``'s. Only ``from_scratch`` takes a folder without it: then they are ``bert_config.json``'s,
    as Google's checkpoints name it, or BERT base's (Devlin et al. 2019) for the vocabulary that lies there.

    Raises:
        ModelError: there are none, or an override does not suit them.
    """
    settings = _settings(folder, config)
    if config.from_scratch and isinstance(settings, EncoderWithHeadConfig):
        settings = settings.encoder_config()
    return _overridden(settings, config) if config.config_overrides else settings


def model_class(settings: PretrainedConfig) -> type[PreTrainedModel]:
    """The family's sequence classification model.

    Raises:
        ModelError: the family is not an encoder, or transformers has no such model for it.
    """
    if isinstance(settings, EncoderWithHeadConfig):
        return EncoderWithHead
    family = settings.model_type
    encoder = (family in MODEL_FOR_MASKED_LM_MAPPING_NAMES and family in MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES
               and not settings.is_encoder_decoder and not getattr(settings, "is_decoder", False))
    if not encoder:
        raise ModelError("the model must be an encoder with a sequence classification model in transformers (bert, "
                         f"roberta, deberta-v2, modernbert, electra, albert, …), but got model_type {family!r}")
    found: type[PreTrainedModel] = MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING[type(settings)]
    return found


def max_tokens(settings: PretrainedConfig) -> int | None:
    """Longest row, special tokens included, that an encoder takes; ``None`` where positions are relative."""
    if isinstance(settings, EncoderWithHeadConfig):
        settings = settings.encoder_config()
    positions: int | None = getattr(settings, "max_position_embeddings", None)
    if positions is None or not getattr(settings, "position_biased_input", True):  # DeBERTa's relative positions
        return None
    return positions - (settings.pad_token_id + 1 if settings.model_type in _POSITIONS_AFTER_PADDING else 0)


def _settings(folder: Path, config: ModelConfig) -> PretrainedConfig:
    name = config.name_or_path
    try:
        if not config.from_scratch or (folder / "config.json").exists():
            return AutoConfig.from_pretrained(folder, trust_remote_code=False)
        if (folder / _GOOGLES).exists():
            return BertConfig.from_json_file(folder / _GOOGLES)
    except (OSError, ValueError, KeyError, TypeError, StrictDataclassError) as error:
        hint = "" if config.from_scratch or not (folder / VOCABULARY).exists() else "; model.from_scratch needs none"
        raise ModelError(f"{name!r} must hold a config.json of an encoder that transformers knows, but: "
                         f"{error}{hint}") from error
    if vocabulary_alone(folder):
        return BertConfig(vocab_size=len(open_tokenizer(folder, name)))
    raise ModelError(f"{name!r} must hold an architecture (config.json, {_GOOGLES}) or a vocabulary ({VOCABULARY}), "
                     f"but got {listing(folder)}")


def _overridden(settings: PretrainedConfig, config: ModelConfig) -> PretrainedConfig:
    """Settings with single values replaced; pre-trained weights go with no others than dropout rates."""
    known = settings.to_dict()
    known.pop("layer_types", None)  # ModernBERT's, made of other settings
    options = {*known, *settings.attribute_map} - {"model_type", "transformers_version"}
    for key, value in config.config_overrides.items():
        if key not in options:
            raise ModelError(f"model.config_overrides must name settings of {settings.model_type!r}, but got "
                             f"{key!r}{nearest(key, options)}")
        if not config.from_scratch and "dropout" not in key:
            raise ModelError("model.config_overrides must name dropout rates only unless model.from_scratch is set, "
                             f"because pre-trained weights fit no other architecture, but got ({key}={value!r})")
    try:
        made: PretrainedConfig = AutoConfig.for_model(**{**known, **config.config_overrides})
    except (AttributeError, StrictDataclassError, TypeError, ValueError) as error:
        raise ModelError(f"model.config_overrides must hold values that {settings.model_type!r} takes, but got "
                         f"{config.config_overrides}: {str(error).splitlines()[-1].strip()}") from error
    if made.num_hidden_layers < 1:
        raise ModelError(f"`num_hidden_layers >= 1` must hold, but got (num_hidden_layers={made.num_hidden_layers})")
    return made
