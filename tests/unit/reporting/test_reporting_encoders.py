"""The comparison of encoders, and the Pareto front of score and time."""

from __future__ import annotations

from typing import Any

from gluetune.events import Evaluated, TrialRecord, TrialStatus, row_times
from gluetune.reporting.encoders import distinct_names, pareto_front


def trial(number: int, model: str, score: float, ms: float | None, **training: Any) -> TrialRecord:
    record = TrialRecord(number, "cola", {"model": model}, training, 0, 0.0, TrialStatus.FINISHED, ended=1.0)
    steps = {"index": 1, "step": 1, "total_steps": 1, "epoch": 1.0, "steps_per_epoch": 1, "learning_rate": 0.0}
    values = {"score": score, "metrics": {}, "eval_loss": 0.0, "train_loss": 0.0}
    timed = {} if ms is None else {"eval_seconds": ms / 1000 * 50, "eval_examples": 50}
    record.evaluations.append(Evaluated(time=0.0, number=number, **steps, **values, **timed))  # type: ignore[arg-type]
    return record


def names(trials: list[TrialRecord]) -> list[str]:
    return [point.trial for point in pareto_front("cola", trials)]


def test_the_front_has_the_trials_that_no_other_beats() -> None:
    trials = [
        trial(0, "slow", 0.9, 8.0),
        trial(1, "slow", 0.7, 8.0),
        trial(2, "fast", 0.8, 1.0),
        trial(3, "fast", 0.8, 1.0),
        trial(4, "middle", 0.6, 4.0),
        trial(5, "fastest", 0.1, 0.5),
    ]
    assert names(trials) == ["cola-0000", "cola-0002", "cola-0005"]
    assert names(trials[3:]) == ["cola-0003", "cola-0005"]


def test_a_busy_machine_does_not_make_two_trials_of_the_same_work_differ() -> None:
    trials = [trial(0, "a", 0.9, 9.0), trial(1, "a", 0.5, 1.0), trial(2, "a", 0.8, 3.0, head="mlp")]
    assert row_times(trials) == {0: 1.0, 1: 1.0, 2: 3.0}
    assert names(trials) == ["cola-0000"]


def test_trials_that_run_or_were_not_timed_are_not_in_the_front() -> None:
    running = trial(0, "a", 0.9, 1.0)
    running.status, running.ended = TrialStatus.RUNNING, None
    assert names([running, trial(1, "b", 0.8, None), trial(2, "c", 0.1, 2.0)]) == ["cola-0002"]


def test_encoders_with_the_same_name_are_shown_with_their_folders() -> None:
    assert distinct_names(["/x/a/model", "/x/b/model", "org/bert", "synthetic", "/y/b/model"]) == {
        "/x/a/model": "a/model",
        "/x/b/model": "x/b/model",
        "org/bert": "bert",
        "synthetic": "synthetic",
        "/y/b/model": "y/b/model",
    }
