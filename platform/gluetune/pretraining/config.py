"""Configuration of pre-training."""

from __future__ import annotations

from pydantic import Field

from gluetune.config import Section


class PretrainingConfig(Section):
    """Size of the encoder and how it is pre-trained; the objective's defaults are those of Devlin et al. 2019, §3.1.

    ``near_partners`` is the share of random second sentences that come from the document before or behind instead of
    any other one: harder where neighbouring documents are alike. ``batch_size`` counts sentence pairs;
    ``warmup_ratio`` is the share of ``max_steps`` with a rising rate.
    """

    vocab_size: int = Field(default=2000, ge=100)
    hidden_size: int = Field(default=128, ge=8)
    num_hidden_layers: int = Field(default=2, ge=1)
    num_attention_heads: int = Field(default=2, ge=1)
    intermediate_size: int = Field(default=512, ge=8)
    initializer_range: float = Field(default=0.02, gt=0)
    dropout: float = Field(default=0.0, ge=0, lt=1)
    max_seq_length: int = Field(default=128, ge=8, le=512)
    mlm_probability: float = Field(default=0.15, gt=0, lt=1)
    near_partners: float = Field(default=0.0, ge=0, le=1)
    max_steps: int = Field(default=1000, ge=1)
    batch_size: int = Field(default=64, ge=1)
    learning_rate: float = Field(default=1e-3, gt=0)
    warmup_ratio: float = Field(default=0.1, ge=0, le=1)
    weight_decay: float = Field(default=0.01, ge=0)
    max_grad_norm: float = Field(default=1.0, gt=0)
    held_out: float = Field(default=0.05, gt=0, lt=1)
    evaluate_every: int = Field(default=200, ge=1)
    seed: int = Field(default=0, ge=0)
