"""Which trial wins a task, and when a score on the development rows no longer belongs to it."""

from __future__ import annotations

import pytest

from gluetune.events import Event, WinnerEvaluated, winners
from sample_search import BEGIN, ended, evaluated, events, folded, started


def names(journal: list[Event], tasks: tuple[str, ...] = ("cola", "mnli")) -> list[str]:
    return [trial.name for trial in winners(folded(journal).values(), tasks)]


def scored(number: int) -> WinnerEvaluated:
    return WinnerEvaluated(time=BEGIN + 900, number=number, task="cola", scores={}, folder="winners/cola")


def test_the_best_of_each_task_in_the_order_of_the_tasks() -> None:
    assert names(events()) == ["cola-0000", "mnli-0001"]
    assert names(events(), ("mnli", "rte", "cola")) == ["mnli-0001", "cola-0000"]


@pytest.mark.parametrize(
    ("status", "winner"),
    [("finished", "cola-0004"), ("stopped", "cola-0004"), ("failed", "cola-0004"), (None, "cola-0000")],
)
def test_a_stopped_trial_may_win_and_a_running_one_not(status: str | None, winner: str) -> None:
    journal = [*events(), started(4, "cola"), evaluated(4, 1, 0.9)]
    assert names([*journal, ended(4, status)] if status else journal, ("cola",)) == [winner]


def test_a_winner_that_trains_on_must_be_scored_again() -> None:
    journal = [started(0, "cola"), evaluated(0, 1, 0.3), ended(0, "stopped"), scored(0)]
    assert folded(journal)[0].winner is not None
    assert folded([*journal, evaluated(0, 2, 0.4), ended(0)])[0].winner is None


def test_a_task_has_one_scored_winner_for_there_is_one_folder() -> None:
    journal = [*events(), started(4, "cola"), evaluated(4, 1, 0.9), ended(4), scored(4)]
    assert [trial.number for trial in folded(journal).values() if trial.winner] == [1, 4]
