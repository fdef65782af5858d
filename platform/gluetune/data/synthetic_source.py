"""Data source that generates rows of every task, in the official columns, labels and splits."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from random import Random
from typing import ClassVar

import numpy as np

from gluetune.data.examples import DataSource, Examples, Labels, check_split
from gluetune.synthetic.lexicon import Domain
from gluetune.synthetic.scenes import RowGenerator, SceneSampler, SyntheticRow
from gluetune.synthetic.sentence_pairs import (
    ax_row,
    mnli_row,
    mrpc_row,
    qnli_row,
    qqp_row,
    rte_row,
    snli_row,
    stsb_row,
    wnli_row,
)
from gluetune.synthetic.single_sentence import cola_row, sst2_row
from gluetune.tasks import Task

_GENERATORS: dict[str, RowGenerator] = {
    "cola": cola_row,
    "sst2": sst2_row,
    "mrpc": mrpc_row,
    "stsb": stsb_row,
    "qqp": qqp_row,
    "mnli": mnli_row,
    "qnli": qnli_row,
    "rte": rte_row,
    "wnli": wnli_row,
    "ax": ax_row,
    "snli": snli_row,
}


@dataclass(frozen=True, slots=True)
class _Sizes:
    """Number of rows per split."""

    train: int = 2000
    dev: int = 500
    test: int = 300


_SIZES = {"wnli": _Sizes(600, 100, 146), "ax": _Sizes(0, 0, 500)}
_LABELLED_TESTS = frozenset({"snli", "ax"})


@dataclass(frozen=True)
class SyntheticSource(DataSource):
    """Generated rows; the source downloads and reads nothing.

    Test splits have no labels, like the official ones; SNLI's and AX's test splits have labels.

    Args:
        seed: seed of the random numbers; the same seed gives the same rows.
    """

    synthetic: ClassVar[bool] = True
    seed: int = 0

    def load(self, task: Task, split: str, *, labels: bool = True) -> Examples:
        """Generate all rows of one split.

        Args:
            task: the task whose rows are generated.
            split: one of ``task.splits``.
            labels: whether the rows get labels.

        Raises:
            DataError: the task has no such split.
        """
        check_split(task, split, self.describe(task))
        rows = _rows(task.name, task.splits, self.seed)[split]
        columns = {column: [row.texts[i] for row in rows] for i, column in enumerate(task.columns)}
        known = labels and (split not in task.test or task.name in _LABELLED_TESTS)
        found = _label_ids(task, rows) if known else None
        return Examples(task.name, split, columns, found, self.describe(task), synthetic=True)

    def describe(self, task: Task) -> str:
        """Return that the rows are generated, and with which seed."""
        return f"generated (seed {self.seed})"


def _label_ids(task: Task, rows: list[SyntheticRow]) -> Labels:
    if task.regression:
        return np.array([row.label for row in rows], dtype=np.float32)
    return np.array([task.labels.index(str(row.label)) for row in rows], dtype=np.int64)


@cache
def _rows(name: str, splits: tuple[str, ...], seed: int) -> dict[str, list[SyntheticRow]]:
    """Return all rows of a task by split. No two rows have the same texts, not even with the texts swapped."""
    sizes, generate = _SIZES.get(name, _Sizes()), _GENERATORS[name]
    seen: set[frozenset[str]] = set()
    found: dict[str, list[SyntheticRow]] = {}
    for split in splits:
        domain = Domain.HARBOUR if split.endswith("_mismatched") else Domain.TOWN
        found[split] = _distinct(
            SceneSampler(Random(f"{name}/{split}/{seed}"), domain), generate, _size(sizes, split), seen
        )
    return found


def _size(sizes: _Sizes, split: str) -> int:
    return {"train": sizes.train, "validation": sizes.dev, "test": sizes.test}[split.partition("_")[0]]


def _distinct(
    sampler: SceneSampler, generate: RowGenerator, count: int, seen: set[frozenset[str]]
) -> list[SyntheticRow]:
    rows: list[SyntheticRow] = []
    while len(rows) < count:
        row = generate(sampler)
        key = frozenset(row.texts)
        if key not in seen and len(key) == len(row.texts):
            seen.add(key)
            rows.append(row)
    return rows
