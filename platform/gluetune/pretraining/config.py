"""Configuration of a pre-training job: text, tokenizer, encoder and objective, read from YAML and flags."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import Field, model_validator

from gluetune.config import LanesConfig, Override, PublishedConfig, Section, StorageConfig, TrackingConfig
from gluetune.config.overrides import Overrides
from gluetune.config.space_files import shipped_file
from gluetune.config.validation import (
    Rule,
    SettingsByChoice,
    drop_unused_settings,
    format_value,
    settings_by_choice,
    unused_settings,
    validate,
)
from gluetune.config.yaml_files import YamlDocument, dump_job_yaml, parse_yaml, read_yaml, take_job_schema
from gluetune.errors import ConfigError, ConfigIssue

_SETTINGS = (
    settings_by_choice(
        ("text",),
        "source",
        "synthetic",
        synthetic=(),
        files=("path", "validation_path", "format"),
        hub=("dataset", "name", "split", "validation_split", "column", "cache_dir", "format"),
    ),
    SettingsByChoice(
        ("tokenizer",), "name_or_path", "", {"": frozenset({"vocab_size", "do_lower_case"}), "*": frozenset()}
    ),
)


class TextConfig(Section):
    """The text, and how it divides into documents of sentences."""

    source: Literal["synthetic", "files", "hub"] = Field(
        default="synthetic",
        description="`synthetic` is the generated text; `files` reads `path`; `hub` reads a dataset",
    )
    format: Literal["wikitext", "sentences", "paragraphs"] = Field(
        default="paragraphs",
        description="format of the text, as described in `gluetune.pretraining.text`; the synthetic text has none",
    )
    path: str | None = Field(
        default=None,
        min_length=1,
        description="a file, or a folder whose `*.txt`, `*.tokens` and `*.raw` are read sorted by name",
    )
    validation_path: str | None = Field(
        default=None,
        min_length=1,
        description="file or folder of the text to evaluate on; without it, and without `validation_split`, "
        "the last documents of the text are held out (`PretrainingConfig`, `held_out`)",
    )
    dataset: str | None = Field(
        default=None, min_length=1, description="name of a Hugging Face dataset, or a local folder"
    )
    name: str | None = Field(default=None, min_length=1, description="configuration of the dataset")
    split: str = Field(default="train", min_length=1, description="split of the dataset to train on")
    validation_split: str | None = Field(default=None, min_length=1, description="split of the dataset to evaluate on")
    column: str = Field(default="text", min_length=1, description="column of the dataset that holds the text")
    cache_dir: str | None = Field(default=None, description="cache folder of the dataset")
    max_documents: int | None = Field(
        default=None, ge=4, description="maximum number of documents to read from the text to train on"
    )

    @model_validator(mode="after")
    def _complete(self) -> TextConfig:
        needed = {"files": "path", "hub": "dataset"}.get(self.source)
        if needed is not None and getattr(self, needed) is None:
            raise ValueError(f"`{needed}` must be given for `source: {self.source}`, but got null")
        return self


class TokenizerConfig(Section):
    """The tokenizer: an existing one, or a WordPiece vocabulary trained on the text."""

    name_or_path: str | None = Field(
        default=None, min_length=1, description="name or folder of an existing tokenizer; null to train one"
    )
    vocab_size: int = Field(
        default=30000, ge=100, description="maximum size of the trained vocabulary, special tokens included"
    )
    do_lower_case: bool = Field(
        default=True, description="whether the trained tokenizer lower-cases the text and strips its accents"
    )


class EncoderConfig(Section):
    """Sizes of a BERT encoder, by the names of ``transformers.BertConfig``.

    BERT base has hidden size 768, 12 layers, 12 heads and intermediate size 3072; BERT large 1024, 24, 16 and 4096.
    ``dropout`` is both ``hidden_dropout_prob`` and ``attention_probs_dropout_prob``.
    """

    hidden_size: int = Field(
        default=128, ge=8, description="width of the hidden states; BERT base 768, BERT large 1024"
    )
    num_hidden_layers: int = Field(default=2, ge=1, description="number of layers; BERT base 12, BERT large 24")
    num_attention_heads: int = Field(
        default=2,
        ge=1,
        description="attention heads of each layer, a divisor of `hidden_size`; BERT base 12, BERT large 16",
    )
    intermediate_size: int = Field(
        default=512, ge=8, description="width of the feed-forward layers; BERT base 3072, BERT large 4096"
    )
    initializer_range: float = Field(default=0.02, gt=0, description="standard deviation of the initial weights")
    dropout: float = Field(
        default=0.1, ge=0, lt=1, description="`hidden_dropout_prob` and `attention_probs_dropout_prob`"
    )

    @model_validator(mode="after")
    def _heads_fit(self) -> EncoderConfig:
        if self.hidden_size % self.num_attention_heads:
            raise ValueError(
                "`hidden_size % num_attention_heads == 0` must hold, but got "
                f"(hidden_size={self.hidden_size}, num_attention_heads={self.num_attention_heads})"
            )
        return self


class PretrainingConfig(Section):
    """Hyperparameters of pre-training; the defaults of the objective are those of Devlin et al. 2019, §3.1."""

    initialisation: Literal["random", "mimetic"] = Field(
        default="random", description="`random` as in BERT, or `mimetic` (`gluetune.pretraining.encoder.mimetic_init_`)"
    )
    max_seq_length: int = Field(default=128, ge=8, le=512, description="longest input in tokens")
    mlm_probability: float = Field(default=0.15, gt=0, lt=1, description="share of tokens to predict")
    hard_negative_fraction: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="share of the random second sentences that are drawn from the document before or after, "
        "which is harder to tell apart where neighbouring documents are alike",
    )
    max_steps: int = Field(default=1000, ge=1, description="optimizer steps")
    batch_size: int = Field(default=64, ge=1, description="sentence pairs per step, over all workers and micro-batches")
    gradient_accumulation_steps: int = Field(default=1, ge=1, description="micro-batches per step and worker")
    learning_rate: float = Field(default=1e-3, gt=0, description="highest learning rate")
    warmup_ratio: float = Field(
        default=0.1,
        ge=0,
        le=1,
        description="share of `max_steps` in which the learning rate rises linearly; then it falls linearly to 0",
    )
    adam_beta1: float = Field(default=0.9, ge=0, lt=1, description="decay of AdamW's first moment")
    adam_beta2: float = Field(default=0.999, ge=0, lt=1, description="decay of AdamW's second moment")
    adam_epsilon: float = Field(default=1e-8, gt=0, description="AdamW's epsilon")
    weight_decay: float = Field(default=0.01, ge=0, description="weight decay of all weights but biases and LayerNorms")
    max_grad_norm: float = Field(
        default=1.0, gt=0, description="largest global norm of the gradients that is not clipped"
    )
    bf16: Literal["auto"] | bool = Field(
        default="auto", description="whether to compute in bfloat16; `auto` if the GPU has it in hardware"
    )
    held_out: float = Field(
        default=0.05,
        gt=0,
        lt=1,
        description="share of documents to evaluate on, if the text has no validation documents of its own",
    )
    evaluate_every: int = Field(default=200, ge=1, description="steps between evaluations")
    eval_batch_size: int = Field(default=128, ge=1, description="pairs per batch in evaluations")


class PretrainJob(Section):
    """A complete pre-training job. ``seed`` is the seed of weights, pairs, masks and dropout."""

    name: Annotated[
        str | None, Rule("text of letters, digits, '.', '_' and '-' that starts with a letter or digit, or null")
    ] = Field(
        default=None,
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$",
        description="name of the run, and of its folder; null: the name of the job file and the time",
    )
    seed: int = Field(default=42, ge=0, lt=2**31, description="seed of weights, pairs, masks and dropout")
    text: TextConfig = Field(default=TextConfig(), description="the text")
    tokenizer: TokenizerConfig = Field(default=TokenizerConfig(), description="the tokenizer")
    model: EncoderConfig = Field(default=EncoderConfig(), description="sizes of the encoder")
    training: PretrainingConfig = Field(default=PretrainingConfig(), description="settings of pre-training")
    lanes: LanesConfig = Field(default=LanesConfig(), description="resources of the lane")
    storage: StorageConfig = Field(default=StorageConfig(), description="where the run is written")
    tracking: TrackingConfig = Field(default=TrackingConfig(), description="the MLflow store")
    published: PublishedConfig | None = Field(
        default=None, description="published results, which the report prints beside the measured ones"
    )


def load_pretrain_job(path: str | None = None, overrides: Sequence[Override] = ()) -> PretrainJob:
    """Read and validate a job file, with overrides from flags.

    Args:
        path: the YAML file, such as ``jobs/bert_wikitext_d2l.yaml`` (also one that gluetune ships); ``None`` for a job
            of defaults.
        overrides: values from the command line; later ones take precedence.

    Raises:
        ConfigError: lists all issues of the file and of the flags; settings that have no effect are issues too.
    """
    document = YamlDocument(None, "") if path is None else read_yaml(shipped_file(path))
    return _build(document, overrides, reject_unused=True)


def parse_pretrain_job(data: bytes, file: str, overrides: Sequence[Override] = ()) -> PretrainJob:
    """Validate the content of a recorded job file, with overrides from flags.

    Args:
        data: content of the YAML file; settings that have no effect are accepted.
        file: name of the file in messages.
        overrides: values from the command line; later ones take precedence.

    Raises:
        ConfigError: lists all issues of the file and of the flags.
    """
    return _build(parse_yaml(data, file), overrides)


def dump_pretrain_job(job: PretrainJob) -> str:
    """Write a job as YAML that `parse_pretrain_job` reads back to an equal job."""
    values = job.model_dump(mode="json")
    drop_unused_settings(values, _SETTINGS)
    return dump_job_yaml(values)


def _build(document: YamlDocument, overrides: Sequence[Override], *, reject_unused: bool = False) -> PretrainJob:
    if not isinstance(document.value, dict | None):
        message = f"must be a mapping of keys to values, but got {format_value(document.value)}"
        raise ConfigError([ConfigIssue("", message, document.file, 1)])
    if document.value:
        take_job_schema(document)
    values = Overrides(document, overrides, _SETTINGS)
    job, issues = validate(PretrainJob, values.tree)
    issues += values.issues
    if reject_unused:
        issues += unused_settings(values.tree, _SETTINGS)
    if job is None or issues:
        raise ConfigError(values.locate(issues))
    return job
