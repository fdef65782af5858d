"""Classification model with a configurable head and pooling on any encoder, and ensembles of classification models.

transformers copies this file into the folder of a saved model, so that
``AutoModelForSequenceClassification.from_pretrained(folder, trust_remote_code=True)`` loads it where gluetune is not
installed. The file therefore imports only torch and transformers.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForSequenceClassification,
    PretrainedConfig,
    PreTrainedModel,
)
from transformers.modeling_outputs import SequenceClassifierOutput


class EncoderWithHeadConfig(PretrainedConfig):
    """Configuration of `EncoderWithHead`.

    Args:
        encoder: configuration of the encoder, as in its ``config.json``.
        head: a key of `HEADS`.
        head_hidden_size: number of units in the first layer of the head ``mlp``; ``None`` for the encoder's hidden
            size.
        head_dropout: dropout rate of the head.
        pooling: a key of `POOLINGS`.
        kwargs: other settings of a ``PretrainedConfig``, such as ``id2label``.
    """

    model_type = "gluetune"
    has_no_defaults_at_init = True

    def __init__(
        self,
        encoder: dict[str, Any],
        head: str = "linear",
        head_hidden_size: int | None = None,
        head_dropout: float = 0.0,
        pooling: str = "cls",
        **kwargs: Any,
    ) -> None:
        self.encoder = encoder
        self.head, self.head_hidden_size, self.head_dropout = head, head_hidden_size, head_dropout
        self.pooling = pooling
        self.initializer_range = float(encoder.get("initializer_range", 0.02))
        super().__init__(**{**kwargs, "initializer_range": self.initializer_range})

    def encoder_config(self) -> PretrainedConfig:
        """Return the encoder's configuration as an instance of its family's class."""
        return AutoConfig.for_model(**self.encoder)


class EncoderWithHead(PreTrainedModel):
    """An encoder, a pooling of its last hidden states and a head. The logits depend on all of its weights."""

    config: EncoderWithHeadConfig
    config_class = EncoderWithHeadConfig
    base_model_prefix = "encoder"
    supports_gradient_checkpointing = True
    _supports_sdpa = True
    _supports_flash_attn = True

    def __init__(self, config: EncoderWithHeadConfig) -> None:
        super().__init__(config)
        self.encoder = AutoModel.from_config(config.encoder_config())
        if hasattr(self.encoder, "pooler"):
            self.encoder.pooler = nn.Identity()  # unused here; DDP requires that every weight gets a gradient
        self.pool = POOLINGS[config.pooling]
        self.head = HEADS[config.head](self.encoder.config.hidden_size, config)
        self.post_init()

    def forward(
        self,
        input_ids: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        token_type_ids: torch.Tensor | None = None,
        labels: torch.Tensor | None = None,
        **inputs: Any,
    ) -> SequenceClassifierOutput:
        """Compute the logits of a batch.

        Args:
            input_ids: [rows, tokens] int, token ids.
            attention_mask: [rows, tokens] 1 for tokens, 0 for padding; ``None`` if no row is padded.
            token_type_ids: [rows, tokens] int, only for encoders that take them.
            labels: [rows] class ids or values, or [rows, labels] 0 and 1 where the configuration's ``problem_type`` is
                ``multi_label_classification``; if given, the output contains the ``loss``.
            inputs: further inputs of the encoder.

        Returns:
            ``logits``: [rows, labels], and ``loss``: scalar or ``None``.
        """
        if token_type_ids is not None:
            inputs["token_type_ids"] = token_type_ids
        hidden = self.encoder(input_ids=input_ids, attention_mask=attention_mask, **inputs)[0]
        mask = torch.ones(hidden.shape[:2], device=hidden.device) if attention_mask is None else attention_mask
        logits = self.head(self.pool(hidden, mask.unsqueeze(-1).bool()))
        loss = None if labels is None else self._loss(logits, labels)
        return SequenceClassifierOutput(loss=loss, logits=logits)

    def _loss(self, logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        return classification_loss(self.config.problem_type, logits, labels)


class EnsembleConfig(PretrainedConfig):
    """Configuration of an `Ensemble`.

    Args:
        member: configuration of each of its models, as in that model's ``config.json``.
        members: number of models.
        kwargs: other settings of a ``PretrainedConfig``, such as ``id2label``.
    """

    model_type = "gluetune_ensemble"
    has_no_defaults_at_init = True

    def __init__(self, member: dict[str, Any], members: int, **kwargs: Any) -> None:
        self.member, self.members = member, members
        super().__init__(**kwargs)

    def member_config(self) -> PretrainedConfig:
        """Return the configuration of one model as an instance of its family's class."""
        own = self.member.get("model_type") == EncoderWithHeadConfig.model_type
        return EncoderWithHeadConfig(**self.member) if own else AutoConfig.for_model(**self.member)


class Ensemble(PreTrainedModel):
    """Several classification models of one architecture, whose logits are averaged."""

    config: EnsembleConfig
    config_class = EnsembleConfig
    _supports_sdpa = True
    _supports_flash_attn = True

    def __init__(self, config: EnsembleConfig) -> None:
        super().__init__(config)
        self.members = nn.ModuleList(_classifier(config.member_config()) for _ in range(config.members))
        self.post_init()

    def get_input_embeddings(self) -> nn.Module:
        """Return the token embeddings of the first model."""
        first: Any = self.members[0]
        embeddings: nn.Module = first.get_input_embeddings()
        return embeddings

    def forward(self, labels: torch.Tensor | None = None, **inputs: Any) -> SequenceClassifierOutput:
        """Compute the mean logits of a batch.

        Args:
            labels: [rows] class ids or values, or [rows, labels] 0 and 1 where the configuration's ``problem_type`` is
                ``multi_label_classification``; if given, the output contains the ``loss``.
            inputs: inputs of each model, such as ``input_ids``.

        Returns:
            ``logits``: [rows, labels], and ``loss``: scalar or ``None``.
        """
        logits = torch.stack([member(**inputs).logits for member in self.members]).mean(dim=0)
        loss = None if labels is None else classification_loss(self.config.problem_type, logits, labels)
        return SequenceClassifierOutput(loss=loss, logits=logits)


def _classifier(config: PretrainedConfig) -> nn.Module:
    if isinstance(config, EncoderWithHeadConfig):
        return EncoderWithHead(config)
    model: nn.Module = AutoModelForSequenceClassification.from_config(config)
    return model


def classification_loss(problem_type: str | None, logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Return the mean loss of a batch.

    Args:
        problem_type: transformers' ``problem_type`` of the model.
        logits: [rows, labels].
        labels: [rows] class ids or values, or [rows, labels] 0 and 1 for ``multi_label_classification``.
    """
    if problem_type == "regression":
        return nn.functional.mse_loss(logits.squeeze(-1), labels.to(logits.dtype))
    if problem_type == "multi_label_classification":
        return nn.functional.binary_cross_entropy_with_logits(logits, labels.to(logits.dtype))
    return nn.functional.cross_entropy(logits, labels.long())


def cls_pooling(hidden: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Return the hidden state of the first token, ``[CLS]``.

    Args:
        hidden: [rows, tokens, width] last hidden states.
        mask: [rows, tokens, 1] bool, ``False`` for padding.

    Returns:
        [rows, width] pooled hidden states.
    """
    return hidden[:, 0]


def mean_pooling(hidden: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Return the mean over the tokens of each row, without padding.

    Args:
        hidden: [rows, tokens, width] last hidden states.
        mask: [rows, tokens, 1] bool, ``False`` for padding.

    Returns:
        [rows, width] pooled hidden states.
    """
    return (hidden * mask).sum(1) / mask.sum(1).clamp(min=1)


def max_pooling(hidden: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Return the maximum of every feature over the tokens of each row, without padding.

    Args:
        hidden: [rows, tokens, width] last hidden states.
        mask: [rows, tokens, 1] bool, ``False`` for padding.

    Returns:
        [rows, width] pooled hidden states.
    """
    return hidden.masked_fill(~mask, torch.finfo(hidden.dtype).min).amax(1)


def linear_head(width: int, config: EncoderWithHeadConfig) -> nn.Sequential:
    """Return a head of dropout and one linear layer.

    Args:
        width: hidden size of the encoder.
        config: number of labels and dropout rate.
    """
    return _sequential(dropout=nn.Dropout(config.head_dropout), output=_output_layer(width, config))


def mlp_head(width: int, config: EncoderWithHeadConfig) -> nn.Sequential:
    """Return a head of dropout, a ReLU layer and a linear layer.

    With 256 units it is the head for SNLI in Zhang et al., Dive into Deep Learning (d2l.ai), section "Natural Language
    Inference: Fine-Tuning BERT".

    Args:
        width: hidden size of the encoder.
        config: number of labels, units of the ReLU layer and dropout rate.
    """
    units = config.head_hidden_size or width
    return _sequential(
        dropout=nn.Dropout(config.head_dropout),
        dense=nn.Linear(width, units),
        activation=nn.ReLU(),
        output=_output_layer(units, config),
    )


def nsp_head(width: int, config: EncoderWithHeadConfig) -> nn.Sequential:
    """Return BERT's next-sentence head: a tanh layer, dropout and a linear layer (Devlin et al. 2019).

    Args:
        width: hidden size of the encoder.
        config: number of labels and dropout rate.
    """
    return _sequential(
        dense=nn.Linear(width, width),
        activation=nn.Tanh(),
        dropout=nn.Dropout(config.head_dropout),
        output=_output_layer(width, config),
    )


def _output_layer(width: int, config: EncoderWithHeadConfig) -> nn.Linear:
    return nn.Linear(width, int(config.num_labels or 0))


def _sequential(**layers: nn.Module) -> nn.Sequential:
    return nn.Sequential(OrderedDict(layers))


HEADS: dict[str, Callable[[int, EncoderWithHeadConfig], nn.Sequential]] = {
    "linear": linear_head,
    "mlp": mlp_head,
    "nsp": nsp_head,
}
POOLINGS: dict[str, Callable[[torch.Tensor, torch.Tensor], torch.Tensor]] = {
    "cls": cls_pooling,
    "mean": mean_pooling,
    "max": max_pooling,
}
EncoderWithHeadConfig.register_for_auto_class()
EncoderWithHead.register_for_auto_class("AutoModelForSequenceClassification")
EnsembleConfig.register_for_auto_class()
Ensemble.register_for_auto_class("AutoModelForSequenceClassification")
