"""How long a search still takes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import pytest

from gluetune.events import TrialRecord, TrialStatus
from gluetune.reporting.progress import EtaEstimator
from sample_search import ended, evaluated, events, folded, started


def remaining_seconds(
    trials: Iterable[TrialRecord], planned: Mapping[str, int | None], lanes: int
) -> dict[str, float | None]:
    pace = EtaEstimator(planned, lanes)
    for trial in trials:
        pace.update(trial)
    return pace.remaining()


def journal(task: str, number: int, evaluations: int) -> list[object]:
    """A finished trial of 9 seconds per evaluation."""
    return [started(number, task), *(evaluated(number, i + 1, 0.5) for i in range(evaluations)), ended(number)]


def test_nothing_is_known_before_the_first_trial_ends() -> None:
    trials = folded(events()[:4]).values()
    assert remaining_seconds(trials, {"cola": 2, "mnli": 2}, lanes=2) == {"cola": None, "mnli": None}


def test_one_task_on_two_lanes() -> None:
    trials = folded(journal("cola", 0, 2)).values()
    assert remaining_seconds(trials, {"cola": 5}, lanes=2) == {"cola": pytest.approx(4 * 18 / 2)}


def test_a_task_waits_for_the_others_share_of_the_lanes() -> None:
    trials = folded([*journal("cola", 0, 1), *journal("rte", 1, 3)]).values()
    left = remaining_seconds(trials, {"cola": 3, "rte": 11}, lanes=1)
    assert left["cola"] == pytest.approx(2 * 9 + 2 * 27)  # two more of each by then
    assert left["rte"] == pytest.approx(2 * 9 + 10 * 27)


def test_a_running_trial_counts_for_what_it_has_left() -> None:
    trials = folded([*journal("cola", 0, 2), started(1, "cola"), evaluated(1, 1, 0.5)]).values()
    assert remaining_seconds(trials, {"cola": 2}, lanes=1) == {"cola": pytest.approx(9)}


def test_a_covered_task_takes_no_time_and_one_without_plan_is_unknown() -> None:
    trials = folded([*journal("cola", 0, 2), *journal("rte", 1, 2)]).values()
    assert remaining_seconds(trials, {"cola": 1, "rte": None}, lanes=1) == {"cola": 0.0, "rte": None}


def test_a_trial_reported_twice_counts_once_and_one_that_goes_on_counts_as_open() -> None:
    first, second = folded([*journal("cola", 0, 2), *journal("cola", 1, 4)]).values()
    pace = EtaEstimator({"cola": 4}, lanes=1)
    for trial in (first, second, second, first):
        pace.update(trial)
    assert pace.remaining() == {"cola": pytest.approx(2 * 27)}
    second.status = TrialStatus.RUNNING
    pace.update(second)
    assert pace.remaining() == {"cola": pytest.approx(3 * 18 - 18)}  # of its 36 seconds only a mean trial's count
