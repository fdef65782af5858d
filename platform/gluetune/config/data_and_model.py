"""The sections of a job file that say where its rows and its encoder come from: ``data`` and ``model``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from gluetune.config.validation import Rule, Section, settings_by_choice

SELECTION_SETTINGS = settings_by_choice(
    ("data",),
    "selection",
    "holdout",
    holdout=("selection_fraction", "selection_max_rows", "selection_seed"),
    train_test_split=("selection_fraction", "selection_seed"),
    dev=(),
    kfold=("folds", "final", "selection_seed"),
)
SYNTHETIC_ENCODER = "synthetic"
"""`ModelConfig.name_or_path` of the small encoder that gluetune pre-trains on generated text."""


class DataConfig(Section):
    """Where the rows come from, and which of them rank the trials."""

    source: Literal["synthetic", "hub", "dir", "custom"] = Field(
        default="synthetic",
        description="`synthetic`: generated rows, without network; `hub`: the Hugging Face hub; `dir`: the "
        "official GLUE folder; `custom`: the class that `dataset` names. Tasks of your own files "
        "do not use it",
    )
    dir: str | None = Field(
        default=None,
        description="with `dir`, the official GLUE folder; with `hub`, a folder with copies of the hub's "
        "repositories, for machines without a network; with `custom`, a folder that is passed to "
        "the class",
    )
    dataset: str | None = Field(
        default=None,
        min_length=1,
        description="with `custom`, the import path `package.module:Class` of a dataset class of your own",
    )
    train_file: str | None = Field(
        default=None,
        min_length=1,
        description="with `dir`, the file to read in place of the official train file; a relative path starts in `dir`",
    )
    validation_file: str | None = Field(
        default=None, min_length=1, description="the same for the official development file"
    )
    test_file: str | None = Field(default=None, min_length=1, description="the same for the official test file")
    cache_dir: str | None = Field(
        default=None, description="cache folder of the hub's datasets; null: that of the library `datasets`"
    )
    max_seq_length: int = Field(
        default=128, ge=8, le=8192, description="tokens per row, special tokens included; longer rows are truncated"
    )
    truncation: Literal["longest_first", "proportional"] = Field(
        default="longest_first",
        description="how a pair that is too long is cut: `longest_first` removes tokens from the end of the "
        "longer text, `proportional` from both texts, so that both keep the same share",
    )
    max_train_samples: int | None = Field(
        default=None, ge=2, description="number of rows to train on, a stratified random sample; null: all"
    )
    max_eval_samples: int | None = Field(
        default=None,
        ge=1,
        description="number of selection rows and of rows of each development split, a stratified random "
        "sample; null: all",
    )
    selection: Literal["holdout", "dev", "train_test_split", "kfold"] = Field(
        default="holdout",
        description="which rows rank the trials: `holdout`, stratified rows held out of train; `dev`, the "
        "official development rows; `train_test_split`, the rows that the scikit-learn function "
        "of that name draws; `kfold`, all train rows by cross-validation",
    )
    selection_fraction: float = Field(
        default=0.1, gt=0, lt=1, description="share of train that is held out; for `holdout` and `train_test_split`"
    )
    selection_max_rows: int = Field(default=2000, ge=1, description="number of rows that `holdout` holds out at most")
    selection_seed: int | None = Field(
        default=None,
        ge=0,
        lt=2**32,
        description="seed of the draw of the selection rows or folds; null: the job's seed",
    )
    folds: int = Field(
        default=5,
        ge=2,
        le=100,
        description="number of folds of `kfold`: each configuration is trained on all train rows but those "
        "of one fold, once per fold; the mean score ranks",
    )
    final: Literal["refit", "ensemble"] = Field(
        default="refit",
        description="how the model of a winner of `kfold` is made: `refit` trains its configuration on all "
        "train rows for the number of epochs with the best mean score, `ensemble` averages the "
        "logits of the models of the folds after that number of epochs",
    )

    @property
    def trained_folds(self) -> int:
        """Number of folds that each configuration is trained on; 0 where ``selection`` is not ``kfold``."""
        return self.folds if self.selection == "kfold" else 0


def _listed_encoders(value: Any) -> Any:
    """Read a list of encoders, in YAML or as names with commas between them; a list of one is that one."""
    if isinstance(value, str) and "," in value and not Path(value).exists():
        value = [name.strip() for name in value.split(",")]
    if not isinstance(value, list | tuple):
        return value
    return value[0] if len(value) == 1 else tuple(value)


def _each_once(value: str | tuple[str, ...]) -> str | tuple[str, ...]:
    names = (value,) if isinstance(value, str) else value
    for place, name in enumerate(names):
        if name in names[:place]:
            raise ValueError(f"each encoder must be named once, but got {name!r} again")
    return value


EncoderName = Annotated[str, Field(min_length=1)]
Encoders = Annotated[
    EncoderName | Annotated[tuple[EncoderName, ...], Field(min_length=1)],
    BeforeValidator(_listed_encoders),
    AfterValidator(_each_once),
]


class ModelConfig(Section):
    """The encoder, or the encoders among which a search chooses."""

    name_or_path: Annotated[Encoders, Rule("an encoder, on the hub or in a folder, or a list of encoders")] = Field(
        default=SYNTHETIC_ENCODER,
        description="encoder on the Hugging Face hub or in a folder, or a list of encoders, among which the "
        "search chooses; `synthetic` is a small encoder that gluetune pre-trains on generated "
        "text",
    )
    revision: str | None = Field(
        default=None,
        description="branch, tag or commit of the encoder on the hub; null: its main branch. Not with several encoders",
    )
    cache_dir: str | None = Field(
        default=None,
        description="cache folder of the encoder; null: that of the library `transformers`, and "
        "`~/.cache/gluetune` for the synthetic encoder",
    )
    from_scratch: bool = Field(
        default=False,
        description="take architecture and vocabulary of the encoder, but random weights, drawn by the job's "
        "seed; where a folder has a vocabulary alone, the architecture is that of BERT",
    )
    config_overrides: dict[str, bool | int | float | str] = Field(
        default_factory=dict,
        description="with `from_scratch`, values that replace those of the encoder's `config.json`, such as "
        "`num_hidden_layers`",
    )

    @property
    def names(self) -> tuple[str, ...]:
        """The encoders, in the order of the job."""
        return (self.name_or_path,) if isinstance(self.name_or_path, str) else self.name_or_path

    @property
    def name(self) -> str:
        """The encoder of a section that names one.

        Raises:
            ValueError: the section names several.
        """
        if not isinstance(self.name_or_path, str):
            raise ValueError(f"one encoder must be named, but got {', '.join(self.name_or_path)}")
        return self.name_or_path

    def of(self, name: str) -> ModelConfig:
        """Return this section for one encoder."""
        return self if self.name_or_path == name else self.model_copy(update={"name_or_path": name})
