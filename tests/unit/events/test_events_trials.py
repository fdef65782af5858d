"""Trials replayed from events: their best evaluation, their ranking, and the winner of each task."""

from __future__ import annotations

import pytest

from gluetune.events import Event, TrialStatus, WinnerEvaluated, ranking, replay_events, winners
from sample_search import BEGIN, ended, evaluated, events, folded, started


def names(journal: list[Event], tasks: tuple[str, ...] = ("cola", "mnli")) -> list[str]:
    return [trial.name for trial in winners(folded(journal).values(), tasks)]


def scored(number: int) -> WinnerEvaluated:
    return WinnerEvaluated(time=BEGIN + 900, number=number, task="cola", scores={}, folder="winners/cola")


def test_a_trial_is_valued_by_its_first_best_evaluation() -> None:
    scores = (0.2, 0.7, 0.7, 0.1)
    trial = replay_events([started(0, "cola"), *(evaluated(0, index, score) for index, score in enumerate(scores, 1))])[
        0
    ]
    assert trial.best_score == 0.7
    assert trial.best is not None
    assert trial.best.index == 2


def test_an_evaluation_reported_twice_replaces_the_earlier_one() -> None:
    trial = replay_events([started(0, "cola"), evaluated(0, 1, 0.2), evaluated(0, 2, 0.9), evaluated(0, 2, 0.3)])[0]
    assert [e.score for e in trial.evaluations] == [0.2, 0.3]


def test_a_stopped_trial_counts_as_running_after_its_next_evaluation() -> None:
    events: list[Event] = [started(0, "cola"), ended(0, "stopped")]
    assert not replay_events(events)[0].status.final
    assert replay_events([*events, evaluated(0, 1, 0.1)])[0].status is TrialStatus.RUNNING


def test_ranking_puts_the_best_first_and_omits_other_tasks_and_trials_without_scores() -> None:
    trials = replay_events(
        [
            started(0, "cola"),
            started(1, "cola"),
            started(2, "mrpc"),
            started(3, "cola"),
            evaluated(0, 1, 0.1),
            evaluated(1, 1, 0.4),
            evaluated(2, 1, 0.9),
        ]
    )
    assert [t.number for t in ranking(trials.values(), "cola")] == [1, 0]


def test_the_best_of_each_task_in_the_order_of_the_tasks() -> None:
    assert names(events()) == ["cola-0000", "mnli-0001"]
    assert names(events(), ("mnli", "rte", "cola")) == ["mnli-0001", "cola-0000"]


@pytest.mark.parametrize(
    ("status", "winner"),
    [("finished", "cola-0004"), ("stopped", "cola-0004"), ("failed", "cola-0004"), (None, "cola-0000")],
)
def test_a_stopped_trial_can_win_and_a_running_one_cannot(status: str | None, winner: str) -> None:
    journal = [*events(), started(4, "cola"), evaluated(4, 1, 0.9)]
    assert names([*journal, ended(4, status)] if status else journal, ("cola",)) == [winner]


def test_a_winner_that_trains_further_is_no_longer_evaluated() -> None:
    journal = [started(0, "cola"), evaluated(0, 1, 0.3), ended(0, "stopped"), scored(0)]
    assert folded(journal)[0].winner is not None
    assert folded([*journal, evaluated(0, 2, 0.4), ended(0)])[0].winner is None


def test_a_task_has_one_evaluated_winner() -> None:
    journal = [*events(), started(4, "cola"), evaluated(4, 1, 0.9), ended(4), scored(4)]
    assert [trial.number for trial in folded(journal).values() if trial.winner] == [1, 4]
