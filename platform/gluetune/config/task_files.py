"""A task of the user's own files, as a job file describes it."""

from __future__ import annotations

from string import Formatter
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from gluetune.config.validation import Section


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
    r"""A task of the user's own files: one entry of the job's section ``tasks``.

    ``train``, ``validation`` and ``test`` are each a file (.csv, .tsv, .jsonl, .json, .parquet, also compressed), or a
    folder whose files are read one after the other. With ``dataset`` they are the names of splits: of a dataset on the
    Hugging Face hub, or of a folder that ``Dataset.save_to_disk`` or ``DatasetDict.save_to_disk`` wrote. Without
    ``validation`` the selection rows are held out of train. The winner alone is scored on ``test``, once.

    ``text`` names one column, or two that form a sentence pair; in place of a column, a template such as
    ``{title}\n{body}`` joins columns into one text. ``label`` names the column of the label. Several columns of 0 and
    1, or one column of lists, make a multi-label task. ``labels`` gives the class names in the order of their ids, the
    second of two being the positive one; ``null`` takes them from train, sorted. ``problem: auto`` decides by the
    labels in train. ``metric`` ranks the trials; ``null`` is F1 (macro) for classes, and Pearson's correlation for
    numbers. Rows with the same value of ``group`` are never divided between train rows and selection rows. The search
    gives each task time by ``weight``. ``thresholds: tuned`` gives the winner, where it has two classes or is
    multi-label, decision thresholds that are best for the metric on the selection rows; ``default`` predicts a class
    above a probability of 0.5.
    """

    train: str | None = Field(default=None, min_length=1)
    validation: str | None = Field(default=None, min_length=1)
    test: str | None = Field(default=None, min_length=1)
    dataset: str | None = Field(default=None, min_length=1)
    dataset_config: str | None = Field(default=None, min_length=1)
    text: Columns = Field(description="a column, two that form a pair, or a template such as '{title}: {body}'")
    label: Columns = Field(description="a column, or the columns of a multi-label task")
    labels: Annotated[list[str] | None, BeforeValidator(_class_names)] = Field(
        default=None, min_length=2, description="a list of two or more class names, or null"
    )
    problem: Literal["auto", "single_label", "multi_label", "regression"] = "auto"
    metric: str | None = Field(default=None, min_length=1)
    group: str | None = Field(default=None, min_length=1)
    thresholds: Literal["tuned", "default"] = "tuned"
    weight: float = Field(default=1.0, gt=0)

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
