"""Folds of a cross-validation: every row once, stratified, groups whole; and views of their rows."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gluetune.config import DataConfig
from gluetune.data.folds import RowView, assign_folds
from gluetune.data.splits import strata_of
from gluetune.errors import DataError
from gluetune.tasks import Task, get_task
from training_setup import own_task, rows

COLA, STSB = get_task("cola"), get_task("stsb")


def kfold(folds: int, **settings: object) -> DataConfig:
    return DataConfig.model_validate({"selection": "kfold", "folds": folds, **settings})


def spread(counts: np.ndarray) -> int:
    return int(counts.max() - counts.min())


@given(
    counts=st.lists(st.integers(7, 60), min_size=2, max_size=6), folds=st.integers(2, 7), seed=st.integers(0, 2**32 - 1)
)
def test_folds_have_equal_sizes_and_equal_shares_of_each_class(counts: list[int], folds: int, seed: int) -> None:
    task = own_task("single_label", len(counts))
    labels = np.random.default_rng(seed).permutation(np.repeat(np.arange(len(counts)), counts))
    found = assign_folds(labels, task, kfold(folds), seed)
    assert set(found.tolist()) == set(range(folds))
    assert spread(np.bincount(found)) <= 1
    for label in range(len(counts)):
        assert spread(np.bincount(found[labels == label], minlength=folds)) <= 1


@pytest.mark.parametrize("problem", ["regression", "multi_label"])
def test_numbers_and_sets_of_classes_are_stratified_too(problem: str) -> None:
    task = own_task(problem)  # type: ignore[arg-type]
    labels = rows(task, 203, 5).labels
    assert labels is not None
    found, strata = assign_folds(labels, task, kfold(4), 1), strata_of(labels, task)
    assert spread(np.bincount(found)) <= 1
    assert all(spread(np.bincount(found[strata == stratum], minlength=4)) <= 1 for stratum in set(strata.tolist()))


@given(
    sizes=st.lists(st.integers(1, 9), min_size=5, max_size=40), folds=st.integers(2, 5), seed=st.integers(0, 2**32 - 1)
)
def test_groups_are_never_divided_and_no_fold_is_empty(sizes: list[int], folds: int, seed: int) -> None:
    generator = np.random.default_rng(seed)
    groups = generator.permutation(np.repeat(np.arange(len(sizes)), sizes)).astype(np.uint64)
    found = assign_folds(generator.integers(0, 2, len(groups)), COLA, kfold(folds), seed, groups)
    assert set(found.tolist()) == set(range(folds))
    assert all(len(set(found[groups == group].tolist())) == 1 for group in range(len(sizes)))


def test_many_groups_give_folds_of_nearly_the_same_size_and_classes() -> None:
    generator = np.random.default_rng(3)
    groups, labels = generator.integers(0, 200, 2000).astype(np.uint64), (generator.random(2000) < 0.3).astype(np.int64)
    found = assign_folds(labels, COLA, kfold(5), 0, groups)
    assert spread(np.bincount(found)) <= 20
    assert spread(np.bincount(found[labels == 1])) <= 12


def test_the_same_seed_gives_the_same_folds_and_selection_seed_goes_before_the_jobs() -> None:
    labels = np.arange(100) % 2
    first = assign_folds(labels, COLA, kfold(5), 1)
    assert (first == assign_folds(labels, COLA, kfold(5), 1)).all()
    assert (first != assign_folds(labels, COLA, kfold(5), 2)).any()
    assert (first == assign_folds(labels, COLA, kfold(5, selection_seed=1), 2)).all()


@pytest.mark.parametrize(
    ("labels", "task", "groups", "figures"),
    [
        (np.array([0] * 20 + [1] * 3), COLA, None, ("5", COLA.labels[1], "3 rows")),
        (np.linspace(0, 5, 4, dtype=np.float32), STSB, None, ("5", "4", "train rows")),
        (np.array([0, 1] * 20), COLA, np.repeat(np.arange(4, dtype=np.uint64), 10), ("5", "4", "groups")),
    ],
    ids=["class", "rows", "groups"],
)
def test_more_folds_than_rows_of_a_class_or_groups_are_refused(
    labels: np.ndarray, task: Task, groups: np.ndarray | None, figures: tuple[str, ...]
) -> None:
    with pytest.raises(DataError) as caught:
        assign_folds(labels, task, kfold(5), 0, groups)
    assert all(figure in str(caught.value) for figure in ("data.folds", "--folds", task.name, *figures))


@pytest.mark.parametrize("problem", ["single_label", "multi_label", "regression"])
def test_a_view_gives_the_batches_of_a_copy_and_shares_its_tokens(problem: str) -> None:
    everything = rows(own_task(problem), 30, 1)  # type: ignore[arg-type]
    chosen = np.array([4, 29, 0, 11, 12])
    view, copy = RowView.of(everything, chosen), everything.select(chosen)
    assert np.shares_memory(view.input_ids, everything.input_ids)
    assert len(view) == len(copy) == 5
    assert view.longest == copy.longest
    assert (view.lengths == copy.lengths).all()
    for batch in (np.array([3, 1]), np.arange(5)):
        mine, other = view.collate(batch, 8), copy.collate(batch, 8)
        assert mine.keys() == other.keys()
        assert all((mine[name] == other[name]).all() for name in mine)
    part = view.select(np.array([2, 0]))
    assert (
        part.collate(np.arange(2))["input_ids"] == copy.select(np.array([2, 0])).collate(np.arange(2))["input_ids"]
    ).all()
