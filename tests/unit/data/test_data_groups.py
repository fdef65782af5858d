"""Selection rows that are held out by groups: no group is on both sides."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gluetune.config import DataConfig, TaskFiles
from gluetune.data import hold_out, split_rows
from gluetune.data.own_tasks import open_frames
from gluetune.errors import ConfigError
from gluetune.tasks import get_task

COLA, STSB = get_task("cola"), get_task("stsb")


@st.composite
def grouped_rows(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    """Labels of two classes, and groups of one to many rows."""
    rows, groups, seed = draw(st.integers(8, 400)), draw(st.integers(2, 60)), draw(st.integers(0, 99))
    generator = np.random.default_rng(seed)
    ids = generator.zipf(1.5, rows) % groups if draw(st.booleans()) else generator.integers(0, groups, rows)
    ids[:2] = [0, 1]
    return generator.integers(0, 2, rows), ids.astype(np.uint64)


@given(rows=grouped_rows(), seed=st.integers(0, 2**31 - 1), fraction=st.floats(0.05, 0.5))
def test_no_group_is_on_both_sides_and_the_seed_repeats_the_draw(
    rows: tuple[np.ndarray, np.ndarray], seed: int, fraction: float
) -> None:
    labels, groups = rows
    config = DataConfig(selection_fraction=fraction)
    train, selection = hold_out(labels, COLA, config, seed, groups)
    assert len(train) > 0
    assert len(selection) > 0
    assert sorted([*train, *selection]) == list(range(len(labels)))
    assert not set(groups[train]) & set(groups[selection])
    again = hold_out(labels, COLA, config, seed, groups)
    assert [part.tolist() for part in again] == [train.tolist(), selection.tolist()]


@pytest.mark.parametrize("seed", range(5))
def test_many_groups_give_the_size_and_the_proportions_of_a_stratified_draw(seed: int) -> None:
    generator = np.random.default_rng(0)
    groups = generator.integers(0, 800, 5000).astype(np.uint64)
    labels = (generator.random(5000) < 0.05).astype(np.int64)
    _, selection = hold_out(labels, COLA, DataConfig(), seed, groups)
    assert abs(len(selection) - 500) <= 40
    assert abs(int(labels[selection].sum()) - labels.sum() / 10) <= 3


def test_numbers_are_stratified_too() -> None:
    generator = np.random.default_rng(0)
    labels, groups = generator.normal(size=4000).astype(np.float32), np.repeat(np.arange(1000), 4).astype(np.uint64)
    _, selection = hold_out(labels, STSB, DataConfig(), 0, groups)
    assert abs(len(selection) - 400) <= 20
    assert abs(np.median(labels[selection])) < 0.15


def test_groups_need_the_holdout() -> None:
    with pytest.raises(ConfigError, match=r"data\.selection"):
        hold_out(np.arange(9) % 2, COLA, DataConfig(selection="train_test_split"), 0, np.arange(9, dtype=np.uint64))


def test_an_own_task_keeps_the_rows_of_a_group_together(tmp_path: Path) -> None:
    rows = {
        "text": [f"t{row}" for row in range(90)],
        "label": list("xyz") * 30,
        "user": [f"u{row // 3}" for row in range(90)],
    }
    rows["user"][0] = None  # type: ignore[call-overload]
    task, source = open_frames(
        "own", TaskFiles(text="text", label="label", group="user"), {"train": pd.DataFrame(rows)}
    )
    split = split_rows(task, source, DataConfig(selection_fraction=0.3), 0)
    users = dict(zip(rows["text"], rows["user"], strict=True))
    train, selection = ({users[text] for text in part.columns["text"]} for part in (split.train, split.selection))
    assert train & selection <= {None}
    assert len(split.selection) >= 20


def test_test_rows_may_lack_the_groups() -> None:
    train = pd.DataFrame({"text": ["a", "b"] * 10, "label": ["x", "y"] * 10, "user": range(20)})
    task, source = open_frames(
        "own", TaskFiles(text="text", label="label", group="user"), {"train": train, "test": train[["text", "label"]]}
    )
    assert source.load(task, "test").groups is None
    assert source.load(task, "train", labels=False).groups is None
    assert source.load(task, "train").groups is not None
