"""The rule that stops a cross-validation after a fold: it is conservative, and stops what cannot win."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import sample_search
from gluetune.config import JobConfig, SchedulerConfig, SearchSpace
from gluetune.events import Event, Journal, TrialEnded, TrialRecord, TrialStatus
from gluetune.search.controller import CheckpointRetention, SearchController
from gluetune.search.schedulers import FoldStopping, TaskPruners
from gluetune.search.schedulers.fold_stopping import fold_bound
from gluetune.search.searchers import TrialSampler
from gluetune.storage import Storage

BEST = [0.80, 0.82, 0.78, 0.81, 0.79]
JOB = JobConfig.model_validate({"tasks": {"cola": 1.0}})
SPACE = SearchSpace.model_validate(
    {"name": "s", "space": {"learning_rate": {"type": "choice", "values": [1e-5, 2e-5, 3e-5, 4e-5]}}}
)


def evaluation(number: int, fold: int, score: float) -> Any:
    return sample_search.evaluated(number, fold, score, step=50, total_steps=50, epoch=1.0, fold=fold)


def trial(number: int, scores: list[float], folds: int = 5, status: str = "") -> TrialRecord:
    """A trial of one epoch with these scores of its folds."""
    events: list[Event] = [sample_search.started(number, "cola").model_copy(update={"folds": folds})]
    events += [evaluation(number, fold, score) for fold, score in enumerate(scores, 1)]
    events += [sample_search.ended(number, status)] if status else []
    return sample_search.folded(events)[number]


def test_the_bound_of_a_complete_trial_is_its_mean() -> None:
    assert fold_bound([0.5, 0.6, 0.7], [0.8, 0.9, 0.7]) == pytest.approx(0.6)


def test_the_bound_shrinks_with_each_fold_and_folds_are_compared_pairwise() -> None:
    bounds = [fold_bound(BEST[:done], BEST) for done in range(1, 6)]
    assert bounds == sorted(bounds, reverse=True)
    assert bounds[-1] == pytest.approx(np.mean(BEST))
    hard = fold_bound([0.78, 0.80], [0.78, 0.80, 0.90, 0.90])
    assert hard > np.mean([0.78, 0.80, 0.90, 0.90]), "the first two folds are hard for the best trial, too"


@pytest.mark.parametrize(
    ("scores", "stops"),
    [([0.5], True), ([0.78], False), ([0.77, 0.79], False), ([0.70, 0.72, 0.69], True), ([0.9], False), ([], False)],
)
def test_what_cannot_win_is_stopped_and_what_may_win_is_not(scores: list[float], stops: bool) -> None:
    rule = FoldStopping([trial(0, BEST, status="finished")])
    assert bool(rule.reason_to_stop(trial(1, scores))) is stops


def test_the_message_names_the_fold_the_bound_and_the_best_trial() -> None:
    reason = FoldStopping([trial(0, BEST, status="finished")]).reason_to_stop(trial(1, [0.5]))
    assert all(part in reason for part in ("fold 1 of 5", "cola-0000", "0.8000"))


@pytest.mark.parametrize(
    "others",
    [[], [trial(0, BEST[:4], status="pruned")], [trial(0, [*BEST[:4], float("nan")], status="finished")]],
    ids=["none", "incomplete", "undefined"],
)
def test_nothing_is_stopped_before_a_trial_has_all_folds(others: list[TrialRecord]) -> None:
    assert FoldStopping(others).reason_to_stop(trial(1, [0.1])) == ""


def test_nothing_is_stopped_where_time_is_an_objective_too() -> None:
    assert FoldStopping([trial(0, BEST, status="finished")], stops=False).reason_to_stop(trial(1, [0.1])) == ""


@pytest.mark.parametrize("correlation", [0.0, 0.7])
def test_a_better_configuration_is_hardly_ever_stopped_and_a_bad_one_soon(correlation: float) -> None:
    """Configurations whose folds have a deviation of 0.02: one that is 0.005 better, one that is 0.15 worse."""
    generator, rounds = np.random.default_rng(0), 400
    wrongly, folds_of_bad = 0, []
    for _ in range(rounds):
        shared = generator.normal(0, 0.02 * correlation**0.5, 5)

        def scores(mean: float, shared: np.ndarray = shared) -> list[float]:
            own = generator.normal(mean, 0.02 * (1 - correlation) ** 0.5, 5)
            return (own + shared).tolist()

        best, better, bad = scores(0.8), scores(0.805), scores(0.65)
        bounds = [fold_bound(better[:done], best) for done in range(1, 5)]
        wrongly += int(np.mean(better) > np.mean(best) and min(bounds) < np.mean(best))
        folds_of_bad.append(
            next(done for done in range(1, 6) if done == 5 or fold_bound(bad[:done], best) < np.mean(best))
        )
    assert wrongly <= 0.02 * rounds
    assert np.mean(folds_of_bad) < 2


@pytest.mark.parametrize(("folds", "at_most"), [(2, 0.06), (3, 0.02), (5, 0.02)])
def test_searches_hardly_ever_stop_the_trial_that_would_win(folds: int, at_most: float) -> None:
    """Searches of 20 configurations, whose means differ by less than the scores of their folds do."""
    generator, lost, searches = np.random.default_rng(1), 0, 120
    for _ in range(searches):
        shared = generator.normal(0, 0.015, folds)
        scores = generator.normal(0.8, 0.01, (20, 1)) + shared + generator.normal(0, 0.015, (20, folds))
        best = scores[0]
        for each in scores[1:]:
            bounds = (fold_bound(each[:done].tolist(), best.tolist()) for done in range(1, folds))
            if all(bound >= best.mean() for bound in bounds) and each.mean() > best.mean():
                best = each
        lost += int(best.mean() < scores.mean(axis=1).max())
    assert lost <= at_most * searches


def make(folder: Path) -> tuple[SearchController, Journal]:
    storage = Storage(str(folder))
    journal = Journal(storage)
    sampler = TrialSampler(JOB.tasks, SPACE, "grid", JOB.training, 1, 12)  # type: ignore[arg-type]
    pruners = TaskPruners(JOB.tasks, SchedulerConfig(), 1, 1)
    retention = CheckpointRetention(storage, 1, journal.trials.values())
    return SearchController(journal, sampler, pruners, retention, folds=5), journal


def run_trial(controller: SearchController, scores: list[float]) -> int:
    assignment = controller.next_trial()
    assert assignment is not None
    for fold, score in enumerate(scores, 1):
        if not controller.handle_event(evaluation(assignment.number, fold, score)):
            break
    return assignment.number


def test_the_controller_stops_a_trial_after_a_fold_and_a_resumed_search_stops_the_same(tmp_path: Path) -> None:
    controller, journal = make(tmp_path)
    first = run_trial(controller, BEST)
    assert journal.trials[first].status is TrialStatus.FINISHED, "the last evaluation of the last fold ends it"
    second = run_trial(controller, [0.5] * 5)
    assert (journal.trials[second].status, journal.trials[second].complete_folds) == (TrialStatus.PRUNED, 1)
    assert isinstance(journal.events[-1], TrialEnded)
    resumed, journal = make(tmp_path)
    third = run_trial(resumed, [0.6] * 5)
    assert (journal.trials[third].status, journal.trials[third].complete_folds) == (TrialStatus.PRUNED, 1)


def test_a_trial_whose_driver_was_killed_before_it_was_stopped_is_stopped_by_the_resume(tmp_path: Path) -> None:
    controller, journal = make(tmp_path)
    run_trial(controller, BEST)
    assignment = controller.next_trial()
    assert assignment is not None
    journal.append(evaluation(assignment.number, 1, 0.5))  # and the driver is killed
    resumed, journal = make(tmp_path)
    following = resumed.next_trial()
    assert journal.trials[assignment.number].status is TrialStatus.PRUNED
    assert following is not None
    assert following.number > assignment.number


def test_a_resumed_trial_continues_after_the_evaluations_of_all_its_folds(tmp_path: Path) -> None:
    controller, _ = make(tmp_path)
    assignment = controller.next_trial()
    assert assignment is not None
    for fold in (1, 2):
        controller.handle_event(evaluation(assignment.number, fold, 0.5))
    controller.stop("interrupted")
    again = make(tmp_path)[0].next_trial()
    assert again is not None
    assert (again.number, again.reported) == (assignment.number, 2)
