"""What a search is going to do, as shown before it starts and recorded with it."""

from __future__ import annotations

from dataclasses import dataclass, field

from gluetune.config import Value


@dataclass(frozen=True, slots=True)
class TaskPlan:
    """One task of a search.

    Attributes:
        task: the task's name.
        title: its name as papers print it.
        source: where its rows come from, in words.
        train_rows, selection_rows: rows trained on, and rows that choose the winner.
        dev_rows: official development rows by split, on which the winner is scored.
        metric: the primary metric.
        baseline: that metric for always answering the majority class (or the mean) on the selection rows.
        planned: number of trials, ``None`` where only the time budget ends them.
        synthetic: whether gluetune generated the rows, or some of them.
        fingerprints: of the rows, by ``train``, ``selection`` and the names of dev splits; empty where they are not
            known. Equal rows in equal order have equal fingerprints.
        same_rows: dev splits that hold the texts of another split, by that one's name.
        configurations: how many of the search space train differently, ``None`` where they are not finitely many.
    """

    task: str
    title: str
    source: str
    train_rows: int
    selection_rows: int
    dev_rows: dict[str, int]
    metric: str
    baseline: float
    planned: int | None
    synthetic: bool = False
    fingerprints: dict[str, str] = field(default_factory=dict)
    same_rows: dict[str, str] = field(default_factory=dict)
    configurations: int | None = None


@dataclass(frozen=True, slots=True)
class SearchPlan:
    """A whole search, in words and numbers. One configuration alone is a search without fields."""

    name: str
    seed: int
    model: str
    parameters: int  # weights of the encoder
    space: str
    space_source: str
    fields: tuple[str, ...]  # the searched fields
    algorithm: str
    scheduler: str
    lanes: int
    workers_per_lane: int
    resources: str  # of one worker, in words
    folder: str  # <storage>/<name>
    tracking_uri: str
    experiment: str
    tasks: tuple[TaskPlan, ...]
    time_budget_s: float | None = None
    fixed: dict[str, Value] = field(default_factory=dict)  # training fields that job or space set to one value
    left_out: dict[str, int] = field(default_factory=dict)  # tensors of the checkpoint that are not used, by part
