"""The hyperparameters of one fine-tuning run."""

from __future__ import annotations

import json
from typing import Any, Literal

from pydantic import Field, field_validator

from gluetune.config.validation import Section
from gluetune.errors import did_you_mean


class TrainingConfig(Section):
    """Hyperparameters of one fine-tuning run; defaults are those of Devlin et al. 2019, appendix A.3.

    Names are those of ``transformers.TrainingArguments`` where it has the same thing. ``batch_size`` is the *global*
    one: per worker x workers x accumulation.

    ``head`` is the classifier on top of the encoder, ``pooling`` reduces its last hidden states to one vector.
    ``default`` is the head of the model's family (BERT's: the pooler, a dense tanh layer on ``[CLS]`` that was
    pre-trained for next-sentence prediction, then a linear layer). ``linear`` is one linear layer; ``mlp`` a ReLU layer
    of ``head_hidden_size`` units (``None``: the encoder's hidden size; other heads do not use it), then a linear layer;
    ``nsp`` a tanh layer that is initialised from the checkpoint's next-sentence head, if it has one, then a linear
    layer. ``freeze_layers`` freezes the embeddings and that many layers.

    ``adapter`` ``lora`` freezes the encoder and trains low-rank matrices beside its linear layers (Hu et al. 2021,
    arXiv:2106.09685), with the package peft, and the whole head. ``lora_rank``, ``lora_alpha`` and ``lora_dropout``
    have the meaning and the defaults of ``peft.LoraConfig``, and ``lora_bias`` that of its ``bias``.
    ``lora_target_modules`` names the adapted layers by the last part of their names, separated by commas or as a list:
    ``query,value``; ``auto`` adapts the query and value projections of all attention layers, ``all-linear`` every
    linear layer. Layers frozen by ``freeze_layers`` have no adapter.

    ``gradient_checkpointing`` computes a layer's activations a second time in the backward pass, which saves memory.
    ``logging_steps`` is the number of steps
    between reports of the running loss, which are made beside the evaluations. ``torch_compile`` compiles the model
    with ``torch.compile``: a lane compiles in the first trial of each architecture (number of labels, head, dropout
    rates, frozen layers), which takes about a minute and pays off in long searches; mode ``reduce-overhead`` also
    records CUDA graphs, one for each shape of a batch. ``speedups`` changes how a step is computed, not what is
    trained: ``auto`` uses gluetune's own layers, dropout, embedding and clipping for the model families that they are
    verified for, and transformers' and torch's for all others; ``off`` always uses the latter.

    ``loss: auto`` is cross-entropy for tasks with one label per row, ``bce`` (binary cross-entropy of each class) for
    multi-label ones and ``mse`` for regressions; ``focal`` gives rows that are classified well less weight, by
    ``focal_gamma``, and fits both kinds of classes. ``class_weights`` is ``none``, ``balanced`` (inverse to the rows of
    each class) or a mapping from labels to weights. ``sampler: balanced`` draws the rows of an epoch so that each class
    occurs equally often. Training ends after ``patience`` evaluations in a row whose score is not more than
    ``min_delta`` above the last improvement. ``weight_average`` evaluates and saves the mean of the weights at that
    many last evaluations; ``ema_decay`` their exponential moving average over steps, and goes before it.

    Raises:
        pydantic.ValidationError: a field does not exist or its value breaks its rule; a ``ValueError``.

    Example:
        >>> training = gluetune.TrainingConfig(learning_rate=2e-5, batch_size=16)
        >>> training.learning_rate, training.num_train_epochs
        (2e-05, 3.0)
    """

    learning_rate: float = Field(default=3e-5, gt=0)
    batch_size: int = Field(default=32, ge=1)
    num_train_epochs: float = Field(default=3.0, gt=0)
    max_steps: int | None = Field(default=None, ge=1)
    lr_scheduler_type: Literal["linear", "cosine", "constant", "constant_with_warmup"] = "linear"
    warmup_ratio: float = Field(default=0.1, ge=0, le=1)
    warmup_steps: int | None = Field(default=None, ge=0)
    weight_decay: float = Field(default=0.01, ge=0)
    adam_beta1: float = Field(default=0.9, ge=0, lt=1)
    adam_beta2: float = Field(default=0.999, ge=0, lt=1)
    adam_epsilon: float = Field(default=1e-8, gt=0)
    max_grad_norm: float = Field(default=1.0, ge=0)
    layerwise_lr_decay: float = Field(default=1.0, gt=0, le=1)
    gradient_accumulation_steps: int = Field(default=1, ge=1)
    evals_per_epoch: int = Field(default=1, ge=1)
    eval_batch_size: int = Field(default=128, ge=1)
    hidden_dropout_prob: float | None = Field(default=None, ge=0, lt=1)
    attention_probs_dropout_prob: float | None = Field(default=None, ge=0, lt=1)
    classifier_dropout: float | None = Field(default=None, ge=0, lt=1)
    head: Literal["default", "linear", "mlp", "nsp"] = "default"
    head_hidden_size: int | None = Field(default=None, ge=1)
    pooling: Literal["default", "cls", "mean", "max"] = "default"
    freeze_embeddings: bool = False
    freeze_layers: int = Field(default=0, ge=0)
    adapter: Literal["none", "lora"] = "none"
    lora_rank: int = Field(default=8, ge=1)
    lora_alpha: int = Field(default=8, ge=1)
    lora_dropout: float = Field(default=0.0, ge=0, lt=1)
    lora_target_modules: str = Field(
        default="auto", min_length=1, description="auto, all-linear, or names of linear layers separated by commas"
    )
    lora_bias: Literal["none", "all", "lora_only"] = "none"
    gradient_checkpointing: bool = False
    bf16: Literal["auto"] | bool = "auto"
    torch_compile: bool = False
    torch_compile_mode: Literal["default", "reduce-overhead"] = "default"
    speedups: Literal["auto", "off"] = "auto"
    logging_steps: int | None = Field(default=None, ge=1)
    loss: Literal["auto", "cross_entropy", "focal", "bce", "mse"] = "auto"
    focal_gamma: float = Field(default=2.0, ge=0)
    class_weights: str = Field(default="none", description="none, balanced, or a mapping from labels to numbers > 0")
    label_smoothing: float = Field(default=0.0, ge=0, lt=1)
    sampler: Literal["shuffle", "balanced"] = "shuffle"
    patience: int | None = Field(default=None, ge=1)
    min_delta: float = Field(default=0.0, ge=0)
    weight_average: int | None = Field(default=None, ge=1)
    ema_decay: float | None = Field(default=None, gt=0, lt=1)
    seed: int | None = Field(default=None, ge=0)

    @field_validator("lora_target_modules", mode="before")
    @classmethod
    def _joined(cls, value: Any) -> Any:
        """Turn a list of names, or names with spaces between them, into text that is the same for the same layers."""
        if isinstance(value, list | tuple) and all(isinstance(name, str) for name in value):
            value = ",".join(value)
        return sorted_names(value) if isinstance(value, str) else value

    @field_validator("class_weights", mode="before")
    @classmethod
    def _as_text(cls, value: Any) -> Any:
        """Turn a mapping into JSON, so that all values of a trial are plain and equal mappings are equal."""
        if not isinstance(value, dict) and not (isinstance(value, str) and value.startswith("{")):
            if isinstance(value, str) and value not in _CLASS_WEIGHTS:
                raise ValueError(f"must be {_WEIGHTS_RULE}, but got {value!r}{did_you_mean(value, _CLASS_WEIGHTS)}")
            return value
        return _weights_as_text(value)

    @property
    def label_weights(self) -> dict[str, float] | None:
        """Weights by label, where ``class_weights`` is a mapping."""
        return json.loads(self.class_weights) if self.class_weights.startswith("{") else None


_CLASS_WEIGHTS = ("none", "balanced")
_WEIGHTS_RULE = "none, balanced, or a mapping from labels to numbers > 0"


def _weights_as_text(value: dict[Any, Any] | str) -> str:
    try:
        weights = json.loads(value) if isinstance(value, str) else value
    except ValueError as error:
        raise ValueError(f"must be {_WEIGHTS_RULE}, but got {value!r}, which is no JSON: {error}") from error
    for label, weight in weights.items():
        number = isinstance(weight, int | float) and not isinstance(weight, bool)
        if not number or not 0 < weight < float("inf"):
            raise ValueError(f"must be {_WEIGHTS_RULE}, but got {weight!r} for {str(label)!r}")
    if not weights:
        raise ValueError(f"must be {_WEIGHTS_RULE}, but got an empty mapping")
    return json.dumps({str(label): float(weight) for label, weight in sorted(weights.items(), key=str)})


def sorted_names(text: str) -> str:
    """Return names that commas separate in alphabetical order, each once, without spaces."""
    return ",".join(sorted({name.strip() for name in text.split(",")} - {""}))
