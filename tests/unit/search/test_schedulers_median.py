"""The median rule in numbers."""

import pytest

from gluetune.search.schedulers.median import Median


def told(*curves, **settings):
    pruner = Median(**{"grace_epochs": 1.0, "max_epochs": 4.0, "min_trials": 3} | settings)
    for number, scores in enumerate(curves):
        for epoch, score in enumerate(scores, 1):
            pruner.evaluated(number, float(epoch), score)
    return pruner


def test_best_is_compared_with_the_median_of_running_averages():
    """Averages up to epoch 2 are 0.3, 0.5 and 0.9: the median is 0.5."""
    curves = ([0.2, 0.4], [0.4, 0.6], [0.8, 1.0])
    assert told(*curves).evaluated(9, 2.0, 0.5)
    assert not told(*curves).evaluated(9, 2.0, 0.49)


def test_only_evaluations_up_to_the_same_epoch_count():
    curves = ([0.2, 0.9], [0.3, 0.9], [0.4, 0.9])
    assert told(*curves).evaluated(9, 1.0, 0.3)
    assert not told(*curves).evaluated(9, 1.0, 0.29)


def test_trials_that_have_not_come_as_far_do_not_count():
    pruner = told([0.9, 0.9], [0.9, 0.9], [0.9])
    assert pruner.evaluated(9, 2.0, 0.1)
    pruner.evaluated(2, 2.0, 0.9)
    assert not pruner.evaluated(8, 2.0, 0.1)


def test_evaluations_before_the_grace_period_do_not_count():
    curves = ([0.0, 0.5], [0.0, 0.5], [0.0, 0.5])
    assert not told(*curves, grace_epochs=2.0).evaluated(9, 2.0, 0.4)
    assert told(*curves, grace_epochs=1.0).evaluated(9, 2.0, 0.4)


@pytest.mark.parametrize("epoch", [4.0, 5.0])
def test_nothing_is_cut_at_the_end(epoch):
    assert told([0.9] * 5, [0.9] * 5, [0.9] * 5).evaluated(9, epoch, 0.1)
