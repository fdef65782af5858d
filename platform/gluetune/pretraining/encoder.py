"""The model that is pre-trained, and the folder it becomes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from transformers import BertConfig, BertForPreTraining, BertModel, PreTrainedTokenizerBase

from gluetune.models.files import silence_transformers_logging
from gluetune.pretraining.config import PretrainJob
from gluetune.pretraining.initialisation import start_matching
from gluetune.pretraining.vocabulary import TokenIds


def build_encoder(job: PretrainJob, tokens: TokenIds) -> BertForPreTraining:
    """BERT with both heads, as it starts, in fp32 on the CPU and in training mode; ``job.seed`` draws its weights."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(job.seed)
        model = BertForPreTraining(_settings(job, tokens))
    _STARTS[job.training.initialisation](model)
    model.train()
    return model


def count_weights(job: PretrainJob, tokens: TokenIds) -> int:
    """Number of weights of the encoder, without the heads; none are made."""
    with torch.device("meta"):
        return sum(weight.numel() for weight in BertModel(_settings(job, tokens)).parameters())


def weights_of(model: BertForPreTraining) -> dict[str, torch.Tensor]:
    """All weights, those that two layers share once."""
    return {name: weight.detach() for name, weight in model.named_parameters()}


def save_encoder(
    folder: str | Path, weights: Mapping[str, torch.Tensor], job: PretrainJob, tokenizer: PreTrainedTokenizerBase
) -> None:
    """Writes a ``from_pretrained`` folder: config.json, model.safetensors (encoder, pooler, both heads), tokenizer.

    Args:
        folder: made where missing.
        weights: as `weights_of` gives them and `pretrain` saves them.
        job: what they were trained with.
        tokenizer: saved beside them; it gets to know how many tokens the encoder reads.
    """
    model = build_encoder(job, TokenIds.of(tokenizer))
    own = dict(model.named_parameters())
    with torch.no_grad():
        for name, weight in weights.items():
            own[name].copy_(weight)
    tokenizer.model_max_length = job.training.max_seq_length
    with silence_transformers_logging():
        model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


_STARTS = {"random": lambda model: None, "mimetic": start_matching}


def _settings(job: PretrainJob, tokens: TokenIds) -> BertConfig:
    sizes = job.model.model_dump(exclude={"dropout"})
    return BertConfig(
        **sizes,
        vocab_size=tokens.vocab_size,
        pad_token_id=tokens.pad,
        hidden_dropout_prob=job.model.dropout,
        attention_probs_dropout_prob=job.model.dropout,
        max_position_embeddings=job.training.max_seq_length,
    )
