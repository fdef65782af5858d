"""Paired tests of two configurations: equality with SciPy, size and power by simulation; Holm's correction."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import permutation_test

from gluetune.statistics import PairedTest, SeedOutputs, holm, paired_test
from gluetune.tasks import TASKS
from simulated_outputs import ROWS_SPREAD, SEEDS_SPREAD, decisions


def pair(simulation: int, seeds: tuple[int, int], better: float = 0.0, rows: int = 250) -> PairedTest:
    """A test of two configurations that differ in skill."""
    rng = np.random.default_rng(simulation)
    difficulty = ROWS_SPREAD * rng.standard_normal(rows)
    spread = 0.0 if seeds == (1, 1) else SEEDS_SPREAD  # of one seed each, the test compares the two models alone
    first = decisions(rng, rows, seeds[0], 1.0 + better, difficulty, spread)
    second = decisions(rng, rows, seeds[1], 1.0, difficulty, spread)
    return paired_test(first, second, resamples=200, seed=simulation)


def test_one_seed_each_is_scipys_permutation_test() -> None:
    rng = np.random.default_rng(3)
    difficulty = ROWS_SPREAD * rng.standard_normal(120)
    first, second = (decisions(rng, 120, 1, skill, difficulty) for skill in (1.6, 1.0))
    right = [(each.logits[0].argmax(axis=1) == each.labels).astype(float) for each in (first, second)]
    scipys = permutation_test(
        right,
        lambda x, y, axis: np.mean(x - y, axis=axis),
        permutation_type="samples",
        n_resamples=4000,
        vectorized=True,
        rng=np.random.default_rng(1),
    )
    test = paired_test(first, second, resamples=4000)
    assert test.difference == pytest.approx(scipys.statistic)
    assert test.p_value == pytest.approx(scipys.pvalue, abs=0.02)
    assert 0.001 < test.p_value < 0.2
    assert test.low < test.difference < test.high


@pytest.mark.parametrize("seeds", [(1, 1), (5, 5), (3, 1)], ids=str)
def test_equal_configurations_seldom_differ(seeds: tuple[int, int]) -> None:
    found = [pair(simulation, seeds).p_value for simulation in range(100)]
    allowed = 0.05 + 2.5 * np.sqrt(0.05 * 0.95 / len(found))
    assert np.mean(np.array(found) < 0.05) <= allowed


@pytest.mark.parametrize(("seeds", "power"), [((1, 1), 0.7), ((5, 5), 0.9)], ids=str)
def test_a_true_difference_is_found(seeds: tuple[int, int], power: float) -> None:
    tests = [pair(simulation, seeds, better=0.6) for simulation in range(60)]
    assert np.mean([test.p_value < 0.05 and test.first_is_better for test in tests]) >= power
    assert np.mean([test.low > 0 for test in tests]) >= power - 0.1


def test_more_seeds_find_smaller_differences() -> None:
    few, many = ([pair(simulation, (n, n), better=0.25).p_value for simulation in range(40)] for n in (2, 8))
    assert np.median(many) < np.median(few)


def test_less_is_better_for_an_error() -> None:
    labels = np.linspace(0, 5, 40, dtype=np.float32)
    noise = np.random.default_rng(0).normal(size=(2, 40, 1)).astype(np.float32)
    near, far = (SeedOutputs(TASKS["stsb"], labels[:, None] + scale * noise, labels) for scale in (0.1, 2.0))
    test = paired_test(near, far, "mse", resamples=100)
    assert test.difference < 0
    assert test.first_is_better
    assert not paired_test(far, near, "mse", resamples=100).first_is_better


def test_equal_outputs_have_a_p_value_of_one() -> None:
    for seeds in (1, 3):
        outputs = decisions(np.random.default_rng(0), 30, seeds)
        test = paired_test(outputs, outputs, resamples=50)
        assert (test.difference, test.p_value) == (0.0, 1.0)


def test_other_rows_are_refused() -> None:
    outputs = decisions(np.random.default_rng(0), 30, 1)
    with pytest.raises(ValueError, match="same rows"):
        paired_test(outputs, replace(outputs, labels=1 - outputs.labels))


def test_it_depends_on_the_seed_alone() -> None:
    assert pair(4, (2, 3)) == pair(4, (2, 3))


def test_holms_correction() -> None:
    """The example of Holm's procedure: each p-value times the number of those that are not smaller, never falling."""
    adjusted = holm({"a": 0.01, "b": 0.04, "c": 0.03, "d": 0.005})
    assert list(adjusted) == ["a", "b", "c", "d"]
    assert adjusted == pytest.approx({"d": 0.02, "a": 0.03, "c": 0.06, "b": 0.06})
    assert holm({"a": 0.7, "b": 0.9}) == {"a": 1.0, "b": 1.0}
    assert holm({}) == {}


def test_holms_correction_bounds_the_chance_of_any_false_positive() -> None:
    rng = np.random.default_rng(0)
    found = [min(holm(dict(enumerate_names(rng.random(8)))).values()) < 0.05 for _ in range(2000)]
    assert np.mean(found) <= 0.065


def enumerate_names(values: np.ndarray) -> list[tuple[str, float]]:
    """Names for values."""
    return [(str(number), float(value)) for number, value in enumerate(values)]
