"""What lanes spent their time on: each class, sessions, kills, and that the classes add up to all of it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gluetune.events import (
    ENDED_BY_REQUEST,
    JournalEvent,
    LaneLost,
    RequestHandled,
    ResourceUse,
    SeedScored,
    SessionEnded,
    SessionStarted,
    StepLogged,
    TaskEnded,
    TrialEnded,
    TrialStarted,
    WinnerEvaluated,
    search_costs,
)
from sample_search import evaluated

LANES, WORKERS, CPUS, GPUS = 2, 2, 1.5, 0.5
CLASSES = ("training", "evaluation", "idle", "start", "lost")


def session(held_since: float = 0.0, lanes: int = LANES) -> SessionStarted:
    """A session whose first trial starts three seconds after its first lane."""
    return SessionStarted(
        time=held_since + 3,
        held_since=held_since,
        lanes=lanes,
        workers_per_lane=WORKERS,
        cpus_per_worker=CPUS,
        gpus_per_worker=GPUS,
    )


def started(number: int, time: float, task: str = "cola") -> TrialStarted:
    training: dict[str, Any] = {"batch_size": 10}
    return TrialStarted(time=time, number=number, task=task, params={}, training=training, seed=1)


def evaluation(number: int, index: int, time: float, train: float, evaluate: float, lane: str, deaths: int = 0) -> Any:
    figures: dict[str, Any] = {
        "time": time,
        "train_seconds": train,
        "eval_seconds": evaluate,
        "lane": lane,
        "worker_deaths": deaths,
    }
    return evaluated(number, index, 0.5, **figures)


def ended(number: int, time: float, status: Any = "finished") -> TrialEnded:
    return TrialEnded(time=time, number=number, status=status)


def classes(use: ResourceUse) -> dict[str, float | None]:
    """Seconds of lanes by class, without those that are zero."""
    return {name: value for name in CLASSES if (value := getattr(use.lanes, name)) != 0}


FIRST = [started(0, 3.0), evaluation(0, 1, 20.0, 8.0, 2.0, "a")]  # its first step is at 10 s


def test_classes_of_a_trial_and_the_idle_time_that_is_left() -> None:
    costs = search_costs([session(), *FIRST, ended(0, 20.0), SessionEnded(time=25.0, status="complete")])
    assert classes(costs.trials[0]) == {"training": 8.0, "evaluation": 2.0, "start": 10.0}
    assert costs.tasks == {"cola": costs.trials[0]}
    assert classes(costs.total) == {"training": 8.0, "evaluation": 2.0, "start": 10.0, "idle": 30.0}
    assert (costs.spent, costs.sessions) == (session().spent(25.0), 1)
    assert costs.total.cpus.total == 25.0 * LANES * WORKERS * CPUS
    assert costs.total.gpus.training == 8.0 * WORKERS * GPUS


def test_the_next_trial_of_a_lane_waits_and_does_not_start_it() -> None:
    second = [started(1, 20.5, "rte"), evaluation(1, 1, 30.0, 5.0, 1.0, "a"), ended(1, 30.0)]
    costs = search_costs([session(), *FIRST, ended(0, 20.0), *second, SessionEnded(time=30.0, status="complete")])
    assert classes(costs.tasks["rte"]) == {"training": 5.0, "evaluation": 1.0, "idle": 4.0}


@pytest.mark.parametrize(
    ("status", "kind"), [("stopped", "lost"), ("failed", "lost"), ("out_of_memory", "lost"), ("diverged", "training")]
)
def test_training_after_the_last_evaluation(status: str, kind: str) -> None:
    costs = search_costs([session(), *FIRST, ended(0, 26.0, status), SessionEnded(time=26.0, status="complete")])
    assert getattr(costs.trials[0].lanes, kind) == 6.0 + (8.0 if kind == "training" else 0.0)


def test_a_killed_driver_loses_what_its_trials_trained_since_their_last_evaluation() -> None:
    log = StepLogged(time=28.0, number=0, step=80, epoch=2, loss=0.1, learning_rate=1e-4, examples_per_second=100.0)
    killed = [session(), *FIRST, log]
    again = [session(100.0), evaluation(0, 2, 120.0, 8.0, 2.0, "c"), ended(0, 120.0)]
    costs = search_costs([*killed, *again, SessionEnded(time=130.0, status="complete")])
    assert classes(costs.trials[0]) == {"training": 16.0, "evaluation": 4.0, "start": 20.0, "lost": 8.0}
    assert costs.spent == session().spent(28.0 + 30.0), "that of the killed session up to its last event"
    assert costs.total.lanes.total == (28.0 + 30.0) * LANES
    running = search_costs(killed, now=30.0)
    assert classes(running.trials[0]) == {"training": 8.0 + 10.0, "evaluation": 2.0, "start": 10.0}


def test_lanes_that_a_kill_ended_before_the_first_step_were_starting() -> None:
    log = StepLogged(time=28.0, number=0, step=80, epoch=2, loss=0.1, learning_rate=1e-4, examples_per_second=100.0)
    costs = search_costs([session(), *FIRST, started(1, 5.0), log])
    assert classes(costs.trials[1]) == {"start": 23.0}


def test_a_trial_that_was_never_evaluated_loses_what_it_trained() -> None:
    """Twenty steps of ten rows at 50 rows a second: the first step was at 16 s."""
    log = StepLogged(time=20.0, number=0, step=20, epoch=1, loss=0.1, learning_rate=1e-4, examples_per_second=50.0)
    costs = search_costs([session(), started(0, 3.0), log])
    assert classes(costs.trials[0]) == {"lost": 4.0}
    logged_later = log.model_copy(update={"time": 22.0, "step": 30})
    assert classes(search_costs([session(), started(0, 3.0), log, logged_later]).trials[0]) == {"lost": 6.0}


def test_a_lane_that_dies_loses_the_training_since_the_last_evaluation_and_its_replacement_starts() -> None:
    moved = [LaneLost(time=23.0, number=0), evaluation(0, 2, 40.0, 8.0, 2.0, "c")]
    costs = search_costs([session(), *FIRST, *moved, ended(0, 40.0), SessionEnded(time=40.0, status="complete")])
    assert classes(costs.trials[0]) == {"training": 16.0, "evaluation": 4.0, "start": 10.0 + 7.0, "lost": 3.0}


def test_workers_that_die_lose_the_time_until_their_lane_trains_again() -> None:
    again = evaluation(0, 2, 40.0, 8.0, 2.0, "a", deaths=1)
    third = evaluation(0, 3, 51.0, 8.0, 2.0, "a", deaths=1)
    costs = search_costs([session(), *FIRST, again, third, ended(0, 51.0), SessionEnded(time=51.0, status="complete")])
    assert classes(costs.trials[0]) == {"training": 24.0, "evaluation": 6.0, "start": 10.0, "lost": 10.0, "idle": 1.0}


def test_training_while_an_evaluation_is_reported_counts_once() -> None:
    """The second interval began half a second before the first evaluation arrived."""
    second = evaluation(0, 2, 30.0, 8.5, 2.0, "a")
    costs = search_costs([session(lanes=1), *FIRST, second, ended(0, 30.0), SessionEnded(time=30.0, status="complete")])
    assert classes(costs.total) == {"training": 16.0, "evaluation": 4.0, "start": 10.0}


def test_scoring_the_winner_is_evaluation() -> None:
    winner = WinnerEvaluated(time=24.0, number=0, task="cola", scores={}, folder="f", seconds=3.5, refit_seconds=1)
    costs = search_costs([session(), *FIRST, ended(0, 20.0), winner, SessionEnded(time=25.0, status="complete")])
    assert classes(costs.trials[0]) == {"training": 8.0 + 1.0, "evaluation": 2.0 + 3.5, "start": 10.0}
    assert costs.total.lanes.total == 25.0 * LANES


def test_scoring_a_seed_of_a_confirmation_is_evaluation() -> None:
    scored = SeedScored(time=23.0, number=0, scores={}, rows={}, selection_scores={}, outputs="o")
    costs = search_costs([session(), *FIRST, scored, ended(0, 23.0), SessionEnded(time=23.0, status="complete")])
    assert classes(costs.trials[0]) == {"training": 8.0, "evaluation": 2.0 + 3.0, "start": 10.0}


def test_what_an_older_version_did_not_record_is_unknown_and_not_zero() -> None:
    old = [*FIRST, ended(0, 20.0)]
    costs = search_costs(old)
    assert classes(costs.trials[0]) == {"training": 8.0, "evaluation": 2.0, "idle": None, "start": None, "lost": None}
    assert (costs.spent, costs.total.lanes.total, costs.total.cpus.total) == (None, None, None)
    resumed = [session(100.0), started(1, 103.0), evaluation(1, 1, 120.0, 8.0, 2.0, "b"), ended(1, 120.0)]
    costs = search_costs([*old, *resumed])
    assert costs.trials[1].lanes.total == 20.0
    assert costs.total.lanes.total is None
    assert costs.total.lanes.training == 16.0


SECONDS = st.floats(0.125, 60.0, width=16)
ENDS = st.sampled_from(["finished", "pruned", "stopped", "failed", "diverged"])
TRIAL = st.tuples(SECONDS, st.lists(st.tuples(SECONDS, SECONDS, SECONDS), min_size=1, max_size=3), ENDS, SECONDS)
LANE = st.lists(TRIAL, min_size=1, max_size=3)


@given(st.lists(LANE, min_size=1, max_size=3), SECONDS, st.booleans())
def test_classes_add_up_to_the_time_of_all_lanes_and_are_what_each_lane_did(
    lanes: list[Any], rest: float, killed: bool
) -> None:
    """Each lane runs trials: a wait, intervals of training, evaluation and a wait before, and an end after a while."""
    truth = dict.fromkeys(CLASSES, 0.0)
    events: list[JournalEvent] = []
    number, last = 0, 3.0
    for name, trials in enumerate(lanes):
        clock = 3.0
        for place, (wait, intervals, status, tail) in enumerate(trials):
            events.append(started(number, clock))
            clock += wait
            truth["idle" if place else "start"] += wait + (0.0 if place else 3.0)
            for index, (pause, train, score) in enumerate(intervals, 1):
                pause = pause if index > 1 else 0.0
                clock += pause + train + score
                truth["idle"] += pause
                truth["training"] += train
                truth["evaluation"] += score
                events.append(evaluation(number, index, clock, train, score, f"lane-{name}"))
            if status not in ("finished", "pruned"):
                clock += tail
                truth["training" if status == "diverged" else "lost"] += tail
            events.append(ended(number, clock, status))
            number += 1
        last = max(last, clock)
        truth["idle"] -= clock
    events.sort(key=lambda event: event.time)
    end = last if killed else last + rest
    truth["idle"] += len(lanes) * end
    closing = [] if killed else [SessionEnded(time=end, status="complete")]
    costs = search_costs([session(lanes=len(lanes)), *events, *closing])
    assert {name: getattr(costs.total.lanes, name) for name in CLASSES} == pytest.approx(truth, abs=1e-6)
    assert costs.total.lanes.total == pytest.approx(len(lanes) * end)
    assert costs.total.cpus.total == pytest.approx(len(lanes) * end * WORKERS * CPUS)


def test_a_session_on_a_machine_whose_clock_is_behind_is_not_longer_for_it() -> None:
    """The driver of the first session was killed on a machine whose clock was an hour ahead."""
    ahead = [session(3600.0), started(0, 3603.0), evaluation(0, 1, 3620.0, 8.0, 2.0, "a")]
    behind = [session(100.0), evaluation(0, 2, 120.0, 8.0, 2.0, "c")]
    killed, running = search_costs([*ahead, *behind]), search_costs([*ahead, *behind], now=130.0)
    assert [costs.spent.seconds for costs in (killed, running) if costs.spent] == [20.0 + 20.0, 20.0 + 30.0]
    assert killed.total.lanes.total == LANES * 40.0


def test_of_a_resumed_cross_validation_only_the_steps_after_the_last_fold_are_lost() -> None:
    """Logs count the steps of all folds, evaluations those of their own: 150 steps are a fold."""
    fold = [
        event.model_copy(update={"step": 150, "fold": 1}) if hasattr(event, "step") else event
        for event in (started(0, 3.0), evaluation(0, 1, 20.0, 8.0, 2.0, "a"))
    ]
    log = StepLogged(time=150.0, number=0, step=170, epoch=1, loss=0.1, learning_rate=1e-4, examples_per_second=50.0)
    costs = search_costs([session(), *fold, session(100.0), log])
    assert costs.trials[0].lanes.lost == 4.0  # twenty steps of ten rows at 50 rows a second


@pytest.mark.parametrize(
    "between",
    [
        RequestHandled(time=90_000.0, request="1", action="extend", accepted=True, message=""),
        TaskEnded(time=90_000.0, task="cola", trials=1, further_trials=1, expected_gain=0.0, threshold=0.1, patience=1),
        TrialEnded(time=90_000.0, number=0, status="pruned", message=ENDED_BY_REQUEST),
    ],
    ids=["request", "end of a task", "end of a trial by a request"],
)
def test_what_happens_between_a_kill_and_the_next_session_makes_neither_longer(between: JournalEvent) -> None:
    costs = search_costs([session(), *FIRST, between, session(90_100.0), SessionEnded(time=90_110.0, status="failed")])
    assert costs.spent is not None
    assert costs.spent.seconds == 20.0 + 10.0
