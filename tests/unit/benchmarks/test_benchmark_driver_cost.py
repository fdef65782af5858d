"""The driver's cost per trial: figures from given times, and searches whose trials do nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import driver_cost
from benchmarks.driver_cost import COMPARISONS, _figures, conducted_ms, growth, optuna_ms, per_trial_ms
from benchmarks.pretended import Gate, Times, Trials, conductor, grow, search
from gluetune.events import Journal, TrialStatus
from gluetune.storage import Storage


def test_cost_is_the_time_between_two_ends() -> None:
    assert per_trial_ms([10.0, 10.02, 10.08, 10.12]) == pytest.approx(40.0)


def test_growth_compares_the_last_trials_with_the_first() -> None:
    steady = [0.01 * number for number in range(100)]
    slower = [*steady, *(steady[-1] + 0.03 * number for number in range(1, 11))]
    assert growth(steady, 10) == pytest.approx(1.0)
    assert growth(slower, 10) == pytest.approx(3.0)


def test_optunas_own_share_is_taken_off_and_mlflow_counted_to_its_last_write() -> None:
    found = _figures(Times(0.0, [1.0, 1.1, 1.2], recorded=2.0, cpu_s=0.1), 30.0)
    assert found == pytest.approx({"at_3": 70.0, "driver_cpu_3": 20.0, "in_mlflow_3": 470.0})


def test_a_grown_search_is_one_that_can_be_gone_on_with(tmp_path: Path) -> None:
    storage = Storage(str(tmp_path))
    grow(20, storage)
    driver = conductor(Trials(25, 1, "tpe"), storage, [])
    dealt = []
    while (order := driver.deal()) is not None:
        dealt.append(order.number)
    assert dealt == [20, 21, 22, 23, 24]
    assert [trial.status for trial in Journal(storage).trials.values()] == (
        [TrialStatus.FINISHED] * 20 + [TrialStatus.RUNNING] * 5
    )


def test_both_sides_have_the_same_number_of_trials_behind_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, int, int]] = []
    monkeypatch.setattr(driver_cost, "optuna_ms", lambda *counts: asked.append(("optuna", *counts)) or 1.0)
    monkeypatch.setattr(
        driver_cost, "conducted_ms", lambda trials, behind, folder: asked.append(("ours", trials, behind)) or 3.0
    )
    assert driver_cost._tpe_alone(tmp_path) == {"at_100": 2.0, "at_1000": 2.0, "at_10000": 2.0}
    ours = [counts for side, *counts in asked if side == "ours"]
    assert ours == [counts for side, *counts in asked if side == "optuna"] == [[50, 50], [50, 950], [50, 9950]]


def test_costs_are_measured_at_all(tmp_path: Path) -> None:
    assert conducted_ms(3, 5, tmp_path) > 0
    assert optuna_ms(3, 5) > 0


def test_goals_are_those_of_the_issue() -> None:
    (comparison,) = COMPARISONS
    assert {goal.figure: goal.limit for goal in comparison.goals} == {
        "at_100": 20.0,
        "at_1000": 20.0,
        "at_10000": 20.0,
        "growth": 1.5,
    }


async def _through(gate: Gate, count: int) -> bool:
    import asyncio

    waiting = [asyncio.ensure_future(gate.arrive()) for _ in range(count)]
    done, late = await asyncio.wait(waiting, timeout=0.05)
    for task in late:
        task.cancel()
    return len(done) == count


@pytest.mark.parametrize(("count", "opens"), [(1, False), (2, True), (3, True)])
def test_lanes_wait_for_each_other(count: int, opens: bool) -> None:
    import asyncio

    assert asyncio.run(_through(Gate(2), count)) is opens


@pytest.mark.cluster
@pytest.mark.ray
@pytest.mark.slow
def test_a_pretended_search_runs_on_real_lanes(ray_cluster: None, tmp_path: Path) -> None:
    times = search(Trials(6, 2, evaluations=1), tmp_path, track=False)
    assert len(times.ended) == 6
    assert times.started <= times.ended[0]
    assert times.recorded is None
