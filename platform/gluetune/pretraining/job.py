"""From documents to a ``from_pretrained`` folder."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from transformers import BertConfig, BertForPreTraining, PreTrainedTokenizerBase

from gluetune.pretraining.batches import Collator, bucketed, endless
from gluetune.pretraining.config import PretrainingConfig
from gluetune.pretraining.initialisation import start_matching
from gluetune.pretraining.loop import Batch, Losses, Progress, pretrain
from gluetune.pretraining.masking import Masker
from gluetune.pretraining.pairs import draw_pairs, tokenize
from gluetune.pretraining.vocabulary import train_tokenizer


def pretrain_folder(documents: Sequence[Sequence[str]], folder: Path, config: PretrainingConfig,
                    report: Callable[[Progress], None]) -> Losses:
    """Trains vocabulary and encoder and writes both.

    Args:
        documents: lists of sentences; the last ``config.held_out`` of them are not trained on.
        folder: gets config, safetensors (encoder, pooler, both heads) and the tokenizer's files.
        config: everything else.
        report: see `pretrain`.

    Returns:
        The held-out losses at the end.
    """
    tokenizer = train_tokenizer((line for document in documents for line in document), config.vocab_size,
                                config.max_seq_length)
    ids = tokenize(documents, tokenizer)
    cut = len(ids) - max(2, round(config.held_out * len(ids)))
    collator = Collator(tokenizer, Masker.of(tokenizer, config.mlm_probability), config.max_seq_length)
    held_out = _held_out(ids[cut:], collator, config)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        model = BertForPreTraining(_architecture(config, tokenizer))
        start_matching(model)
        batches = endless(ids[:cut], collator, config, np.random.default_rng((config.seed, 1)))
        losses = pretrain(model, batches, held_out, config, report)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return losses


def _held_out(ids: list[list[np.ndarray]], collator: Collator, config: PretrainingConfig) -> list[Batch]:
    rng = np.random.default_rng((config.seed, 2))
    pairs = draw_pairs(ids, rng, config.near_partners)
    return [collator(batch, rng) for batch in bucketed(pairs, config.batch_size, rng)]


def _architecture(config: PretrainingConfig, tokenizer: PreTrainedTokenizerBase) -> BertConfig:
    return BertConfig(
        vocab_size=len(tokenizer), hidden_size=config.hidden_size, num_hidden_layers=config.num_hidden_layers,
        num_attention_heads=config.num_attention_heads, intermediate_size=config.intermediate_size,
        hidden_dropout_prob=config.dropout, attention_probs_dropout_prob=config.dropout,
        initializer_range=config.initializer_range, max_position_embeddings=config.max_seq_length,
        pad_token_id=tokenizer.pad_token_id)
