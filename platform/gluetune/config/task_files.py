"""A task of the user's own files, as a job file describes it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from gluetune.config.section import Section


def _columns(value: object) -> object:
    """Return the names in ``title,body`` as a list; a template (``{title}: {body}``) and other values as they are."""
    if isinstance(value, str) and "{" not in value:
        return [name.strip() for name in value.split(",") if name.strip()]
    return value


Columns = Annotated[str | list[Annotated[str, Field(min_length=1)]], BeforeValidator(_columns), Field(min_length=1)]


class TaskFiles(Section):
    r"""A task of the user's own files: one entry of the job's section ``tasks``.

    ``train``, ``validation`` and ``test`` are each a file (.csv, .tsv, .jsonl, .json, .parquet, also compressed), or a
    folder whose files are read one after the other. With ``dataset`` they are the names of splits: of a dataset on the
    Hugging Face hub, or of a folder that ``Dataset.save_to_disk`` or ``DatasetDict.save_to_disk`` wrote. Without
    ``validation`` the selection rows are held out of train. The winner alone is scored on ``test``, once.

    ``text`` names one column, or two that form a sentence pair; a template such as ``{title}\n{body}`` joins columns
    into one text. ``label`` names the column of the label. Several columns of 0 and 1, or one column of lists, make a
    multi-label task. ``labels`` gives the class names in the order of their ids, the second of two being the positive
    one; ``null`` takes them from train, sorted. ``problem: auto`` decides by the labels in train. ``metric`` ranks the
    trials; ``null`` is F1 (macro) for classes, and Pearson's correlation for numbers. Rows with the same value of
    ``group`` are never divided between train rows and selection rows. The search gives each task time by ``weight``.
    ``thresholds: tuned`` gives the winner, where it has two classes or is multi-label, decision thresholds that are
    best for the metric on the selection rows; ``default`` predicts a class above a probability of 0.5.
    """

    train: str | None = Field(default=None, min_length=1)
    validation: str | None = Field(default=None, min_length=1)
    test: str | None = Field(default=None, min_length=1)
    dataset: str | None = Field(default=None, min_length=1)
    dataset_config: str | None = Field(default=None, min_length=1)
    text: Columns
    label: Columns
    labels: list[str] | None = Field(default=None, min_length=2)
    problem: Literal["auto", "single_label", "multi_label", "regression"] = "auto"
    metric: str | None = Field(default=None, min_length=1)
    group: str | None = Field(default=None, min_length=1)
    thresholds: Literal["tuned", "default"] = "tuned"
    weight: float = Field(default=1.0, gt=0)
