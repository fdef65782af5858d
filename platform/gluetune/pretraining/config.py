"""Configuration of pre-training."""

from __future__ import annotations

from pydantic import Field

from gluetune.config import Section


class PretrainingConfig(Section):
    """Size of the encoder and how it is pre-trained; the objective's defaults are those of Devlin et al. 2019, §3.1.

    ``batch_size`` counts sentence pairs; ``warmup_ratio`` is the share of ``max_steps`` with a rising rate.
    """

    vocab_size: int = Field(2000, ge=100)
    hidden_size: int = Field(128, ge=8)
    num_hidden_layers: int = Field(2, ge=1)
    num_attention_heads: int = Field(2, ge=1)
    intermediate_size: int = Field(512, ge=8)
    dropout: float = Field(0.1, ge=0, lt=1)
    max_seq_length: int = Field(64, ge=8, le=512)
    mlm_probability: float = Field(0.15, gt=0, lt=1)
    max_steps: int = Field(1000, ge=1)
    batch_size: int = Field(64, ge=1)
    learning_rate: float = Field(1e-3, gt=0)
    warmup_ratio: float = Field(0.1, ge=0, le=1)
    weight_decay: float = Field(0.01, ge=0)
    max_grad_norm: float = Field(1.0, gt=0)
    held_out: float = Field(0.05, gt=0, lt=1)
    evaluate_every: int = Field(200, ge=1)
    seed: int = Field(0, ge=0)
