"""A task of the user's own files, as a job file describes it."""

from __future__ import annotations

from string import Formatter
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from gluetune.config.validation import Rule, Section


def _columns(value: object) -> object:
    """Return the names in ``title,body`` as a list; a template (``{title}: {body}``) and other values as they are."""
    if isinstance(value, str) and "{" not in value:
        return [name.strip() for name in value.split(",") if name.strip()]
    return value


def _class_names(value: object) -> object:
    """Return class names that are whole numbers as text; other values as they are."""
    if isinstance(value, list | tuple):
        return [str(name) if isinstance(name, int) and not isinstance(name, bool) else name for name in value]
    return value


Columns = Annotated[str | list[Annotated[str, Field(min_length=1)]], BeforeValidator(_columns), Field(min_length=1)]


def _fields(text: str) -> list[str]:
    if "{" not in text:
        return [text]
    try:
        return [name for _, name, _, _ in Formatter().parse(text) if name]
    except ValueError:
        return []


class TaskFiles(Section):
    """A task of the user's own files: one entry of the job's section ``tasks``."""

    train: str | None = Field(
        default=None,
        min_length=1,
        description="file (`.csv`, `.tsv`, `.jsonl`, `.json`, `.parquet`, also compressed), or folder of "
        "files that are read one after the other; with `dataset` the name of a split. It must be "
        "given, or `dataset` must",
    )
    validation: str | None = Field(
        default=None,
        min_length=1,
        description="rows that rank the trials, in the same forms; null: rows held out of train, by `data.selection`",
    )
    test: str | None = Field(
        default=None,
        min_length=1,
        description="rows that the winner alone is scored on, once; rows without labels are what `gluetune "
        "predict` labels",
    )
    dataset: str | None = Field(
        default=None,
        min_length=1,
        description="dataset on the Hugging Face hub, or a folder that `save_to_disk` of the library `datasets` wrote",
    )
    dataset_config: str | None = Field(
        default=None, min_length=1, description="configuration of the dataset; null: the only one"
    )
    text: Annotated[Columns, Rule("a column, two that form a pair, or a template such as '{title}: {body}'")] = Field(
        description="one text column, or two that form a sentence pair; a template such as `{title}: {body}` "
        "may stand in place of a column"
    )
    label: Annotated[Columns, Rule("a column, or the columns of a multi-label task")] = Field(
        description="label column; for a multi-label task several columns of 0 and 1, or one column of lists"
    )
    labels: Annotated[
        list[str] | None, BeforeValidator(_class_names), Rule("a list of two or more class names, or null")
    ] = Field(
        default=None,
        min_length=2,
        description="class names in the order of their ids, the second of two being the positive one; null: "
        "those in train, sorted",
    )
    problem: Literal["auto", "single_label", "multi_label", "regression"] = Field(
        default="auto", description="kind of the labels; `auto` decides by the labels in train"
    )
    metric: str | None = Field(
        default=None,
        min_length=1,
        description="metric that ranks the trials; null: F1 (macro) for classes, Pearson's correlation for numbers",
    )
    group: str | None = Field(
        default=None,
        min_length=1,
        description="column whose values are never divided between train rows and selection rows",
    )
    thresholds: Literal["tuned", "default"] = Field(
        default="tuned",
        description="`tuned`: a winner of two classes, or of a multi-label task, gets the decision "
        "thresholds that are best for the metric on the selection rows; `default`: 0.5",
    )
    weight: float = Field(default=1.0, gt=0, description="share of the lanes' time, in relation to other tasks")

    @property
    def text_columns(self) -> tuple[str, ...]:
        """The columns that ``text`` names, those in templates included; those of a broken template left out."""
        return tuple(dict.fromkeys(name for text in self.texts for name in _fields(text)))

    @property
    def texts(self) -> tuple[str, ...]:
        """The column or template of each text of a row."""
        return (self.text,) if isinstance(self.text, str) else tuple(self.text)

    @property
    def label_columns(self) -> tuple[str, ...]:
        """The columns that ``label`` names."""
        return (self.label,) if isinstance(self.label, str) else tuple(self.label)
