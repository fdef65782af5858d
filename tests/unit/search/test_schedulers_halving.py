"""Rungs, brackets and who is kept, in numbers."""

from collections import Counter

import pytest

from gluetune.search.schedulers.halving import Halving, rungs


@pytest.mark.parametrize(
    ("grace", "factor", "end", "expected"),
    [
        (1, 2, 8, [1, 2, 4]),
        (1, 3, 27, [1, 3, 9]),
        (1, 10, 1000, [1, 10, 100]),
        (0.1, 3, 1, [0.1, 0.3, 0.9]),
        (3, 2, 3, []),
    ],
)
def test_rungs_are_a_geometric_row_below_the_end(grace, factor, end, expected):
    assert rungs(grace, factor, end) == pytest.approx(expected)


@pytest.mark.parametrize(("factor", "kept"), [(2.0, 5), (4.0, 3), (10.0, 1)])
def test_best_share_of_a_rung_goes_on(factor, kept):
    """Ten trials in falling order: the n-th is kept while it is among the best ceil(n / factor)."""
    pruner = Halving(1.0, factor, 100.0, min_trials=1)
    first = pruner.evaluated(0, 1.0, 1.0)
    others = [pruner.evaluated(number, 1.0, 1.0 - number / 10) for number in range(1, 10)]
    assert first
    assert not any(others)
    better = [pruner.evaluated(number, 1.0, 1.0 + number / 10) for number in range(10, 20)]
    assert all(better)
    places = [pruner.evaluated(100 + place, 1.0, 2.95 - place / 10) for place in range(20)]
    assert places[:kept] == [True] * kept
    assert not places[-1]


def test_nobody_is_cut_before_min_trials_others_reached_the_rung():
    pruner = Halving(1.0, 2.0, 8.0, min_trials=3)
    assert [pruner.evaluated(number, 1.0, 0.9 - number / 10) for number in range(5)] == [True, True, True, False, False]


def test_rungs_are_judged_one_by_one():
    pruner = Halving(1.0, 2.0, 8.0, min_trials=1)
    assert pruner.evaluated(0, 1.0, 0.5)
    assert pruner.evaluated(0, 2.0, 0.9)
    assert pruner.evaluated(1, 1.0, 0.6)
    assert pruner.evaluated(1, 1.5, 0.6)
    assert not pruner.evaluated(1, 2.0, 0.6)


def test_tenths_of_an_epoch_reach_the_rung_they_add_up_to():
    pruner, tenths = Halving(1.0, 2.0, 8.0, min_trials=1), sum([0.1] * 10)
    assert tenths < 1.0
    assert pruner.evaluated(0, tenths, 0.9)
    assert not pruner.evaluated(1, tenths, 0.1)


def test_trial_evaluated_past_several_rungs_enters_the_last_only():
    pruner = Halving(1.0, 2.0, 8.0, min_trials=1)
    assert pruner.evaluated(0, 4.0, 0.9)
    assert pruner.evaluated(1, 1.0, 0.1)
    assert pruner.evaluated(1, 2.0, 0.1)
    assert not pruner.evaluated(1, 4.0, 0.1)


def first_cuts(pruner, count=400):
    """Epoch at which each of many hopeless trials is cut, counted."""
    for number in range(count):
        for epoch in (1.0, 2.0, 4.0):
            pruner.evaluated(number, epoch, 1.0)
    return Counter(
        next((epoch for epoch in (1.0, 2.0, 4.0, 8.0) if not pruner.evaluated(number, epoch, 0.0)), None)
        for number in range(count, 2 * count)
    )


def test_hyperband_shares_trials_out_by_its_bracket_sizes():
    """Three rungs: brackets of 8, 6, 4 and 4 trials, the last of which is never cut (Li et al. 2018, algorithm 1)."""
    cuts = first_cuts(Halving(1.0, 2.0, 8.0, min_trials=3, brackets=9, seed=1))
    for epoch, size in ((1.0, 8), (2.0, 6), (4.0, 4), (None, 4)):
        assert cuts[epoch] == pytest.approx(400 * size / 22, abs=4)


def test_one_bracket_is_asha():
    assert first_cuts(Halving(1.0, 2.0, 8.0, min_trials=3)) == {1.0: 400}


def test_bracket_depends_on_number_and_seed_alone():
    def kept(seed, order):
        pruner = Halving(1.0, 2.0, 8.0, min_trials=3, brackets=4, seed=seed)
        for number in range(100, 160):
            pruner.evaluated(number, 1.0, 1.0)
        return {number: pruner.evaluated(number, 1.0, 0.0) for number in order}

    assert kept(0, range(20)) == kept(0, reversed(range(20))) != kept(1, range(20))


def told(*curves, warmup=0.0):
    """A pruner with rungs after 1, 2 and 4 epochs that was told trials of these scores, epoch by epoch."""
    pruner = Halving(1.0, 2.0, 6.0, min_trials=1)
    for number, scores in enumerate(curves):
        for epoch, score in enumerate(scores, 1):
            pruner.evaluated(number, float(epoch), score, warmup)
    return pruner


RISING = [[0.5, 0.6, 0.7, 0.8, 0.9]] * 4


@pytest.mark.parametrize(("score", "kept"), [(0.81, True), (0.8, True), (0.79, False)])
def test_trial_that_warms_up_past_rungs_is_judged_at_the_next_by_scores_of_equal_epochs(score, kept):
    pruner = told(*RISING)
    assert all(pruner.evaluated(9, epoch, 0.1 * epoch, 1.5) for epoch in (1.0, 2.0, 3.0))
    assert pruner.evaluated(9, 4.0, score, 1.5) == kept


def test_half_of_its_training_may_be_warm_up_for_a_trial_to_be_cut():
    assert not told(*RISING).evaluated(9, 1.0, 0.1, 0.5)
    assert told(*RISING).evaluated(9, 1.0, 0.1, 0.51)


def test_trial_that_warms_up_until_its_end_is_never_cut():
    pruner = told(*RISING)
    assert all(pruner.evaluated(9, epoch, 0.1, 3.0) for epoch in (1.0, 2.0, 3.0, 4.0, 5.0, 6.0))


def test_scores_of_the_warm_up_count_for_other_trials():
    pruner = told([0.5], [0.4], [0.3], warmup=1.5)
    assert pruner.evaluated(8, 1.0, 0.45)
    assert not pruner.evaluated(9, 1.0, 0.2)
