"""The BERT model that is pre-trained: its initial weights, its two heads, and the folder it is saved in."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import BertConfig, BertForPreTraining, BertModel, PreTrainedTokenizerBase

from gluetune.models.files import silence_transformers_logging
from gluetune.pretraining.config import PretrainJob
from gluetune.pretraining.tokenizer import TokenIds
from gluetune.training.distributed_context import DistributedContext, mixed_precision

_RANDOM_FRACTION = 0.25
_POSITION_FRACTION = 0.4
_ATTENTION_FRACTION = 0.5


def build_encoder(job: PretrainJob, tokens: TokenIds) -> BertForPreTraining:
    """Build BERT with both pre-training heads and its initial weights.

    Args:
        job: sizes, kind of initialisation and seed.
        tokens: size of the vocabulary and id of the padding token.

    Returns:
        An fp32 model on the CPU, in training mode. The random state of the caller is not changed.
    """
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(job.seed)
        model = BertForPreTraining(_bert_config(job, tokens))
    if job.training.initialisation == "mimetic":
        mimetic_init_(model)
    model.train()
    return model


def mimetic_init_(model: BertForPreTraining) -> None:
    """Change random initial weights so that a token attends to equal tokens and passes them on.

    This is mimetic initialisation (Trockman and Kolter 2023, "Mimetic Initialization of Self-Attention Layers"): in
    trained encoders the product of query and key weights is near the identity, and so is that of value and output
    weights. Position embeddings start smaller than word embeddings, so that a token has a similar hidden state at all
    positions. From fully random weights a small encoder spends most of a short pre-training on learning that a masked
    token occurs in the other sentence.

    Args:
        model: randomly initialised model; changed in place.
    """
    with torch.no_grad():
        model.bert.embeddings.position_embeddings.weight.mul_(_POSITION_FRACTION)
        layers: Any = model.bert.encoder.layer  # torch types the children of a module as Tensor | Module
        for layer in layers:
            attention = layer.attention
            attention.self.query.weight.mul_(_ATTENTION_FRACTION)
            attention.self.key.weight.copy_(attention.self.query.weight)
            _towards_identity_(attention.self.value)
            _towards_identity_(attention.output.dense)
        _towards_identity_(model.cls.predictions.transform.dense)


def _towards_identity_(linear: nn.Linear) -> None:
    linear.weight.mul_(_RANDOM_FRACTION).add_(torch.eye(linear.weight.shape[0]))


class PretrainingHeads(nn.Module):
    """Scores of both pre-training heads as one ``forward``, as ``DistributedDataParallel`` needs it.

    Args:
        model: encoder and heads.
    """

    def __init__(self, model: BertForPreTraining) -> None:
        super().__init__()
        self.model = model

    def forward(
        self,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor,
        token_type_ids: torch.Tensor,
        positions: torch.Tensor,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Compute the scores of the masked tokens and of the pairs.

        Args:
            input_ids: ``[pairs, length]``.
            attention_mask: ``[pairs, length]``.
            token_type_ids: ``[pairs, length]``.
            positions: ``[masked]`` positions of the masked tokens in the flattened batch.

        Returns:
            Masked-LM scores ``[masked, vocab_size]`` and next-sentence scores ``[pairs, 2]``.
        """
        outputs = self.model.bert(input_ids=input_ids, attention_mask=attention_mask, token_type_ids=token_type_ids)
        masked = outputs.last_hidden_state.flatten(0, 1)[positions]
        token_scores, pair_scores = self.model.cls(masked, outputs.pooler_output)
        return token_scores, pair_scores


def head_scores(
    heads: nn.Module,
    tensors: dict[str, torch.Tensor],
    distributed: DistributedContext,
    *,
    bf16: bool,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Compute the scores of both heads for a batch.

    Args:
        heads: `PretrainingHeads`, wrapped in ``DistributedDataParallel`` or not.
        tensors: tensors of a `gluetune.pretraining.batches.Batch` on the worker's device.
        distributed: this worker.
        bf16: whether to compute in bfloat16.

    Returns:
        fp32 masked-LM scores ``[masked, vocab_size]`` and next-sentence scores ``[pairs, 2]``.
    """
    with mixed_precision(distributed, bf16):
        token_scores, pair_scores = heads(
            *(tensors[name] for name in ("input_ids", "attention_mask", "token_type_ids", "positions"))
        )
    return token_scores.float(), pair_scores.float()


def count_weights(job: PretrainJob, tokens: TokenIds) -> int:
    """Count the weights of the encoder without its heads; allocate none of them."""
    with torch.device("meta"):
        return sum(weight.numel() for weight in BertModel(_bert_config(job, tokens)).parameters())


def named_weights(model: BertForPreTraining) -> dict[str, torch.Tensor]:
    """Weights by parameter name; a weight that two layers share is listed once."""
    return {name: weight.detach() for name, weight in model.named_parameters()}


def save_encoder(
    folder: str | Path, weights: Mapping[str, torch.Tensor], job: PretrainJob, tokenizer: PreTrainedTokenizerBase
) -> None:
    """Write a ``from_pretrained`` folder: config.json, model.safetensors (encoder, pooler, both heads), tokenizer.

    Args:
        folder: folder to write; created if it does not exist.
        weights: weights from `named_weights`, as `train_encoder` saves them; the others keep their initial values.
        job: the job that they were trained with.
        tokenizer: tokenizer to save; its ``model_max_length`` is set to the encoder's.
    """
    model = build_encoder(job, TokenIds.from_tokenizer(tokenizer))
    parameters = dict(model.named_parameters())
    with torch.no_grad():
        for name, weight in weights.items():
            parameters[name].copy_(weight)
    tokenizer.model_max_length = job.training.max_seq_length
    with silence_transformers_logging():
        model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def _bert_config(job: PretrainJob, tokens: TokenIds) -> BertConfig:
    sizes = job.model.model_dump(exclude={"dropout"})
    return BertConfig(
        **sizes,
        vocab_size=tokens.vocab_size,
        pad_token_id=tokens.pad,
        hidden_dropout_prob=job.model.dropout,
        attention_probs_dropout_prob=job.model.dropout,
        max_position_embeddings=job.training.max_seq_length,
    )
