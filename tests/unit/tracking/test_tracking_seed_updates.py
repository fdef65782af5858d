"""The runs of a confirmation in MLflow: their level and parents, their metrics, and writing them twice."""

from __future__ import annotations

from collections.abc import Iterable

from gluetune.events import Event, SeedScored, TrialRecord, TrialStarted, apply_event, replay_events
from gluetune.tracking.run_updates import RunUpdate
from gluetune.tracking.seed_updates import SeedMapper
from sample_search import BEGIN, ended, evaluated, events, plan, started

TRIALS = replay_events(events())


def seed_started(number: int, confirms: int | None) -> TrialStarted:
    return started(number, "cola").model_copy(update={"confirms": confirms})


def updates(journal: Iterable[Event]) -> list[RunUpdate]:
    mapper = SeedMapper(plan(), BEGIN, TRIALS)
    trials: dict[int, TrialRecord] = {}
    return [update for event in journal for update in mapper.updates(event, apply_event(trials, event))]


def scored(number: int) -> SeedScored:
    return SeedScored(
        time=BEGIN + 100 * number + 50,
        number=number,
        scores={"validation": {"matthews_correlation": 0.4}},
        rows={"validation": 400},
        selection_scores={"matthews_correlation": 0.5},
        outputs="outputs/cola-0000.npz",
    )


def one_seed(confirms: int | None = 2) -> list[Event]:
    return [seed_started(0, confirms), evaluated(0, 1, 0.5), scored(0), ended(0)]


def test_a_seed_is_a_run_below_the_trial_that_it_confirms() -> None:
    found = updates(one_seed())
    assert {update.run.key for update in found} == {"seed:0"}
    assert found[0].run.parent is not None
    assert (found[0].run.parent.key, found[0].tags["gluetune.level"]) == ("trial:2", "seed")
    assert found[0].tags["gluetune.confirms"] == "2"


def test_the_seed_of_a_default_that_was_not_tried_is_a_run_below_the_task() -> None:
    parent = updates(one_seed(None))[0].run.parent
    assert parent is not None
    assert parent.key == "task:cola"


def test_the_scores_are_metrics_and_the_end_is_the_status() -> None:
    found = updates(one_seed())
    points = {point.key: point.value for update in found for point in update.points}
    assert points["validation.matthews_correlation"] == 0.4
    assert points["selection.matthews_correlation"] == 0.5
    assert points["best_score"] == 0.5
    assert [update.status for update in found if update.status] == ["FINISHED"]


def test_a_second_write_has_the_same_times_and_values() -> None:
    assert updates(one_seed()) == updates(one_seed())
