"""Classification models: a copy of an encoder's weights and a new head whose weights follow from a seed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from transformers import AutoConfig, PretrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

from gluetune.config import ModelConfig, TrainingConfig
from gluetune.errors import ModelError
from gluetune.models.adapters import ADAPTER_FOLDER, add_adapter, check_adapter, save_adapter
from gluetune.models.architecture import load_architecture, model_class
from gluetune.models.encoder import Encoder, check_shapes, count_layers, freeze_parameters, load_tokenizer, read_model
from gluetune.models.files import silence_transformers_logging
from gluetune.models.heads import EncoderWithHeadConfig, Ensemble, EnsembleConfig
from gluetune.tasks import Task

PROBLEM_TYPES = {
    "single_label": "single_label_classification",
    "multi_label": "multi_label_classification",
    "regression": "regression",
}
"""transformers' ``problem_type`` by that of the task."""
# Families whose default head is the next-sentence head: the pre-trained pooler, dropout and a linear layer.
_DEFAULT_HEAD_IS_NSP = frozenset({"albert", "bert"})
# Names of the pooler's weights in an encoder, by their names in the head `nsp`; ALBERT's have no `dense`.
_POOLER = {f"head.dense.{kind}": (f"pooler.dense.{kind}", f"pooler.{kind}") for kind in ("weight", "bias")}


def build_model(encoder: Encoder, task: Task, training: TrainingConfig, seed: int) -> PreTrainedModel:
    """Build the classification model that a trial starts from, in fp32 on the CPU and in training mode.

    The head ``default`` gives the family's own sequence classification model in transformers, and so does ``nsp`` for
    families whose default head it is. Other heads give a `gluetune.models.heads.EncoderWithHead`. With adapter ``lora``
    the linear layers of the encoder that it adapts are peft's. Frozen parameters have ``requires_grad=False``.

    Args:
        encoder: provides the weights, which are copied.
        task: defines the labels and the loss (a regression has one output and the squared error, a multi-label task
            the binary cross-entropy of each class).
        training: head, pooling, adapter, frozen layers and dropout rates; the rate ``None`` keeps that of the encoder.
        seed: seed of the weights of head and adapter, independent of the global random state of the process.

    Raises:
        ModelError: head and pooling do not fit together, more layers are to be frozen than the encoder has, the encoder
            lacks a layer that is to be adapted, or the family has no dropout that a rate is set for.
    """
    check_training_config(encoder, training)
    settings = _settings(encoder, task, training)
    model = _assemble(settings, _initial(encoder, settings), seed)
    if training.adapter == "lora":
        add_adapter(model, training, seed, encoder.name)
    else:
        freeze_parameters(model, training)
    model.train()
    return model


def check_training_config(encoder: Encoder, training: TrainingConfig) -> None:
    """Check the settings that `build_model` uses, without building a model.

    Args:
        encoder: the encoder that models are built from.
        training: the settings.

    Raises:
        ModelError: head and pooling do not fit together, more layers are to be frozen than the encoder has, the encoder
            lacks a layer that is to be adapted, or the family has no dropout that a rate is set for or no gradient
            checkpointing.
    """
    settings = AutoConfig.for_model(**encoder.config)
    own_pooling = ("default", getattr(settings, "classifier_pooling", "cls"))  # ModernBERT has this setting
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
    check_adapter(encoder, training)
    if training.gradient_checkpointing and not model_class(settings).supports_gradient_checkpointing:
        raise ModelError(
            "training.gradient_checkpointing must be false for a model_type that transformers has none for, but got "
            f"(gradient_checkpointing=true, model_type={settings.model_type!r})"
        )
    dropout_settings(settings, training, own_head=_own_head(settings, training))


def enable_gradient_checkpointing(model: PreTrainedModel) -> None:
    """Make a model compute the activations of its layers again in the backward pass, with the same dropout masks.

    The method has another name in newer versions of transformers.

    Args:
        model: changed in place; its family must support it, which `check_training_config` checks.
    """
    enable: Any = getattr(model, "activation_checkpointing_enable", None) or model.gradient_checkpointing_enable
    enable({"use_reentrant": False})
    encoder: Any = model.base_model
    encoder.config.use_cache = False  # of decoders; transformers would switch it off with a warning


def move_to_device(model: nn.Module, device: torch.device | str) -> None:
    """Move a model's parameters and buffers to a device, in place.

    The parameter is typed as a torch module because transformers' decorator hides the signature of its own ``to``.

    Args:
        model: the model.
        device: the device.
    """
    model.to(device)


def save_pretrained(
    encoder: Encoder,
    task: Task,
    weights: Mapping[str, torch.Tensor],
    tokenizer: PreTrainedTokenizerBase,
    folder: str | Path,
    training: TrainingConfig,
) -> None:
    """Save a trained model in a folder that `load_trained` reads.

    ``AutoModelForSequenceClassification.from_pretrained`` reads the folder too. It needs ``trust_remote_code=True`` if
    the head is not the family's own; the folder then contains the code of the head. With adapter ``lora`` the model is
    saved with the adapter merged into its weights, and the adapter alone in the sub-folder ``adapter``, which
    ``peft.PeftModel.from_pretrained`` reads.

    Args:
        encoder: the encoder that the model was built from.
        task: defines the class names in ``id2label``.
        weights: state dict of the trained model; with an adapter, the weights that were trained.
        tokenizer: saved in the same folder.
        folder: the folder, created if it does not exist.
        training: the settings that the model was built with.
    """
    model = _trained(encoder, task, weights, training, Path(folder) / ADAPTER_FOLDER)
    with silence_transformers_logging():
        model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def save_ensemble(
    encoder: Encoder,
    task: Task,
    members: Sequence[Mapping[str, torch.Tensor]],
    tokenizer: PreTrainedTokenizerBase,
    folder: str | Path,
    training: TrainingConfig,
) -> None:
    """Save several trained models as one that averages their logits, in a folder that `load_trained` reads.

    ``AutoModelForSequenceClassification.from_pretrained`` reads the folder with ``trust_remote_code=True``. With
    adapter ``lora`` the adapters alone are in ``adapter/fold-1`` and so on.

    Args:
        encoder: the encoder that the models were built from.
        task: defines the class names in ``id2label``.
        members: state dicts of the trained models; with an adapter, the weights that were trained.
        tokenizer: saved in the same folder.
        folder: the folder, created if it does not exist.
        training: the settings that the models were built with.
    """
    adapters = Path(folder) / ADAPTER_FOLDER
    models = [
        _trained(encoder, task, weights, training, adapters / f"fold-{number}")
        for number, weights in enumerate(members, 1)
    ]
    settings = models[0].config
    labels = {name: getattr(settings, name) for name in ("id2label", "label2id", "problem_type")}
    member = {name: value for name, value in settings.to_dict().items() if name not in ("auto_map", "dtype")}
    ensemble = Ensemble(EnsembleConfig(member=member, members=len(models), **labels))
    for own, model in zip(ensemble.members, models, strict=True):
        own.load_state_dict(model.state_dict())
    with silence_transformers_logging():
        ensemble.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def _trained(
    encoder: Encoder, task: Task, weights: Mapping[str, torch.Tensor], training: TrainingConfig, adapter: Path
) -> PreTrainedModel:
    """Return the model with trained weights; save its adapter in a folder where it has one, and merge it."""
    settings = _settings(encoder, task, training)
    if training.adapter == "lora":
        started = _assemble(settings, _initial(encoder, settings), seed=0)
        return save_adapter(started, weights, training, adapter, encoder.name)
    return _assemble(settings, {name: tensor.numpy(force=True) for name, tensor in weights.items()}, seed=0)


def load_trained(folder: str | Path) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """Load a trained model and its tokenizer from a folder that `save_pretrained` wrote.

    Code in the folder is never run.

    Args:
        folder: the folder.

    Returns:
        The model, in fp32 on the CPU and in evaluation mode, and its tokenizer.

    Raises:
        ModelError: the folder does not exist, has no sequence classification model, or weights are missing.
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
    """Return a model with copies of ``weights``; transformers initializes only the weights that are missing."""
    state = {name: torch.tensor(array) for name, array in weights.items()}
    with torch.random.fork_rng(devices=[]), silence_transformers_logging():
        torch.default_generator.manual_seed(seed)
        return model_class(settings).from_pretrained(None, config=settings, state_dict=state, dtype=torch.float32)


def nsp_is_default(encoder: Encoder) -> bool:
    """Return whether the heads ``nsp`` (on the ``[CLS]`` token) and ``default`` are the same for an encoder."""
    return encoder.config["model_type"] in _DEFAULT_HEAD_IS_NSP


def _own_head(settings: PretrainedConfig, training: TrainingConfig) -> bool:
    """Return whether the head is that of the family's own sequence classification model."""
    cls = training.pooling in ("default", "cls")
    return training.head == "default" or (
        training.head == "nsp" and cls and settings.model_type in _DEFAULT_HEAD_IS_NSP
    )


def _settings(encoder: Encoder, task: Task, training: TrainingConfig) -> PretrainedConfig:
    """Return the configuration of the whole model."""
    names = dict(enumerate(task.labels or (task.name,)))
    labels: dict[str, Any] = {
        "id2label": names,
        "label2id": {name: number for number, name in names.items()},
        "problem_type": PROBLEM_TYPES[task.problem],
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
    """Return the encoder's weights by their names in the model.

    The head ``nsp`` of an `EncoderWithHead` starts from the pooler of the encoder.
    """
    if not isinstance(settings, EncoderWithHeadConfig):
        return encoder.weights
    prefix = model_class(settings.encoder_config()).base_model_prefix + "."
    inside = {name.removeprefix(prefix): array for name, array in encoder.weights.items() if name.startswith(prefix)}
    weights = {f"encoder.{name}": array for name, array in inside.items() if not name.startswith("pooler.")}
    if settings.head == "nsp":
        weights |= {in_head: inside[name] for in_head, names in _POOLER.items() for name in names if name in inside}
    return weights


# Names of the dropout rates in families that do not use BERT's names.
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
    """Return the dropout rates to set, by the names that the family's configuration has for them.

    Args:
        settings: configuration of the family.
        training: the rates; ``None`` leaves a rate unchanged.
        own_head: whether the model has the family's own head, whose rate is then included.

    Raises:
        ModelError: a rate is set for a dropout that the family does not have.
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
    """Return the dropout rate of an `EncoderWithHead`'s head.

    It is ``training.classifier_dropout``, else the rate of the family's own head, else that of its hidden layers.
    """
    if training.classifier_dropout is not None:
        return training.classifier_dropout
    names = (*_names(settings, _OF_THE_HEAD), *_names(settings, "hidden_dropout_prob"))
    rates = (getattr(settings, name, None) for name in names)
    return next((float(rate) for rate in rates if rate is not None), 0.0)


def _names(settings: PretrainedConfig, field: str) -> tuple[str, ...]:
    return _NAMES[field].get(settings.model_type, (field,) if hasattr(settings, field) else ())
