"""Classification models: a copy of the encoder's weights under a fresh, seeded head."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import AutoConfig, PretrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

from gluetune.config import TrainingConfig
from gluetune.errors import ModelError
from gluetune.models.encoder import Encoder, model_class, quiet
from gluetune.tasks import Task

# Config names of our dropout fields, for the families that do not use BERT's names.
_DROPOUTS: dict[str, dict[str, tuple[str, ...]]] = {
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


def build_model(encoder: Encoder, task: Task, training: TrainingConfig, seed: int) -> PreTrainedModel:
    """Makes the classification model a trial starts from, in fp32 on the CPU and in training mode.

    Args:
        encoder: what it starts from; its arrays are copied.
        task: gives labels and the kind of problem (one output and squared error for regression).
        training: dropout rates to set; ``None`` keeps the encoder's own.
        seed: seed of the head. The same seed gives the same head whatever ran before in the process.

    Raises:
        ModelError: a dropout rate is set that the encoder's family does not have.
    """
    settings = _settings(encoder, task)
    for name, rate in _dropouts(settings, training).items():
        setattr(settings, name, rate)
    return _assemble(settings, encoder.weights, seed).train()


def save_pretrained(encoder: Encoder, task: Task, weights: Mapping[str, torch.Tensor],
                    tokenizer: PreTrainedTokenizerBase, folder: str | Path) -> None:
    """Writes a trained model as a folder for ``AutoModelForSequenceClassification.from_pretrained``.

    Args:
        encoder: what the model was made from.
        task: gives the class names of ``id2label``.
        weights: state dict of the trained model.
        tokenizer: saved beside it.
        folder: made where missing.
    """
    arrays = {name: tensor.numpy(force=True) for name, tensor in weights.items()}
    model = _assemble(_settings(encoder, task), arrays, seed=0)
    with quiet():
        model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def _assemble(settings: PretrainedConfig, weights: Mapping[str, np.ndarray], seed: int) -> PreTrainedModel:
    """Loads copies of ``weights``; transformers draws only what is missing, with the family's own initialisation."""
    state = {name: torch.tensor(array) for name, array in weights.items()}
    with torch.random.fork_rng(devices=[]), quiet():
        torch.default_generator.manual_seed(seed)
        return model_class(settings).from_pretrained(None, config=settings, state_dict=state, dtype=torch.float32)


def _settings(encoder: Encoder, task: Task) -> PretrainedConfig:
    names = dict(enumerate(task.labels or (task.name,)))
    kind = "regression" if task.regression else "single_label_classification"
    settings: dict[str, Any] = {**encoder.config, "id2label": names, "problem_type": kind,
                                "label2id": {name: number for number, name in names.items()}}
    return AutoConfig.for_model(**settings)


def _dropouts(settings: PretrainedConfig, training: TrainingConfig) -> dict[str, float]:
    """Rates to set, by the family's own config names."""
    rates: dict[str, float] = {}
    for field, families in _DROPOUTS.items():
        rate = getattr(training, field)
        if rate is None:
            continue
        names = families.get(settings.model_type, (field,) if hasattr(settings, field) else ())
        if not names:
            raise ModelError(f"training.{field} must be left unset for a model_type without such a dropout, but got "
                             f"({field}={rate}, model_type={settings.model_type!r})")
        rates.update(dict.fromkeys(names, rate))
    return rates
