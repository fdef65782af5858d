"""Low-rank adapters (LoRA, Hu et al. 2021) of a classification model, by peft: added for training, merged for saving.

An adapted model keeps its class. peft replaces each adapted linear layer by one that adds the product of two small
matrices, so the weights of the layer get the name ``….base_layer.weight``. Trained are the adapter and the head, which
is everything outside of the encoder, and the encoder's pooler where the head uses it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import PreTrainedModel

from gluetune.config import TrainingConfig
from gluetune.errors import ModelError, StorageError, did_you_mean
from gluetune.models.encoder import LAYER, Encoder, layer_depths

ADAPTER_FOLDER = "adapter"
"""Folder of the adapter in the folder of a trained model."""

_SEED = 0x10A  # keeps the random numbers of the adapter apart from those of the head, which have the trial's seed
_NAME = "default"  # of the adapter; peft's default
# Query and value projections of attention layers, as families call them; fused ones come last.
_QUERY_AND_VALUE = (
    ("query", "value"),  # BERT, RoBERTa, XLM-R, CamemBERT, ELECTRA, ALBERT
    ("query_proj", "value_proj"),  # DeBERTa-v2
    ("q_lin", "v_lin"),  # DistilBERT
    ("q", "v"),  # MPNet
    ("q_proj", "v_proj"),
    ("Wqkv",),  # ModernBERT
    ("in_proj",),  # DeBERTa
)


def auto_target_modules(encoder: Encoder) -> str:
    """Return the value of ``lora_target_modules`` that names the layers of ``auto``, such as ``query,value``.

    Args:
        encoder: the encoder that models are built from.
    """
    return ",".join(sorted(_auto(set(map(_last, _linear_layers(_dimensions(encoder.weights)))))))


def check_adapter(encoder: Encoder, training: TrainingConfig) -> None:
    """Check that an encoder has the layers that an adapter is to be added to.

    Args:
        encoder: the encoder that models are built from.
        training: the settings of the adapter.

    Raises:
        ModelError: a target module is not a linear layer of the encoder, or all of its layers are frozen.
    """
    if training.adapter == "lora":
        _targets(_dimensions(encoder.weights), training, encoder.name)


def add_adapter(model: PreTrainedModel, training: TrainingConfig, seed: int, name: str) -> None:
    """Add a new adapter to a model, and freeze what is neither adapter nor head.

    Args:
        model: changed in place.
        training: the settings of the adapter. Frozen layers get no adapter, and their biases are not trained.
        seed: the trial's seed, from which the adapter's initial weights follow, independent of the global random state.
        name: name of the encoder, for messages.

    Raises:
        ModelError: peft is not installed, or the encoder lacks a target module.
    """
    peft, weights = _peft(), dict(model.named_parameters())
    config = _lora_config(peft, training, _targets(_dimensions(weights), training, name))
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(int(np.random.SeedSequence((seed, _SEED)).generate_state(1)[0]))
        peft.inject_adapter_in_model(config, model, adapter_name=_NAME)
    freezes, depths = training.freeze_embeddings or training.freeze_layers > 0, layer_depths(model)
    for key, parameter in model.named_parameters():
        if _in_head(model, key):
            parameter.requires_grad_(True)
        elif freezes and depths[key] <= training.freeze_layers:
            parameter.requires_grad_(False)


def save_adapter(
    model: PreTrainedModel, weights: Mapping[str, torch.Tensor], training: TrainingConfig, folder: Path, name: str
) -> PreTrainedModel:
    """Save an adapter and its head in a folder that ``peft.PeftModel.from_pretrained`` reads, and merge it.

    Args:
        model: the model that training started from, without an adapter; changed in place.
        weights: the trained weights by their names in a model of `add_adapter`.
        training: the settings of the adapter.
        folder: the folder, created if it does not exist.
        name: name or folder of the encoder, which the adapter's configuration names as its base model.

    Returns:
        A model without an adapter, whose weights contain those of the adapter.

    Raises:
        ModelError: peft is not installed.
        StorageError: weights do not belong to the model.
    """
    peft, heads = _peft(), _head_modules(model)
    targets = _targets(_dimensions(dict(model.named_parameters())), training, name)
    config = _lora_config(peft, training, targets, modules_to_save=heads, task_type="SEQ_CLS")
    with torch.random.fork_rng(devices=[]):
        adapted: Any = peft.get_peft_model(model, config, adapter_name=_NAME)
    named = {f"base_model.model.{key.replace(f'.{_NAME}.', '.')}": weight for key, weight in weights.items()}
    unexpected = peft.set_peft_model_state_dict(adapted, named, adapter_name=_NAME).unexpected_keys
    if unexpected:
        raise StorageError(
            f"the weights of an adapter must belong to {type(model).__name__}, but {len(unexpected)} do not, such as "
            f"{min(unexpected)!r}"
        )
    adapted.peft_config[_NAME].base_model_name_or_path = name
    adapted.save_pretrained(str(folder), save_embedding_layers=False)
    (folder / "README.md").unlink(missing_ok=True)  # peft's form for a model card, which nothing fills in
    merged: PreTrainedModel = adapted.merge_and_unload()
    return merged


def count_weights(model: PreTrainedModel) -> tuple[int, int]:
    """Return the number of weights that are trained, and of all weights, those of an adapter included."""
    sizes = [(parameter.numel(), parameter.requires_grad) for parameter in model.parameters()]
    return sum(size for size, trained in sizes if trained), sum(size for size, _ in sizes)


def _peft() -> Any:
    """Import peft.

    Raises:
        ModelError: it is not installed.
    """
    try:
        import peft
    except ImportError as error:
        raise ModelError(f"adapter lora needs the package peft (pip install 'gluetune[lora]'): {error}") from error
    return peft


def _lora_config(peft: Any, training: TrainingConfig, targets: list[str], **settings: Any) -> Any:
    return peft.LoraConfig(
        r=training.lora_rank,
        lora_alpha=training.lora_alpha,
        lora_dropout=training.lora_dropout,
        bias=training.lora_bias,
        target_modules=targets,
        **settings,
    )


def _targets(dimensions: Mapping[str, int], training: TrainingConfig, encoder: str) -> list[str]:
    """Return the names of the modules to adapt, in the order of the model.

    Raises:
        ModelError: a target module is not a linear layer of the encoder, or no layer is left to be adapted.
    """
    layers = _linear_layers(dimensions)
    known = {_last(name): None for name in layers}  # in the order of the model
    wanted = training.lora_target_modules
    names = set(known) if wanted == "all-linear" else _auto(set(known)) if wanted == "auto" else {*wanted.split(",")}
    for name in sorted(names - set(known)):
        raise ModelError(
            f"training.lora_target_modules must be auto, all-linear or names of linear layers of {encoder!r} "
            f"({', '.join(known) or 'none'}), but got {name!r}{did_you_mean(name, known)}"
        )
    found = [name for name, layer in layers.items() if layer >= training.freeze_layers and _last(name) in names]
    if not found:
        raise ModelError(
            f"adapter lora must have a layer of the encoder to adapt, but freeze_layers={training.freeze_layers} "
            f"leaves none in {encoder!r}"
        )
    return found


def _dimensions(weights: Mapping[str, Any]) -> dict[str, int]:
    return {name: weight.ndim for name, weight in weights.items()}


def _linear_layers(dimensions: Mapping[str, int]) -> dict[str, int]:
    """Return the linear layers within the encoder's layers: the number of the layer by the module's name."""
    return {
        name.removesuffix(".weight"): int(match[1])
        for name, count in dimensions.items()
        if count == 2 and name.endswith(".weight") and (match := LAYER.search(name))
    }


def _auto(known: set[str]) -> set[str]:
    """Return the names of the query and value projections among those of linear layers; all where there are none."""
    return next((set(names) for names in _QUERY_AND_VALUE if known.issuperset(names)), known)


def _last(name: str) -> str:
    return name.rpartition(".")[2]


def _in_head(model: PreTrainedModel, name: str) -> bool:
    """Return whether a weight is part of the head, to which BERT's and ALBERT's pooler belongs."""
    return not name.startswith(f"{model.base_model_prefix}.") or ".pooler." in name


def _head_modules(model: PreTrainedModel) -> list[str]:
    """Return the names of the modules that the head consists of."""
    names: Iterable[str] = (name for name, _ in model.named_parameters() if _in_head(model, name))
    inside = f"{model.base_model_prefix}."
    return sorted({f"{inside}pooler" if name.startswith(inside) else name.partition(".")[0] for name in names})
