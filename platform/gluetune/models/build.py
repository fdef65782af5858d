"""Classification models: a copy of the encoder's weights under a fresh, seeded head."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import AutoConfig, PretrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

from gluetune.config import ModelConfig, TrainingConfig
from gluetune.errors import ModelError
from gluetune.models.architecture import load_architecture, model_class
from gluetune.models.encoder import Encoder, count_layers, freeze_parameters, load_tokenizer
from gluetune.models.files import silence_transformers_logging
from gluetune.models.heads import EncoderWithHeadConfig
from gluetune.models.weights import check_shapes, read_model
from gluetune.tasks import Task

# Families whose own head is the next-sentence one: a pooler that pre-training made, dropout, one linear layer.
_NSP_IS_THEIR_OWN = frozenset({"albert", "bert"})
# The pooler's names within an encoder, by the names its weights have in our head; ALBERT's is without `dense`.
_POOLER = {f"head.dense.{kind}": (f"pooler.dense.{kind}", f"pooler.{kind}") for kind in ("weight", "bias")}


def build_model(encoder: Encoder, task: Task, training: TrainingConfig, seed: int) -> PreTrainedModel:
    """Makes the classification model a trial starts from, in fp32 on the CPU and in training mode.

    Head ``default`` is the family's own model in transformers, and so is ``nsp`` for the families whose own head it
    is; any other is a `gluetune.models.heads.EncoderWithHead`. Frozen weights have ``requires_grad`` off.

    Args:
        encoder: what it starts from; its arrays are copied.
        task: gives labels and the kind of problem (one output and squared error for regression).
        training: head, pooling, freezing, and dropout rates to set; ``None`` keeps the encoder's own.
        seed: seed of the head. The same seed gives the same head whatever ran before in the process.

    Raises:
        ModelError: see `check_training_config`.
    """
    check_training_config(encoder, training)
    settings = _settings(encoder, task, training)
    model = _assemble(settings, _initial(encoder, settings), seed)
    model.train()
    freeze_parameters(model, training)
    return model


def check_training_config(encoder: Encoder, training: TrainingConfig) -> None:
    """Checks what `build_model` needs of the training fields, without building anything.

    Raises:
        ModelError: head and pooling do not go together, more layers are to be frozen than the encoder has, or a
            dropout rate is set that the encoder's family does not have.
    """
    settings = AutoConfig.for_model(**encoder.config)
    own_pooling = ("default", getattr(settings, "classifier_pooling", "cls"))  # ModernBERT says which
    if training.head == "default" and training.pooling not in own_pooling:
        raise ModelError(
            "training.pooling must be left at default with head default, which brings its own, but got "
            f"(pooling={training.pooling!r}); name a head: linear, mlp or nsp"
        )
    layers = count_layers(encoder.weights)
    if training.freeze_layers > layers:
        raise ModelError(
            f"`freeze_layers <= layers of the encoder` must hold, but got "
            f"(freeze_layers={training.freeze_layers}, layers={layers}) of {encoder.name!r}"
        )
    dropout_settings(settings, training, own_head=_own_head(settings, training))


def save_pretrained(
    encoder: Encoder,
    task: Task,
    weights: Mapping[str, torch.Tensor],
    tokenizer: PreTrainedTokenizerBase,
    folder: str | Path,
    training: TrainingConfig,
) -> None:
    """Writes a trained model as a folder for `load_trained`.

    ``AutoModelForSequenceClassification.from_pretrained`` reads it as well; with ``trust_remote_code=True`` where the
    head is not the family's own, whose code lies in the folder then.

    Args:
        encoder: what the model was made from.
        task: gives the class names of ``id2label``.
        weights: state dict of the trained model.
        tokenizer: saved beside it.
        folder: made where missing.
        training: what it was made with.
    """
    arrays = {name: tensor.numpy(force=True) for name, tensor in weights.items()}
    model = _assemble(_settings(encoder, task, training), arrays, seed=0)
    with silence_transformers_logging():
        model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def load_trained(folder: str | Path) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """Loads a folder of `save_pretrained`: the model, in fp32 on the CPU and in evaluation mode, and its tokenizer.

    Code that lies in the folder is never run.

    Raises:
        ModelError: no such folder, no sequence classification model, or weights are missing in it.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise ModelError(f"a trained model must be a folder that exists, but got {str(folder)!r}")
    config = ModelConfig(name_or_path=str(folder))
    settings = load_architecture(folder, config)
    model, info = read_model(folder, settings, str(folder))
    check_shapes(model, info, str(folder))
    if info["missing_keys"]:
        raise ModelError(
            f"{str(folder)!r} must hold all weights of its {type(model).__name__}, but "
            f"{len(info['missing_keys'])} are missing, such as {min(info['missing_keys'])!r}"
        )
    return model.eval(), load_tokenizer(config)


def _assemble(settings: PretrainedConfig, weights: Mapping[str, np.ndarray], seed: int) -> PreTrainedModel:
    """Loads copies of ``weights``; transformers draws only what is missing, with the family's own initialisation."""
    state = {name: torch.tensor(array) for name, array in weights.items()}
    with torch.random.fork_rng(devices=[]), silence_transformers_logging():
        torch.default_generator.manual_seed(seed)
        return model_class(settings).from_pretrained(None, config=settings, state_dict=state, dtype=torch.float32)


def nsp_is_default(encoder: Encoder) -> bool:
    """Whether head ``nsp`` on the ``[CLS]`` token is the encoder family's own head, and so the same as ``default``."""
    return encoder.config["model_type"] in _NSP_IS_THEIR_OWN


def _own_head(settings: PretrainedConfig, training: TrainingConfig) -> bool:
    """Whether the model is the family's own."""
    cls = training.pooling in ("default", "cls")
    return training.head == "default" or (training.head == "nsp" and cls and settings.model_type in _NSP_IS_THEIR_OWN)


def _settings(encoder: Encoder, task: Task, training: TrainingConfig) -> PretrainedConfig:
    """Settings of the whole model."""
    names = dict(enumerate(task.labels or (task.name,)))
    kind = "regression" if task.regression else "single_label_classification"
    labels: dict[str, Any] = {
        "id2label": names,
        "label2id": {name: number for number, name in names.items()},
        "problem_type": kind,
    }
    own = AutoConfig.for_model(**{**encoder.config, **labels})
    own_head = _own_head(own, training)
    for name, rate in dropout_settings(own, training, own_head=own_head).items():
        setattr(own, name, rate)
    if own_head:
        return own
    inner = {name: value for name, value in own.to_dict().items() if name not in (*labels, "dtype")}
    pooling = "cls" if training.pooling == "default" else training.pooling
    return EncoderWithHeadConfig(
        encoder=inner,
        head=training.head,
        head_hidden_size=training.head_hidden_size,
        head_dropout=head_dropout(own, training),
        pooling=pooling,
        **labels,
    )


def _initial(encoder: Encoder, settings: PretrainedConfig) -> Mapping[str, np.ndarray]:
    """The encoder's weights by their names in the model; the next-sentence head starts from the encoder's pooler."""
    if not isinstance(settings, EncoderWithHeadConfig):
        return encoder.weights
    prefix = model_class(settings.encoder_config()).base_model_prefix + "."
    inside = {name.removeprefix(prefix): array for name, array in encoder.weights.items() if name.startswith(prefix)}
    weights = {f"encoder.{name}": array for name, array in inside.items() if not name.startswith("pooler.")}
    if settings.head == "nsp":
        weights |= {ours: inside[name] for ours, names in _POOLER.items() for name in names if name in inside}
    return weights


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
