"""The hyperparameters of one fine-tuning run."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from gluetune.config.section import Section


class TrainingConfig(Section):
    """Hyperparameters of one fine-tuning run; defaults are those of Devlin et al. 2019, appendix A.3.

    Names are those of ``transformers.TrainingArguments`` where it has the same thing. ``batch_size`` is the *global*
    one: per worker x workers x accumulation.

    ``head`` is the classifier on top of the encoder, ``pooling`` reduces its last hidden states to one vector.
    ``default`` is the head of the model's family (BERT's: the pooler, a dense tanh layer on ``[CLS]`` that was
    pre-trained for next-sentence prediction, then a linear layer). ``linear`` is one linear layer; ``mlp`` a ReLU layer
    of ``head_hidden_size`` units (``None``: the encoder's hidden size; other heads do not use it), then a linear layer;
    ``nsp`` a tanh layer that is initialised from the checkpoint's next-sentence head, if it has one, then a linear
    layer. ``freeze_layers`` freezes the embeddings and that many layers. ``logging_steps`` is the number of steps
    between reports of the running loss, which are made beside the evaluations. ``torch_compile`` compiles the model
    with ``torch.compile``: a lane compiles in the first trial of each architecture (number of labels, head, dropout
    rates, frozen layers), which takes about a minute and pays off in long searches; mode ``reduce-overhead`` also
    records CUDA graphs, one for each shape of a batch. ``speedups`` changes how a step is computed, not what is
    trained: ``auto`` uses gluetune's own layers, dropout, embedding and clipping for the model families that they are
    verified for, and transformers' and torch's for all others; ``off`` always uses the latter.

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
    bf16: Literal["auto"] | bool = "auto"
    torch_compile: bool = False
    torch_compile_mode: Literal["default", "reduce-overhead"] = "default"
    speedups: Literal["auto", "off"] = "auto"
    logging_steps: int | None = Field(default=None, ge=1)
    seed: int | None = Field(default=None, ge=0)
