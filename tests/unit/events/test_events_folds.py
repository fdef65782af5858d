"""Trials of a cross-validation, replayed from events: the mean curve ranks them."""

from __future__ import annotations

import json
import math

import pytest

import sample_search
from gluetune.events import Evaluated, Event, TrialRecord, TrialStarted, ranking
from gluetune.events.search_events import JOURNAL_EVENT_ADAPTER
from sample_search import fold_evaluations

CURVES = [[0.2, 0.5, 0.4], [0.3, 0.6, 0.9], [0.1, 0.7, 0.5]]
"""Scores of the evaluations of three folds."""


def started(number: int = 0, folds: int | None = 3) -> TrialStarted:
    return sample_search.started(number, "cola").model_copy(update={"folds": folds})


def replayed(*events: Event) -> TrialRecord:
    return sample_search.folded(events)[0]


def test_the_score_is_the_best_mean_at_one_epoch_for_all_folds() -> None:
    """Fold 2 alone is best after the third epoch; the mean is best after the second."""
    trial = replayed(started(), *fold_evaluations(CURVES), sample_search.ended(0))
    assert trial.complete_folds == 3
    assert trial.best is not None
    assert (trial.best.epoch, trial.best.index) == (2.0, 2)
    assert trial.fold_scores == [0.5, 0.6, 0.7]
    assert trial.best_score == pytest.approx(0.6)
    assert [each.score for each in trial.evaluations] == pytest.approx([0.2, 0.6, 0.6])
    assert trial.reported == 9


def test_times_and_rows_of_the_mean_curve_are_sums_and_losses_are_means() -> None:
    trial = replayed(started(), *fold_evaluations(CURVES, train_accuracy=0.5))
    first = trial.evaluations[0]
    assert (first.train_seconds, first.train_examples, first.eval_seconds) == (24.0, 5400, 3.0)
    assert first.eval_loss == pytest.approx(0.8)
    assert first.metrics == {"matthews_correlation": pytest.approx(0.2)}
    assert first.train_accuracy == 0.5
    assert first.fold is None


def test_an_incomplete_fold_does_not_count() -> None:
    events = fold_evaluations(CURVES)
    trial = replayed(started(), *events[:8], sample_search.ended(0, "stopped"))
    assert trial.complete_folds == 2
    assert trial.fold_scores == [0.4, 0.9], "the mean of two folds is best after the third epoch"
    assert len(trial.all_evaluations) == 8
    first_fold_alone = replayed(started(), *events[:2])
    assert (first_fold_alone.complete_folds, first_fold_alone.best_score) == (0, 0.5)
    assert first_fold_alone.fold_scores == []


def test_a_fold_that_patience_ended_is_complete_once_the_next_has_an_evaluation_or_the_trial_has_finished() -> None:
    events = fold_evaluations([[0.2, 0.5], [0.3, 0.6, 0.9]])
    assert replayed(started(folds=2), *events[:2]).complete_folds == 0
    assert replayed(started(folds=2), *events[:3]).complete_folds == 1
    trial = replayed(started(folds=2), *events[:4], sample_search.ended(0))
    assert trial.complete_folds == 2
    assert [each.score for each in trial.evaluations] == pytest.approx([0.25, 0.55]), "as far as both folds go"


def test_an_evaluation_that_is_reported_again_replaces_the_first_and_what_followed() -> None:
    events = fold_evaluations(CURVES)
    again = events[4].model_copy(update={"lane": "other"})
    trial = replayed(started(), *events[:7], again)
    assert [len(fold) for fold in trial.fold_evaluations] == [3, 2]
    assert trial.fold_evaluations[1][1].lane == "other"
    assert replayed(started(), *events[:7], again, *events[5:]).best_score == pytest.approx(0.6)


def test_trials_with_more_folds_rank_before_those_with_an_easy_first_fold() -> None:
    trials = sample_search.folded(
        [
            started(0),
            *fold_evaluations([[0.9] * 3], 0),
            sample_search.ended(0, "pruned"),
            started(1),
            *fold_evaluations(CURVES, 1),
            sample_search.ended(1),
        ]
    )
    assert [trial.number for trial in ranking(trials.values(), "cola")] == [1, 0]


def test_an_undefined_score_in_one_fold_takes_that_epoch_out() -> None:
    curves = [[0.2, math.nan, 0.4], *CURVES[1:]]
    trial = replayed(started(), *fold_evaluations(curves), sample_search.ended(0))
    assert trial.best is not None
    assert trial.best.index == 3


def test_events_without_folds_are_written_as_before_and_read_without_a_fold() -> None:
    for event in sample_search.events():
        line = event.model_dump_json()
        assert not {"fold", "folds", "refit_rows", "refit_epochs"} & json.loads(line).keys()
        assert JOURNAL_EVENT_ADAPTER.validate_json(line).model_dump_json() == line


def test_a_fold_is_written_and_read_back() -> None:
    for event in (started(), *fold_evaluations(CURVES)):
        read = JOURNAL_EVENT_ADAPTER.validate_json(event.model_dump_json())
        assert read == event
        assert not isinstance(read, Evaluated) or read.fold is not None
