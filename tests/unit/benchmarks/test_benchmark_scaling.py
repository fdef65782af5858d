"""Trials per minute against the ideal, and trials that only sleep."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.noop_search import NoopSearchSpec, NoopTrial, Timeline, make_controller
from benchmarks.scaling import COMPARISONS, LANES, _trials, figures, ideal_per_minute, per_minute
from gluetune.events import Evaluation, evaluation_event
from gluetune.lanes import TrialAssignment
from gluetune.storage import Storage
from gluetune.training import DistributedContext

TRIALS = NoopSearchSpec(count=8, lanes=2, evaluations=3, steps=19, step_s=0.05)


def test_the_ideal_is_that_of_lanes_that_never_wait() -> None:
    assert TRIALS.trial_s == pytest.approx(3.0)
    assert ideal_per_minute(TRIALS) == pytest.approx(40.0)


def test_trials_are_counted_from_the_first_step_to_the_last_end() -> None:
    assert per_minute(Timeline(100.0, [103.0, 103.0, 106.0, 115.0], None)) == pytest.approx(60 * 4 / 15)


def test_the_smallest_share_of_the_ideal_counts() -> None:
    one = NoopSearchSpec(count=4, lanes=1, evaluations=1, steps=29, step_s=0.1)
    found = figures(
        [
            (one, Timeline(0.0, [3.0, 6.0, 9.0, 12.0], None)),
            (TRIALS, Timeline(0.0, [3.0, 3.0, 6.0, 6.0, 9.0, 9.0, 15.0, 15.0], None)),
        ]
    )
    assert found["share_1"] == pytest.approx(1.0)
    assert found["share_2"] == found["linear"] == pytest.approx(12 / 15)


def test_no_scheduler_stops_trials_which_would_seem_faster_than_the_ideal() -> None:
    assert {_trials(lanes).scheduler for lanes in LANES} == {"none"}


def test_every_trial_trains_all_its_evaluations(tmp_path: Path) -> None:
    trials = _trials(1)
    controller, work = make_controller(trials, Storage(str(tmp_path)), []), NoopTrial(trials, None)
    assignment = controller.next_trial()
    assert assignment is not None
    goes_on = []
    for index in range(1, trials.evaluations + 1):
        event = evaluation_event(work._evaluation(assignment, index, 0.0, 0.0), time=0.0, number=assignment.number)
        goes_on.append(controller.handle_event(event))
    assert goes_on[:-1] == [True] * (trials.evaluations - 1)


def test_the_comparison_is_for_one_to_eight_lanes() -> None:
    (comparison,) = COMPARISONS
    assert LANES == (1, 2, 4, 8)
    assert {f"per_minute_{lanes}" for lanes in LANES} <= {figure.name for figure in comparison.figures}


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
