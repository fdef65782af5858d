"""Searches whose trials do nothing or sleep: figures from given times, and the trials."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import overhead
from benchmarks.noop_search import (
    NoopSearchSpec,
    NoopTrial,
    StartBarrier,
    Timeline,
    make_controller,
    run_search,
    seed_journal,
)
from benchmarks.overhead import (
    DRIVER_COST,
    SCALED_LANES,
    SCALING,
    _cost_figures,
    controller_ms,
    growth,
    ideal_per_minute,
    optuna_ms,
    per_minute,
    per_trial_ms,
    scaling_figures,
    sleeping_trials,
)
from gluetune.events import Evaluation, JournalReader, TrialStatus, evaluation_event
from gluetune.lanes import TrialAssignment
from gluetune.storage import Storage
from gluetune.training import DistributedContext


def test_cost_is_the_time_between_two_ends() -> None:
    assert per_trial_ms([10.0, 10.02, 10.08, 10.12]) == pytest.approx(40.0)


def test_growth_compares_the_last_trials_with_the_first() -> None:
    steady = [0.01 * number for number in range(100)]
    slower = [*steady, *(steady[-1] + 0.03 * number for number in range(1, 11))]
    assert growth(steady, 10) == pytest.approx(1.0)
    assert growth(slower, 10) == pytest.approx(3.0)


def test_optunas_own_share_is_taken_off_and_mlflow_counted_to_its_last_write() -> None:
    found = _cost_figures(Timeline(0.0, [1.0, 1.1, 1.2], recorded=2.0, cpu_s=0.1), 30.0)
    assert found == pytest.approx({"at_3": 70.0, "driver_cpu_3": 20.0, "in_mlflow_3": 470.0})


def test_a_search_continues_from_a_seeded_journal(tmp_path: Path) -> None:
    storage = Storage(str(tmp_path))
    seed_journal(20, storage)
    controller = make_controller(NoopSearchSpec(25, 1, "tpe"), storage, [])
    numbers = []
    while (assignment := controller.next_trial()) is not None:
        numbers.append(assignment.number)
    assert numbers == [20, 21, 22, 23, 24]
    assert [trial.status for trial in JournalReader(storage).trials.values()] == (
        [TrialStatus.FINISHED] * 20 + [TrialStatus.RUNNING] * 5
    )


def test_both_contenders_have_the_same_history(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, int, int]] = []
    monkeypatch.setattr(overhead, "optuna_ms", lambda *counts: asked.append(("optuna", *counts)) or 1.0)
    monkeypatch.setattr(
        overhead, "controller_ms", lambda trials, behind, folder: asked.append(("gluetune", trials, behind)) or 3.0
    )
    assert overhead._tpe_alone(tmp_path) == {"at_100": 2.0, "at_1000": 2.0, "at_10000": 2.0}
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
    assert {target.figure: target.limit for target in DRIVER_COST.targets} == {
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


TRIALS = NoopSearchSpec(count=8, lanes=2, evaluations=3, steps=19, step_s=0.05)


def test_the_ideal_is_that_of_lanes_that_never_wait() -> None:
    assert TRIALS.trial_s == pytest.approx(3.0)
    assert ideal_per_minute(TRIALS) == pytest.approx(40.0)


def test_trials_are_counted_from_the_first_step_to_the_last_end() -> None:
    assert per_minute(Timeline(100.0, [103.0, 103.0, 106.0, 115.0], None)) == pytest.approx(60 * 4 / 15)


def test_the_smallest_share_of_the_ideal_counts() -> None:
    one = NoopSearchSpec(count=4, lanes=1, evaluations=1, steps=29, step_s=0.1)
    found = scaling_figures(
        [
            (one, Timeline(0.0, [3.0, 6.0, 9.0, 12.0], None)),
            (TRIALS, Timeline(0.0, [3.0, 3.0, 6.0, 6.0, 9.0, 9.0, 15.0, 15.0], None)),
        ]
    )
    assert found["share_1"] == pytest.approx(1.0)
    assert found["share_2"] == found["linear"] == pytest.approx(12 / 15)


def test_no_scheduler_stops_trials_which_would_seem_faster_than_the_ideal() -> None:
    assert {sleeping_trials(lanes).scheduler for lanes in SCALED_LANES} == {"none"}


def test_every_trial_trains_all_its_evaluations(tmp_path: Path) -> None:
    trials = sleeping_trials(1)
    controller, work = make_controller(trials, Storage(str(tmp_path)), []), NoopTrial(trials, None)
    assignment = controller.next_trial()
    assert assignment is not None
    goes_on = []
    for index in range(1, trials.evaluations + 1):
        event = evaluation_event(work._evaluation(assignment, index, 0.0, 0.0), time=0.0, number=assignment.number)
        goes_on.append(controller.handle_event(event))
    assert goes_on[:-1] == [True] * (trials.evaluations - 1)


def test_the_comparison_is_for_one_to_eight_lanes() -> None:
    assert SCALED_LANES == (1, 2, 4, 8)
    assert {f"per_minute_{lanes}" for lanes in SCALED_LANES} <= {figure.name for figure in SCALING.figures}


class LimitedContext:
    """A context that wants so many evaluations."""

    def __init__(self, wanted: int) -> None:
        self.left, self.evaluations = wanted, list[Evaluation]()

    def should_continue(self, step: int) -> bool:
        return self.left > 0

    def report(self, evaluation: Evaluation) -> bool:
        self.evaluations.append(evaluation)
        self.left -= 1
        return self.left > 0

    def log(self, log: object) -> None:
        raise AssertionError("no logs")


@pytest.mark.parametrize(("wanted", "evaluations"), [(9, 2), (1, 1)])
def test_a_noop_trial_sleeps_reports_and_stops_when_asked(
    monkeypatch: pytest.MonkeyPatch, wanted: int, evaluations: int
) -> None:
    slept: list[float] = []
    monkeypatch.setattr("time.sleep", slept.append)
    work = NoopTrial(NoopSearchSpec(1, 1, evaluations=2, steps=3, step_s=0.5), barrier=None)
    work._arrived = True
    context = LimitedContext(wanted)
    assignment = TrialAssignment(
        0, "cola", {"learning_rate": 1e-4, "warmup_ratio": 0.0, "num_train_epochs": 2}, 1, "trials/cola-0000"
    )
    work.run(assignment, context, None, DistributedContext())  # type: ignore[arg-type]
    assert [evaluation.index for evaluation in context.evaluations] == list(range(1, evaluations + 1))
    assert sum(slept) == 0.5 * 4 * evaluations
    assert context.evaluations[0].score == 1.0
