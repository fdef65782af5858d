"""The hyperparameters of one fine-tuning run."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator

from gluetune.config.validation import Rule, Section
from gluetune.errors import did_you_mean


class TrainingConfig(Section):
    """Hyperparameters of one fine-tuning run; defaults are those of Devlin et al. 2019, appendix A.3.

    Names are those of ``transformers.TrainingArguments`` where it has the same thing. ``batch_size`` is the *global*
    one: per worker x workers x accumulation.

    Raises:
        pydantic.ValidationError: a field does not exist or its value breaks its rule; a ``ValueError``.

    Example:
        >>> training = gluetune.TrainingConfig(learning_rate=2e-5, batch_size=16)
        >>> training.learning_rate, training.num_train_epochs
        (2e-05, 3.0)
    """

    learning_rate: float = Field(default=3e-5, gt=0, description="the highest learning rate")
    batch_size: int = Field(
        default=32, ge=1, description="rows per optimizer step, over all workers and accumulation steps"
    )
    num_train_epochs: float = Field(default=3.0, gt=0, description="passes over the training rows")
    max_steps: int | None = Field(
        default=None, ge=1, description="number of optimizer steps; goes before `num_train_epochs`"
    )
    lr_scheduler_type: Literal["linear", "cosine", "constant", "constant_with_warmup"] = Field(
        default="linear", description="how the learning rate changes after the warm-up, as in `transformers`"
    )
    warmup_ratio: float = Field(
        default=0.1, ge=0, le=1, description="share of the steps in which the learning rate rises from 0"
    )
    warmup_steps: int | None = Field(
        default=None, ge=0, description="number of these steps; goes before `warmup_ratio`"
    )
    weight_decay: float = Field(
        default=0.01, ge=0, description="weight decay of AdamW; biases and normalisation layers have none"
    )
    adam_beta1: float = Field(default=0.9, ge=0, lt=1, description="AdamW's beta1")
    adam_beta2: float = Field(default=0.999, ge=0, lt=1, description="AdamW's beta2")
    adam_epsilon: float = Field(default=1e-8, gt=0, description="AdamW's epsilon")
    max_grad_norm: float = Field(default=1.0, ge=0, description="norm to which gradients are clipped; 0: no clipping")
    layerwise_lr_decay: float = Field(
        default=1.0,
        gt=0,
        le=1,
        description="factor of the learning rate from each layer of the encoder to the layer below; 1: the "
        "same rate in all layers",
    )
    gradient_accumulation_steps: int = Field(
        default=1, ge=1, description="number of parts in which each worker computes its share of a batch"
    )
    evals_per_epoch: int = Field(default=1, ge=1, description="number of evaluations per epoch")
    eval_batch_size: int = Field(default=128, ge=1, description="rows per batch of an evaluation")
    hidden_dropout_prob: float | None = Field(
        default=None, ge=0, lt=1, description="dropout rate of hidden states; null: that of the encoder"
    )
    attention_probs_dropout_prob: float | None = Field(
        default=None, ge=0, lt=1, description="dropout rate of attention; null: that of the encoder"
    )
    classifier_dropout: float | None = Field(
        default=None, ge=0, lt=1, description="dropout rate before the head; null: that of the encoder"
    )
    head: Literal["default", "linear", "mlp", "nsp"] = Field(
        default="default",
        description="classifier on top of the encoder. `default`: that of the encoder's family; `linear`: "
        "one linear layer; `mlp`: a ReLU layer, then a linear one; `nsp`: a tanh layer that "
        "starts from the next-sentence head of the checkpoint, if it has one, then a linear layer",
    )
    head_hidden_size: int | None = Field(
        default=None,
        ge=1,
        description="units of the hidden layer of the head `mlp`; null: the hidden size of the encoder",
    )
    pooling: Literal["default", "cls", "mean", "max"] = Field(
        default="default",
        description="how the last hidden states become one vector: that of the `[CLS]` token, their mean or "
        "their maximum; `default` is that of the head",
    )
    freeze_embeddings: bool = Field(default=False, description="do not train the embeddings")
    freeze_layers: int = Field(
        default=0,
        ge=0,
        description="do not train the embeddings and this number of layers, counted from the embeddings",
    )
    adapter: Literal["none", "lora"] = Field(
        default="none",
        description="`lora` freezes the encoder and trains low-rank matrices beside its linear layers, and the head",
    )
    lora_rank: int = Field(default=8, ge=1, description="`r` of `peft.LoraConfig`: the rank of the matrices")
    lora_alpha: int = Field(
        default=8,
        ge=1,
        description="`lora_alpha` of `peft.LoraConfig`: their output counts times `lora_alpha / lora_rank`",
    )
    lora_dropout: float = Field(default=0.0, ge=0, lt=1, description="`lora_dropout` of `peft.LoraConfig`")
    lora_target_modules: Annotated[str, Rule("auto, all-linear, or names of linear layers separated by commas")] = (
        Field(
            default="auto",
            min_length=1,
            description="adapted layers, by the last part of their names, as a list or separated by commas. "
            "`auto`: query and value projections of all attention layers; `all-linear`: every linear "
            "layer of the encoder",
        )
    )
    lora_bias: Literal["none", "all", "lora_only"] = Field(
        default="none", description="`bias` of `peft.LoraConfig`: which biases are trained"
    )
    gradient_checkpointing: bool = Field(
        default=False,
        description="compute activations again in the backward pass, to save memory. It must not be searched",
    )
    bf16: Literal["auto"] | bool = Field(
        default="auto",
        description="compute in bfloat16, weights stay in 32 bits; `auto`: where the GPU has bfloat16 in hardware",
    )
    torch_compile: bool = Field(
        default=False,
        description="compile the model with `torch.compile`; a lane compiles in the first trial of each architecture",
    )
    torch_compile_mode: Literal["default", "reduce-overhead"] = Field(
        default="default",
        description="mode of `torch.compile`; `reduce-overhead` also records CUDA graphs, one for each shape "
        "of a batch",
    )
    speedups: Literal["auto", "off"] = Field(
        default="auto",
        description="`auto`: gluetune's own layers, dropout, embedding and clipping for the model families "
        "that they are verified for; `off`: those of `transformers` and PyTorch. Both train the "
        "same",
    )
    logging_steps: int | None = Field(
        default=None, ge=1, description="steps between reports of the running loss; null: none between evaluations"
    )
    loss: Literal["auto", "cross_entropy", "focal", "bce", "mse"] = Field(
        default="auto",
        description="one label per row: `cross_entropy` or `focal`; several labels: `bce` or `focal`; "
        "numbers: `mse`. `auto` is the first of them",
    )
    focal_gamma: float = Field(
        default=2.0,
        ge=0,
        description="of the focal loss (Lin et al. 2017): the factor `(1 - p) ** focal_gamma` of the loss of a row",
    )
    class_weights: Annotated[str, Rule("none, balanced, or a mapping from labels to numbers > 0")] = Field(
        default="none",
        description="weights of the classes in the loss: none, inverse to the rows of each class, or a "
        'mapping from labels to weights. In a search space, a mapping is JSON text: `\'{"urgent": '
        "5}'`",
    )
    label_smoothing: float = Field(
        default=0.0,
        ge=0,
        lt=1,
        description="label smoothing of the loss; for several labels per row, targets move towards 0.5",
    )
    sampler: Literal["shuffle", "balanced"] = Field(
        default="shuffle",
        description="`shuffle` draws each row once per epoch; `balanced` draws all classes equally often, "
        "with replacement",
    )
    patience: int | None = Field(
        default=None,
        ge=1,
        description="number of evaluations in a row without an improvement after which the trial ends as "
        "finished; null: it trains to its end",
    )
    min_delta: float = Field(
        default=0.0,
        ge=0,
        description="a score is an improvement if it exceeds that of the last improvement by more than this",
    )
    weight_average: int | None = Field(
        default=None, ge=1, description="evaluate and save the mean of the weights at this number of last evaluations"
    )
    ema_decay: float | None = Field(
        default=None,
        gt=0,
        lt=1,
        description="evaluate and save the exponential moving average of the weights over steps, with this "
        "decay; goes before `weight_average`",
    )
    seed: int | None = Field(default=None, ge=0, description="seed of training; null: it derives from the job's seed")

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
