"""A tiny encoder of every family, for the tests of models."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import torch
from transformers import (
    AlbertConfig,
    AutoModelForMaskedLM,
    BertConfig,
    DebertaV2Config,
    DistilBertConfig,
    ElectraConfig,
    ModernBertConfig,
    MPNetConfig,
    RobertaConfig,
    XLMRobertaConfig,
)

from gluetune.config import ModelConfig
from gluetune.models import Encoder, load_encoder

SMALL: dict[str, Any] = {
    "vocab_size": 50,
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "max_position_embeddings": 40,
}
FAMILIES: dict[str, Any] = {
    "bert": BertConfig(**SMALL),
    "roberta": RobertaConfig(**SMALL, pad_token_id=1, type_vocab_size=1),
    "deberta-v2": DebertaV2Config(  # type: ignore[call-arg]
        **SMALL,
        relative_attention=True,
        position_biased_input=False,
        type_vocab_size=0,
        pos_att_type=["p2c", "c2p"],
        share_att_key=True,
        norm_rel_ebd="layer_norm",
        position_buckets=8,
    ),
    "modernbert": ModernBertConfig(  # type: ignore[call-arg]
        **SMALL,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=2,
        cls_token_id=1,
        sep_token_id=2,
        local_attention=8,
        global_attn_every_n_layers=2,
    ),
    "electra": ElectraConfig(**SMALL, embedding_size=8),
    "albert": AlbertConfig(**SMALL, embedding_size=8),
    "distilbert": DistilBertConfig(
        vocab_size=50, dim=16, n_layers=2, n_heads=2, hidden_dim=32, max_position_embeddings=40
    ),
}
ALL_FAMILIES: dict[str, Any] = FAMILIES | {
    "mpnet": MPNetConfig(**SMALL, pad_token_id=1),
    "xlm-roberta": XLMRobertaConfig(**SMALL, pad_token_id=1, type_vocab_size=1),
}


def masked_lm(family: str, folder: Path, layers: int | None = None) -> Path:
    """A masked language model, as pre-training would save it; ``layers`` in place of two."""
    config = copy.deepcopy((ALL_FAMILIES | FAMILIES)[family])
    if layers is not None:
        config.num_hidden_layers = layers
    AutoModelForMaskedLM.from_config(config).save_pretrained(folder)
    return folder


def encoder_of(folder: Path) -> Encoder:
    return load_encoder(ModelConfig(name_or_path=str(folder)))


def batch(pad_token_id: int) -> dict[str, torch.Tensor]:
    """Four rows of 20, 12, 7 and 3 tokens."""
    ids = torch.randint(3, 50, (4, 20), generator=torch.Generator().manual_seed(0))
    mask = torch.arange(20) < torch.tensor([20, 12, 7, 3])[:, None]
    return {"input_ids": torch.where(mask, ids, pad_token_id), "attention_mask": mask.long()}
