"""What a user sees of a cross-validation: live lines, results, summary, pictures, and runs in MLflow."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from rich.console import Console

from gluetune.events import Event, SearchPlan, TrialRecord, WinnerEvaluated, apply_event
from gluetune.reporting import LiveTable, print_plan, print_results, summarise
from gluetune.reporting.summary import learning_curve
from gluetune.tracking.updates import EventMapper
from sample_search import BEGIN, COLA, ended, fold_evaluations, folded, plan, send_events, started

CURVES = [[0.2, 0.5, 0.4], [0.3, 0.6, 0.9], [0.1, 0.7, 0.5]]
"""Scores of the evaluations of three folds: their mean is best after the second epoch."""
EASY = [[0.8, 0.8, 0.8]]
"""Those of a trial that is stopped after its first fold."""


def journal() -> list[Event]:
    scored = WinnerEvaluated(
        time=BEGIN + 500,
        number=0,
        task="cola",
        scores={"validation": {"matthews_correlation": 0.45}},
        folder="runs/small/winners/cola",
        refit_rows=8551,
        refit_epochs=2.0,
    )
    return [
        started(0, "cola").model_copy(update={"folds": 3}),
        *fold_evaluations(CURVES),
        ended(0),
        started(1, "cola", 3e-4).model_copy(update={"folds": 3}),
        *fold_evaluations(EASY, 1),
        ended(1, "pruned", "after fold 1 of 3: …"),
        scored,
    ]


def search_plan() -> SearchPlan:
    return plan(tasks=(replace(COLA, folds=3),))


def console() -> Console:
    return Console(file=io.StringIO(), width=200, color_system=None)


def printed(to: Console) -> str:
    assert isinstance(to.file, io.StringIO)
    return to.file.getvalue()


def test_the_plan_says_that_the_rows_are_divided_into_folds() -> None:
    to = console()
    print_plan(search_plan(), to)
    assert "3 folds" in printed(to)


def test_a_trial_becomes_the_best_when_all_its_folds_are_done() -> None:
    to = console()
    with LiveTable(search_plan(), to) as live:
        send_events(live, journal())
    (line,) = [line for line in printed(to).splitlines() if "is now" in line]
    assert "0.6000" in line
    assert "cola-0000" in line


def test_the_results_show_mean_and_deviation_each_fold_and_the_final_training() -> None:
    to = console()
    trials = folded(journal())
    summary = summarise(search_plan(), trials.values(), status="complete", session_started=BEGIN, now=BEGIN + 600)
    print_results(summary, to)
    shown = printed(to)
    assert "0.6000 ± 0.1000" in shown
    assert all(part in shown for part in ("0.5000, 0.6000, 0.7000", "8,551 train rows", "2 epochs"))
    winner = summary.tasks[0].winner
    assert winner is not None
    assert (winner.trial, winner.fold_scores) == (0, [0.5, 0.6, 0.7])
    assert winner.score == pytest.approx(0.6)
    assert winner.score_deviation == pytest.approx(0.1)
    assert [len(trial.fold_scores) for trial in summary.trials] == [3, 1]
    assert summary.trials[0].seconds == 81.0, "of the evaluations of all folds"


def test_an_ensemble_is_named_in_the_results() -> None:
    *events, scored = journal()
    assert isinstance(scored, WinnerEvaluated)
    ensemble = scored.model_copy(update={"refit_rows": None, "members": 3})
    to = console()
    trials = folded([*events, ensemble])
    print_results(
        summarise(search_plan(), trials.values(), status="complete", session_started=BEGIN, now=BEGIN + 600), to
    )
    assert "logits of the models of 3 folds" in printed(to)


def test_the_learning_curve_of_a_cross_validation_is_drawn() -> None:
    assert learning_curve(folded(journal())[0]).startswith(b"\x89PNG")


def points(key: str) -> tuple[dict[str, list[tuple[int, float]]], dict[str, str]]:
    """Points by metric, and tags, of one run in MLflow."""
    mapper, trials = EventMapper(search_plan(), started=0.0), dict[int, TrialRecord]()
    updates = [update for event in journal() for update in mapper.updates(event, apply_event(trials, event))]
    found: dict[str, list[tuple[int, float]]] = {}
    tags: dict[str, str] = {}
    for update in (update for update in updates if update.run.key == key):
        tags |= update.tags
        for point in update.points:
            found.setdefault(point.key, []).append((point.step, point.value))
    return found, tags


def test_mlflow_has_the_curve_of_each_fold_and_their_mean() -> None:
    found, tags = points("trial:0")
    assert found["fold_2/eval_score"] == [(50, 0.3), (100, 0.6), (150, 0.9)]
    assert found["eval_score"] == [(50, pytest.approx(0.2)), (100, pytest.approx(0.6)), (150, pytest.approx(0.6))]
    assert found["best_score"] == [(100, pytest.approx(0.6))]
    assert found["best_score_deviation"] == [(100, pytest.approx(0.1))]
    assert found["fold_score"] == [(1, 0.5), (2, 0.6), (3, 0.7)]
    assert tags["gluetune.folds"] == "3 of 3"
    assert "3 of 3 folds" in tags["mlflow.note.content"]


def test_a_trial_that_was_stopped_after_an_easy_fold_is_not_the_tasks_best_in_mlflow() -> None:
    found, tags = points("task:cola")
    assert found["best_score"] == [(1, pytest.approx(0.6))]
    assert tags["gluetune.best_trial"] == "cola-0000"
    assert points("trial:1")[1]["gluetune.pruned_at"] == "fold 1"
