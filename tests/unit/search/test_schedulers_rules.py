"""Successive halving, Hyperband and the median rule in numbers; warm-up and length of trials."""

from collections import Counter
from typing import Any

import pytest

from gluetune.config import SearchSpace, TrainingConfig
from gluetune.search.schedulers import max_epochs, warmup_epochs
from gluetune.search.schedulers.stopping_rules import Halving, Median, rungs


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
def test_rungs_are_a_geometric_row_below_the_end(grace: float, factor: Any, end: Any, expected: Any) -> None:
    assert rungs(grace, factor, end) == pytest.approx(expected)


@pytest.mark.parametrize(("factor", "kept"), [(2.0, 5), (4.0, 3), (10.0, 1)])
def test_the_best_share_of_a_rung_continues(factor: Any, kept: Any) -> None:
    """Ten trials in falling order: the n-th is continued while it is among the best ceil(n / factor)."""
    pruner = Halving(1.0, factor, 100.0, min_trials=1)
    first = pruner.report(0, 1.0, 1.0)
    others = [pruner.report(number, 1.0, 1.0 - number / 10) for number in range(1, 10)]
    assert first
    assert not any(others)
    better = [pruner.report(number, 1.0, 1.0 + number / 10) for number in range(10, 20)]
    assert all(better)
    places = [pruner.report(100 + place, 1.0, 2.95 - place / 10) for place in range(20)]
    assert places[:kept] == [True] * kept
    assert not places[-1]


def test_no_trial_is_pruned_before_min_trials_others_reached_the_rung() -> None:
    pruner = Halving(1.0, 2.0, 8.0, min_trials=3)
    assert [pruner.report(number, 1.0, 0.9 - number / 10) for number in range(5)] == [True, True, True, False, False]


def test_rungs_are_judged_one_by_one() -> None:
    pruner = Halving(1.0, 2.0, 8.0, min_trials=1)
    assert pruner.report(0, 1.0, 0.5)
    assert pruner.report(0, 2.0, 0.9)
    assert pruner.report(1, 1.0, 0.6)
    assert pruner.report(1, 1.5, 0.6)
    assert not pruner.report(1, 2.0, 0.6)


def test_tenths_of_an_epoch_reach_the_rung_they_add_up_to() -> None:
    pruner, tenths = Halving(1.0, 2.0, 8.0, min_trials=1), sum([0.1] * 10)
    assert tenths < 1.0
    assert pruner.report(0, tenths, 0.9)
    assert not pruner.report(1, tenths, 0.1)


def test_trial_evaluated_past_several_rungs_enters_the_last_only() -> None:
    pruner = Halving(1.0, 2.0, 8.0, min_trials=1)
    assert pruner.report(0, 4.0, 0.9)
    assert pruner.report(1, 1.0, 0.1)
    assert pruner.report(1, 2.0, 0.1)
    assert not pruner.report(1, 4.0, 0.1)


def first_cuts(pruner: Any, count: Any = 400) -> Any:
    """Epoch at which each of many bad trials is pruned, counted."""
    for number in range(count):
        for epoch in (1.0, 2.0, 4.0):
            pruner.report(number, epoch, 1.0)
    return Counter(
        next((epoch for epoch in (1.0, 2.0, 4.0, 8.0) if not pruner.report(number, epoch, 0.0)), None)
        for number in range(count, 2 * count)
    )


def test_hyperband_divides_trials_by_its_bracket_sizes() -> None:
    """Three rungs: brackets of 8, 6, 4 and 4 trials, the last of which never prunes (Li et al. 2018, algorithm 1)."""
    cuts = first_cuts(Halving(1.0, 2.0, 8.0, min_trials=3, brackets=9, seed=1))
    for epoch, size in ((1.0, 8), (2.0, 6), (4.0, 4), (None, 4)):
        assert cuts[epoch] == pytest.approx(400 * size / 22, abs=4)


def test_one_bracket_is_asha() -> None:
    assert first_cuts(Halving(1.0, 2.0, 8.0, min_trials=3)) == {1.0: 400}


def test_bracket_depends_on_number_and_seed_alone() -> None:
    def kept(seed: int, order: Any) -> Any:
        pruner = Halving(1.0, 2.0, 8.0, min_trials=3, brackets=4, seed=seed)
        for number in range(100, 160):
            pruner.report(number, 1.0, 1.0)
        return {number: pruner.report(number, 1.0, 0.0) for number in order}

    assert kept(0, range(20)) == kept(0, reversed(range(20))) != kept(1, range(20))


def halving(*curves: Any, warmup: Any = 0.0) -> Any:
    """A pruner with rungs after 1, 2 and 4 epochs, after trials of these scores, epoch by epoch."""
    pruner = Halving(1.0, 2.0, 6.0, min_trials=1)
    for number, scores in enumerate(curves):
        for epoch, score in enumerate(scores, 1):
            pruner.report(number, float(epoch), score, warmup)
    return pruner


RISING = [[0.5, 0.6, 0.7, 0.8, 0.9]] * 4


@pytest.mark.parametrize(("score", "kept"), [(0.81, True), (0.8, True), (0.79, False)])
def test_trial_that_warms_up_past_rungs_is_judged_at_the_next_one(score: Any, kept: Any) -> None:
    pruner = halving(*RISING)
    assert all(pruner.report(9, epoch, 0.1 * epoch, 1.5) for epoch in (1.0, 2.0, 3.0))
    assert pruner.report(9, 4.0, score, 1.5) == kept


def test_half_of_its_training_may_be_warm_up_for_a_trial_to_be_pruned() -> None:
    assert not halving(*RISING).report(9, 1.0, 0.1, 0.5)
    assert halving(*RISING).report(9, 1.0, 0.1, 0.51)


def test_trial_that_warms_up_until_its_end_is_never_pruned() -> None:
    pruner = halving(*RISING)
    assert all(pruner.report(9, epoch, 0.1, 3.0) for epoch in (1.0, 2.0, 3.0, 4.0, 5.0, 6.0))


def test_scores_of_the_warm_up_count_for_other_trials() -> None:
    pruner = halving([0.5], [0.4], [0.3], warmup=1.5)
    assert pruner.report(8, 1.0, 0.45)
    assert not pruner.report(9, 1.0, 0.2)


def median(*curves: Any, **settings: Any) -> Any:
    pruner = Median(**{"grace_epochs": 1.0, "max_epochs": 4.0, "min_trials": 3} | settings)
    for number, scores in enumerate(curves):
        for epoch, score in enumerate(scores, 1):
            pruner.report(number, float(epoch), score)
    return pruner


def test_best_is_compared_with_the_median_of_running_averages() -> None:
    """Averages up to epoch 2 are 0.3, 0.5 and 0.9: the median is 0.5."""
    curves = ([0.2, 0.4], [0.4, 0.6], [0.8, 1.0])
    assert median(*curves).report(9, 2.0, 0.5)
    assert not median(*curves).report(9, 2.0, 0.49)


def test_only_evaluations_up_to_the_same_epoch_count() -> None:
    curves = ([0.2, 0.9], [0.3, 0.9], [0.4, 0.9])
    assert median(*curves).report(9, 1.0, 0.3)
    assert not median(*curves).report(9, 1.0, 0.29)


def test_trials_with_fewer_epochs_do_not_count() -> None:
    pruner = median([0.9, 0.9], [0.9, 0.9], [0.9])
    assert pruner.report(9, 2.0, 0.1)
    pruner.report(2, 2.0, 0.9)
    assert not pruner.report(8, 2.0, 0.1)


def test_evaluations_before_the_grace_period_do_not_count() -> None:
    curves = ([0.0, 0.5], [0.0, 0.5], [0.0, 0.5])
    assert not median(*curves, grace_epochs=2.0).report(9, 2.0, 0.4)
    assert median(*curves, grace_epochs=1.0).report(9, 2.0, 0.4)


@pytest.mark.parametrize("epoch", [4.0, 5.0])
def test_nothing_is_pruned_at_the_end(epoch: Any) -> None:
    assert median([0.9] * 5, [0.9] * 5, [0.9] * 5).report(9, epoch, 0.1)


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"type": "choice", "values": [2, 4, 3]}, 4.0),
        ({"type": "int", "low": 1, "high": 6}, 6.0),
        ({"type": "float", "low": 0.5, "high": 2.5}, 2.5),
    ],
)
def test_longest_searched_trial(spec: Any, expected: Any) -> None:
    space = SearchSpace.model_validate({"name": "s", "space": {"num_train_epochs": spec}})
    assert max_epochs(TrainingConfig(num_train_epochs=9), space) == expected


def test_fixed_length_is_the_jobs_before_the_spaces() -> None:
    space = SearchSpace.model_validate(
        {"name": "s", "training": {"num_train_epochs": 10}, "space": {"batch_size": {"type": "choice", "values": [16]}}}
    )
    assert max_epochs(TrainingConfig(num_train_epochs=5), space) == 5.0
    assert max_epochs(TrainingConfig(), space) == 10.0


@pytest.mark.parametrize(
    ("training", "expected"),
    [
        ({}, 0.3),
        ({"warmup_ratio": 0.3, "num_train_epochs": 5}, 1.5),
        ({"warmup_ratio": 0.0}, 0.0),
        ({"warmup_steps": 50, "warmup_ratio": 0.9}, 0.5),
        ({"warmup_steps": 0}, 0.0),
        ({"max_steps": 400, "num_train_epochs": 50}, 0.4),
        ({"lr_scheduler_type": "constant"}, 0.0),
        ({"lr_scheduler_type": "constant_with_warmup"}, 0.3),
    ],
)
def test_warm_up_in_epochs_of_a_hundred_steps(training: Any, expected: Any) -> None:
    assert warmup_epochs(training, 100) == pytest.approx(expected)
