"""Configuration of pre-training: the text, the vocabulary, the encoder and the objective."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from gluetune.config import LanesConfig, PublishedConfig, Section, StorageConfig, TrackingConfig


class TextConfig(Section):
    """The text, and how it divides into documents of sentences.

    ``synthetic`` is the generated text. ``files`` reads ``path``, a file or a folder whose ``*.txt``, ``*.tokens`` and
    ``*.raw`` are read in the order of their names. ``hub`` reads ``column`` of a dataset's ``split``; ``dataset`` may
    be a local folder. ``format`` is described in `gluetune.pretraining.formats`; the synthetic text needs none.

    Held-out losses are those of ``validation_path`` or ``validation_split``; without one, of the last documents of the
    text (`PretrainingConfig.held_out`). ``max_documents`` reads no more than so many of the text.
    """

    source: Literal["synthetic", "files", "hub"] = "synthetic"
    format: Literal["wikitext", "sentences", "paragraphs"] = "paragraphs"
    path: str | None = Field(default=None, min_length=1)
    validation_path: str | None = Field(default=None, min_length=1)
    dataset: str | None = Field(default=None, min_length=1)
    name: str | None = Field(default=None, min_length=1)
    split: str = Field(default="train", min_length=1)
    validation_split: str | None = Field(default=None, min_length=1)
    column: str = Field(default="text", min_length=1)
    cache_dir: str | None = None
    max_documents: int | None = Field(default=None, ge=4)

    @model_validator(mode="after")
    def _complete(self) -> TextConfig:
        needed = {"files": "path", "hub": "dataset"}.get(self.source)
        if needed is not None and getattr(self, needed) is None:
            raise ValueError(f"`{needed}` must be given for `source: {self.source}`, but got null")
        return self


class TokenizerConfig(Section):
    """The tokenizer: an existing one by name or folder, else a WordPiece vocabulary trained on the text.

    ``vocab_size`` and ``do_lower_case`` are the trained one's; an existing one keeps its own.
    """

    name_or_path: str | None = Field(default=None, min_length=1)
    vocab_size: int = Field(default=30000, ge=100)
    do_lower_case: bool = True


class EncoderConfig(Section):
    """Sizes of a BERT encoder, by the names of ``transformers.BertConfig``.

    BERT base is 768 wide with 12 layers, 12 heads and 3072 in between, BERT large 1024 wide with 24, 16 and 4096.
    ``dropout`` is both ``hidden_dropout_prob`` and ``attention_probs_dropout_prob``.
    """

    hidden_size: int = Field(default=128, ge=8)
    num_hidden_layers: int = Field(default=2, ge=1)
    num_attention_heads: int = Field(default=2, ge=1)
    intermediate_size: int = Field(default=512, ge=8)
    initializer_range: float = Field(default=0.02, gt=0)
    dropout: float = Field(default=0.1, ge=0, lt=1)

    @model_validator(mode="after")
    def _heads_fit(self) -> EncoderConfig:
        if self.hidden_size % self.num_attention_heads:
            raise ValueError(
                "`hidden_size % num_attention_heads == 0` must hold, but got "
                f"(hidden_size={self.hidden_size}, num_attention_heads={self.num_attention_heads})"
            )
        return self


class PretrainingConfig(Section):
    """How an encoder is pre-trained; the objective's defaults are those of Devlin et al. 2019, §3.1.

    ``initialisation``: ``random`` as BERT's, ``mimetic`` as in `gluetune.pretraining.initialisation`.
    ``near_partners`` is the share of random second sentences that come from the document before or behind instead of
    any other one: harder where neighbouring documents are alike. ``batch_size`` counts sentence pairs of a step, per
    worker x workers x accumulation. ``warmup_ratio`` is the share of ``max_steps`` with a rising rate; it falls to 0
    from there. ``held_out`` is the share of documents to evaluate on where the text names no others.
    """

    initialisation: Literal["random", "mimetic"] = "random"
    max_seq_length: int = Field(default=128, ge=8, le=512)
    mlm_probability: float = Field(default=0.15, gt=0, lt=1)
    near_partners: float = Field(default=0.0, ge=0, le=1)
    max_steps: int = Field(default=1000, ge=1)
    batch_size: int = Field(default=64, ge=1)
    gradient_accumulation_steps: int = Field(default=1, ge=1)
    learning_rate: float = Field(default=1e-3, gt=0)
    warmup_ratio: float = Field(default=0.1, ge=0, le=1)
    adam_beta1: float = Field(default=0.9, ge=0, lt=1)
    adam_beta2: float = Field(default=0.999, ge=0, lt=1)
    adam_epsilon: float = Field(default=1e-8, gt=0)
    weight_decay: float = Field(default=0.01, ge=0)
    max_grad_norm: float = Field(default=1.0, gt=0)
    bf16: Literal["auto"] | bool = "auto"
    held_out: float = Field(default=0.05, gt=0, lt=1)
    evaluate_every: int = Field(default=200, ge=1)
    eval_batch_size: int = Field(default=128, ge=1)


class PretrainJob(Section):
    """One pre-training job, whole. ``seed`` is that of weights, pairs, masks and dropout."""

    name: str | None = Field(
        default=None,
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$",
        description="text of letters, digits, '.', '_' and '-' that starts with a letter or digit, or null",
    )
    seed: int = Field(default=42, ge=0, lt=2**31)
    text: TextConfig = TextConfig()
    tokenizer: TokenizerConfig = TokenizerConfig()
    model: EncoderConfig = EncoderConfig()
    training: PretrainingConfig = PretrainingConfig()
    lanes: LanesConfig = LanesConfig()
    storage: StorageConfig = StorageConfig()
    tracking: TrackingConfig = TrackingConfig()
    published: PublishedConfig | None = None
