"""Expected validation performance: Tang's estimator against all subsets, its intervals, and the gain of more trials."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
import pytest

from gluetune.statistics import expected_best, expected_gain, further_gain

SCORES = [0.52, 0.61, 0.44, 0.61, 0.70, 0.38, 0.66]


@pytest.mark.parametrize("trials", range(1, len(SCORES) + 1))
def test_it_is_the_mean_best_of_all_subsets(trials: int) -> None:
    brute_force = np.mean([max(subset) for subset in itertools.combinations(SCORES, trials)])
    (point,) = expected_best(SCORES, trials=[trials])
    assert point.score == pytest.approx(brute_force)
    assert point.low <= point.score <= max(point.high, point.score)


def test_a_trial_without_a_score_counts_as_the_lowest() -> None:
    curve = [point.score for point in expected_best([0.5, None, 0.7, float("nan")])]
    assert curve == pytest.approx([point.score for point in expected_best([0.5, 0.5, 0.7, 0.5])])


def test_seconds_are_those_of_so_many_trials_on_average() -> None:
    curve = expected_best([0.5, 0.6, 0.7, 0.8], seconds=[10, 20, 30, 60])
    assert [point.seconds for point in curve] == pytest.approx([30, 60, 90, 120])
    assert [point.trials for point in curve] == [1, 2, 3, 4]
    assert expected_best([0.5])[0].seconds is None


def test_it_is_unbiased() -> None:
    """The best of k uniform numbers is k / (k + 1) on average."""
    rng = np.random.default_rng(0)
    curves = [[point.score for point in expected_best(rng.random(12), resamples=2)] for _ in range(800)]
    sizes = np.arange(1, 13)
    assert np.mean(curves, axis=0) == pytest.approx(sizes / (sizes + 1), abs=0.012)


def test_intervals_cover_the_expected_best_of_a_part_of_the_trials() -> None:
    rng = np.random.default_rng(1)
    points = [expected_best(rng.random(40), trials=[10], resamples=200, seed=i)[0] for i in range(200)]
    assert np.mean([point.low <= 10 / 11 <= point.high for point in points]) >= 0.88


def test_many_trials_have_a_curve_of_few_points() -> None:
    curve = expected_best(np.random.default_rng(2).random(3000), resamples=20)
    assert len(curve) <= 100
    assert (curve[0].trials, curve[-1].trials) == (1, 3000)
    scores = [point.score for point in curve]
    assert scores == sorted(scores)


def test_a_number_of_trials_out_of_range_is_refused() -> None:
    with pytest.raises(ValueError, match="1 to 3"):
        expected_best([0.1, 0.2, 0.3], trials=[4])
    with pytest.raises(ValueError, match="2 trials"):
        expected_best([None, float("nan")])


DISTRIBUTIONS: dict[str, Callable[[np.random.Generator, int], np.ndarray]] = {
    "uniform": lambda rng, n: rng.random(n),
    "normal": lambda rng, n: rng.standard_normal(n),
    "most near the best": lambda rng, n: 1 - rng.random(n) ** 2,
    "few near the best": lambda rng, n: 1 - np.sqrt(rng.random(n)),
}


@pytest.mark.parametrize("name", DISTRIBUTIONS)
@pytest.mark.parametrize(("done", "further"), [(16, 4), (40, 40)])
def test_the_gain_of_further_trials_is_of_the_true_size(name: str, done: int, further: int) -> None:
    draw, rng = DISTRIBUTIONS[name], np.random.default_rng(3)
    estimated = np.mean([expected_gain(draw(rng, done), further) for _ in range(400)])
    best = [(scores[:done].max(), scores.max()) for scores in (draw(rng, done + further) for _ in range(6000))]
    true = np.mean([after - before for before, after in best])
    assert 0.6 * true < estimated < 1.7 * true


def test_no_gain_is_expected_of_equal_scores_and_less_of_the_hundredth_trial_than_of_the_tenth() -> None:
    assert expected_gain([0.5] * 12, 10) == 0
    scores = np.random.default_rng(4).random(100)
    assert 0 < expected_gain(scores, 5) < np.mean([expected_gain(part, 5) for part in scores.reshape(10, 10)])


def test_too_few_trials_are_refused() -> None:
    with pytest.raises(ValueError, match="4 trials"):
        expected_gain([0.1, 0.2, 0.3], 1)


@pytest.mark.parametrize("score", [float("inf"), float("-inf"), float("nan"), None])
def test_nothing_is_estimated_where_too_few_scores_are_finite(score: float | None) -> None:
    assert further_gain([score] * 12, further=5, min_trials=4) is None
    assert further_gain([score] * 12 + SCORES, further=5, min_trials=4) is not None
