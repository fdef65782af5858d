"""Configurations in few characters, for terminals and names of runs."""

from __future__ import annotations

from collections.abc import Mapping

FIELD_LABELS = {
    "learning_rate": "lr",
    "batch_size": "batch",
    "num_train_epochs": "epochs",
    "weight_decay": "decay",
    "warmup_ratio": "warmup",
    "layerwise_lr_decay": "layer decay",
    "classifier_dropout": "head dropout",
    "hidden_dropout_prob": "dropout",
    "attention_probs_dropout_prob": "attention dropout",
    "lr_scheduler_type": "schedule",
    "head_hidden_size": "head units",
    "freeze_layers": "frozen layers",
}


def format_params(params: Mapping[str, object], separator: str = " · ", names: Mapping[str, str] = FIELD_LABELS) -> str:
    """Searched fields, such as ``lr 3e-5 · batch 16 · epochs 3``."""
    return separator.join(f"{names.get(name, name)} {_value(value)}" for name, value in params.items())


def _value(value: object) -> str:
    """A number with three digits; small ones as papers write them (``3e-5``)."""
    if not isinstance(value, float):
        return str(value)
    if value == 0 or abs(value) >= 0.001:
        return f"{value:.3g}"
    digits, _, exponent = f"{value:.2e}".partition("e")
    return f"{digits.rstrip('0').rstrip('.')}e{int(exponent)}"
