"""The driver's cost per trial: figures from given times, and searches whose trials do nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import driver_cost
from benchmarks.driver_cost import COMPARISONS, _figures, controller_ms, growth, optuna_ms, per_trial_ms
from benchmarks.noop_search import NoopSearchSpec, StartBarrier, Timeline, make_controller, run_search, seed_journal
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
    found = _figures(Timeline(0.0, [1.0, 1.1, 1.2], recorded=2.0, cpu_s=0.1), 30.0)
    assert found == pytest.approx({"at_3": 70.0, "driver_cpu_3": 20.0, "in_mlflow_3": 470.0})


def test_a_search_continues_from_a_seeded_journal(tmp_path: Path) -> None:
    storage = Storage(str(tmp_path))
    seed_journal(20, storage)
    controller = make_controller(NoopSearchSpec(25, 1, "tpe"), storage, [])
    numbers = []
    while (assignment := controller.next_trial()) is not None:
        numbers.append(assignment.number)
    assert numbers == [20, 21, 22, 23, 24]
    assert [trial.status for trial in Journal(storage).trials.values()] == (
        [TrialStatus.FINISHED] * 20 + [TrialStatus.RUNNING] * 5
    )


def test_both_contenders_have_the_same_history(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, int, int]] = []
    monkeypatch.setattr(driver_cost, "optuna_ms", lambda *counts: asked.append(("optuna", *counts)) or 1.0)
    monkeypatch.setattr(
        driver_cost, "controller_ms", lambda trials, behind, folder: asked.append(("gluetune", trials, behind)) or 3.0
    )
    assert driver_cost._tpe_alone(tmp_path) == {"at_100": 2.0, "at_1000": 2.0, "at_10000": 2.0}
    gluetune = [counts for contender, *counts in asked if contender == "gluetune"]
    assert (
        gluetune
        == [counts for contender, *counts in asked if contender == "optuna"]
        == [[50, 50], [50, 950], [50, 9950]]
    )


def test_costs_are_measured_at_all(tmp_path: Path) -> None:
    assert controller_ms(3, 5, tmp_path) > 0
    assert optuna_ms(3, 5) > 0


def test_targets_of_the_comparison() -> None:
    (comparison,) = COMPARISONS
    assert {target.figure: target.limit for target in comparison.targets} == {
        "at_100": 20.0,
        "at_1000": 20.0,
        "at_10000": 20.0,
        "growth": 1.5,
    }


async def _through(barrier: StartBarrier, count: int) -> bool:
    import asyncio

    waiting = [asyncio.ensure_future(barrier.arrive()) for _ in range(count)]
    done, late = await asyncio.wait(waiting, timeout=0.05)
    for task in late:
        task.cancel()
    return len(done) == count


@pytest.mark.parametrize(("count", "opens"), [(1, False), (2, True), (3, True)])
def test_lanes_wait_for_each_other(count: int, opens: bool) -> None:
    import asyncio

    assert asyncio.run(_through(StartBarrier(2), count)) is opens


@pytest.mark.cluster
@pytest.mark.ray
@pytest.mark.slow
def test_a_noop_search_runs_on_real_lanes(ray_cluster: None, tmp_path: Path) -> None:
    times = run_search(NoopSearchSpec(6, 2, evaluations=1), tmp_path, track=False)
    assert len(times.ended) == 6
    assert times.started <= times.ended[0]
    assert times.recorded is None
