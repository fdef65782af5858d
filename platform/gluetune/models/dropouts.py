"""Dropout rates by the names that families of encoders give them."""

from __future__ import annotations

from transformers import PretrainedConfig

from gluetune.config import TrainingConfig
from gluetune.errors import ModelError

# Config names of our dropout fields, for the families that do not use BERT's names.
_NAMES: dict[str, dict[str, tuple[str, ...]]] = {
    "hidden_dropout_prob": {
        "distilbert": ("dropout",),
        "modernbert": ("embedding_dropout", "mlp_dropout"),
    },
    "attention_probs_dropout_prob": {
        "distilbert": ("attention_dropout",),
        "modernbert": ("attention_dropout",),
    },
    "classifier_dropout": {
        "albert": ("classifier_dropout_prob",),
        "deberta": ("cls_dropout",),
        "deberta-v2": ("cls_dropout",),
        "distilbert": ("seq_classif_dropout",),
    },
}
_OF_THE_HEAD = "classifier_dropout"


def dropout_settings(settings: PretrainedConfig, training: TrainingConfig, *, own_head: bool) -> dict[str, float]:
    """Rates to set, by the family's own config names.

    Args:
        settings: the family's.
        training: the rates; ``None`` is left as it is.
        own_head: whether the family's settings are the head's too.

    Raises:
        ModelError: a rate is set that the family does not have.
    """
    rates: dict[str, float] = {}
    for field in _NAMES:
        rate = getattr(training, field)
        if rate is None or (field == _OF_THE_HEAD and not own_head):
            continue
        names = _names(settings, field)
        if not names:
            raise ModelError(
                f"training.{field} must be left unset for a model_type without such a dropout, but got "
                f"({field}={rate}, model_type={settings.model_type!r})"
            )
        rates.update(dict.fromkeys(names, rate))
    return rates


def head_dropout(settings: PretrainedConfig, training: TrainingConfig) -> float:
    """Rate of a head of ours: the one that is set, else what the family's own head or, unset, its layers have."""
    if training.classifier_dropout is not None:
        return training.classifier_dropout
    names = (*_names(settings, _OF_THE_HEAD), *_names(settings, "hidden_dropout_prob"))
    rates = (getattr(settings, name, None) for name in names)
    return next((float(rate) for rate in rates if rate is not None), 0.0)


def _names(settings: PretrainedConfig, field: str) -> tuple[str, ...]:
    return _NAMES[field].get(settings.model_type, (field,) if hasattr(settings, field) else ())
