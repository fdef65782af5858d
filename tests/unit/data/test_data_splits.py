"""Held-out selection rows and limited samples: stratified, disjoint, repeatable."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.model_selection import train_test_split

from gluetune.config import DataConfig
from gluetune.data import hold_out
from gluetune.data.splits import stratified_sample
from gluetune.errors import DataError
from gluetune.tasks import get_task

COLA, MNLI, STSB = get_task("cola"), get_task("mnli"), get_task("stsb")


def classes(*counts: int) -> np.ndarray:
    """Labels in random order, with these numbers of rows per class."""
    labels = np.repeat(np.arange(len(counts)), counts)
    return np.random.default_rng(0).permutation(labels)


def scores(rows: int) -> np.ndarray:
    """Similarities with many ties and most mass at the top, as STS-B's."""
    drawn = np.random.default_rng(0).beta(2, 1, rows) * 5
    return (np.round(drawn * 5) / 5).astype(np.float32)


@pytest.mark.parametrize(("rows", "expected"), [(1000, 100), (8551, 855), (20_000, 2000), (100_000, 2000), (15, 2)])
def test_a_tenth_and_never_more_than_2000(rows: int, expected: int) -> None:
    train, selection = hold_out(classes(rows // 3, rows - rows // 3), COLA, DataConfig(), seed=0)
    assert len(selection) == expected
    assert len(train) == rows - expected


@pytest.mark.parametrize(
    "config",
    [
        DataConfig(),
        DataConfig(selection_fraction=0.5),
        DataConfig(selection_max_rows=7),
        DataConfig(max_eval_samples=3),
        DataConfig(selection_fraction=0.999),
    ],
)
@pytest.mark.parametrize(("labels", "task"), [(classes(70, 29, 1), MNLI), (classes(2, 2), COLA), (scores(150), STSB)])
def test_both_sides_are_all_rows_once(labels: np.ndarray, task: object, config: DataConfig) -> None:
    train, selection = hold_out(labels, task, config, seed=0)  # type: ignore[arg-type]
    assert len(train) > 0
    assert len(selection) > 0
    assert sorted([*train.tolist(), *selection.tolist()]) == list(range(len(labels)))
    assert np.all(np.diff(train) > 0)
    assert np.all(np.diff(selection) > 0)


def test_classes_keep_their_proportions() -> None:
    labels = classes(2528, 6023)
    _, selection = hold_out(labels, COLA, DataConfig(), seed=0)
    assert np.bincount(labels[selection]).tolist() == [253, 602]


def test_similarities_keep_their_distribution() -> None:
    labels = scores(5749)
    _, selection = hold_out(labels, STSB, DataConfig(), seed=0)
    for edge in np.quantile(labels, np.linspace(0.1, 0.9, 9)):
        assert (labels[selection] < edge).mean() == pytest.approx((labels < edge).mean(), abs=3 / len(selection))


@pytest.mark.parametrize("fraction", [0.1, 0.5, 0.98])
@pytest.mark.parametrize("counts", [(2, 2), (2, 98), (3, 3), (2, 1500), (1500, 2)])
def test_a_rare_class_is_on_both_sides(counts: tuple[int, int], fraction: float) -> None:
    labels = classes(*counts)
    for side in hold_out(labels, COLA, DataConfig(selection_fraction=fraction), seed=0):
        assert set(labels[side].tolist()) == {0, 1}


@pytest.mark.parametrize("fraction", [0.1, 0.9])
def test_a_class_of_one_row_is_trained_on(fraction: float) -> None:
    labels = classes(50, 50, 1)
    train, _ = hold_out(labels, MNLI, DataConfig(selection_fraction=fraction), seed=0)
    assert 2 in labels[train]


def test_the_seed_decides() -> None:
    labels = classes(300, 700)
    first, again, other = (hold_out(labels, COLA, DataConfig(), seed)[1] for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_rows_are_drawn_from_the_whole_of_train() -> None:
    selection = hold_out(classes(500, 500), COLA, DataConfig(), seed=0)[1]
    assert selection.min() < 100
    assert selection.max() >= 900


@pytest.mark.parametrize(("task", "rows", "least"), [("cola", 3, 4), ("mnli", 5, 6), ("stsb", 3, 4), ("cola", 0, 4)])
def test_too_few_rows(task: str, rows: int, least: int) -> None:
    found = get_task(task)
    labels = np.zeros(rows, np.float32 if found.regression else np.int64)
    with pytest.raises(DataError) as caught:
        hold_out(labels, found, DataConfig(), seed=0)  # type: ignore[arg-type]
    assert [part for part in (str(least), task, f"got {rows}") if part not in caught.value.message] == []


@pytest.mark.parametrize("size", [1, 2, 10, 99, 100])
def test_a_sample_has_the_size_asked_for(size: int) -> None:
    for labels, task in ((classes(80, 20), COLA), (scores(100), STSB)):
        rows = stratified_sample(labels, task, size, seed=0)
        assert len(set(rows.tolist())) == len(rows) == size
        assert rows.max() < 100


@pytest.mark.parametrize("size", [None, 100, 101])
def test_a_sample_is_everything_where_there_is_no_more(size: int | None) -> None:
    assert stratified_sample(classes(80, 20), COLA, size, seed=0).tolist() == list(range(100))


def test_a_sample_keeps_proportions_and_rare_classes() -> None:
    labels = classes(900, 95, 5)
    assert np.bincount(labels[stratified_sample(labels, MNLI, 100, seed=0)]).tolist() == [90, 9, 1]
    assert set(labels[stratified_sample(labels, MNLI, 3, seed=0)].tolist()) == {0, 1, 2}
    labels = classes(900, 99, 1)
    assert set(labels[stratified_sample(labels, MNLI, 20, seed=0)].tolist()) == {0, 1, 2}


def test_a_sample_is_not_the_first_rows() -> None:
    rows = stratified_sample(classes(500, 500), COLA, 50, seed=0)
    assert rows.max() > 800
    assert not np.array_equal(rows, stratified_sample(classes(500, 500), COLA, 50, seed=1))


SKLEARN = DataConfig(selection="train_test_split", selection_seed=2018)


@pytest.mark.parametrize("seed", [0, 42, 2018])
@pytest.mark.parametrize(("rows", "fraction"), [(8551, 0.1), (5, 0.5), (15, 0.1), (2, 0.5), (30_000, 0.2)])
def test_train_test_split_draws_scikit_learns_rows(rows: int, fraction: float, seed: int) -> None:
    config = DataConfig(selection="train_test_split", selection_fraction=fraction)
    train, selection = hold_out(classes(1, rows - 1), COLA, config, seed)
    expected = train_test_split(list(range(rows)), random_state=seed, test_size=fraction)
    assert [train.tolist(), selection.tolist()] == [sorted(part) for part in expected]


def test_train_test_split_knows_no_cap_and_no_labels() -> None:
    """The rows of the PyTorch tutorial on CoLA: 7,695 and 856 of 8,551, whatever their labels."""
    first, second = (hold_out(labels, COLA, SKLEARN, seed=0) for labels in (classes(2528, 6023), classes(1, 8550)))
    assert [len(part) for part in first] == [7695, 856]
    assert np.array_equal(first[1], second[1])
    assert len(hold_out(classes(9000, 41_000), COLA, SKLEARN, seed=0)[1]) == 5000


@pytest.mark.parametrize("selection", ["holdout", "train_test_split"])
def test_the_selections_own_seed_wins_over_the_jobs(selection: str) -> None:
    labels = classes(300, 700)
    own = DataConfig.model_validate({"selection": selection, "selection_seed": 0})
    jobs = DataConfig.model_validate({"selection": selection})
    first, again, by_job, other = (
        hold_out(labels, COLA, config, seed)[1] for config, seed in ((own, 1), (own, 2), (jobs, 0), (jobs, 1))
    )
    assert np.array_equal(first, again)
    assert np.array_equal(first, by_job)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize(("rows", "fraction"), [(1, 0.1), (10, 0.95), (0, 0.1)])
def test_train_test_split_must_leave_rows_to_train_on(rows: int, fraction: float) -> None:
    config = DataConfig(selection="train_test_split", selection_fraction=fraction)
    with pytest.raises(DataError) as caught:
        hold_out(np.zeros(rows, np.int64), COLA, config, seed=0)
    assert f"(rows={rows}, selection_fraction={fraction:g})" in caught.value.message
