"""Optuna's plots of recorded trials: which trials and values they show."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import optuna
import pytest

from gluetune.config import SearchSpace
from gluetune.events import TrialRecord, TrialStatus
from gluetune.search.study import study_figures
from gluetune.search.study.trials import study_directions, study_trial, value_distributions
from large_search import SPACE, large_events
from sample_search import evaluated, events, folded

MCC = "matthews_correlation"
RATES = {"type": "float", "low": 1e-5, "high": 1e-3, "log": True}
SMALL = SearchSpace.model_validate({"space": {"learning_rate": RATES, "batch_size": [32, 16]}})


def trials_of(task: str, recorded: Any = None) -> list[TrialRecord]:
    return [trial for trial in folded(events() if recorded is None else recorded).values() if trial.task == task]


def many(count: int) -> list[TrialRecord]:
    return trials_of("cola", large_events(count))


def axis(figure: dict[str, Any], name: str = "x") -> list[Any]:
    return list(figure["data"][0][name])


def test_a_slice_shows_every_trial_with_a_score_and_marks_those_that_did_not_finish() -> None:
    figure = study_figures(trials_of("cola"), SMALL, MCC).slices["learning_rate"]
    assert axis(figure) == [1e-4, 3e-4]
    assert axis(figure, "y") == [0.5, 0.1]
    finished, pruned = figure["data"][0]["marker"]["symbol"]
    assert finished != pruned
    assert [text.split()[0] for text in figure["data"][0]["text"]] == ["cola-0000", "cola-0002"]
    assert figure["layout"]["xaxis"]["type"] == "log"


def test_a_trial_without_a_score_is_on_no_plot() -> None:
    figures = study_figures(trials_of("mnli"), SMALL, "accuracy")
    assert [len(axis(figure)) for figure in figures.slices.values()] == [1] * len(figures.slices)


def test_listed_numbers_are_in_ascending_order() -> None:
    distribution = value_distributions(SMALL)["batch_size"]
    assert distribution == optuna.distributions.CategoricalDistribution((16, 32))


def test_a_field_that_does_not_vary_has_no_plot() -> None:
    space = SearchSpace.model_validate({"space": {"learning_rate": RATES, "batch_size": [16]}})
    assert list(study_figures(trials_of("cola"), space, MCC).slices) == ["learning_rate"]


@pytest.mark.parametrize("recorded", [[], [evaluated(0, 1, float("nan"))]])
def test_without_a_score_there_are_no_plots(recorded: Sequence[Any]) -> None:
    trials = [replace(trial, evaluations=list(recorded)) for trial in trials_of("cola")[:1]]
    figures = study_figures(trials, SMALL, MCC)
    assert (figures.slices, figures.importances, figures.importance, figures.contours) == ({}, {}, None, {})


def test_the_field_that_decides_is_the_most_important_and_comes_first() -> None:
    figures = study_figures(many(400), SPACE, MCC)
    assert next(iter(figures.importances)) == "learning_rate"
    assert list(figures.slices) == list(figures.importances)
    assert sum(figures.importances.values()) == pytest.approx(1)
    assert all("learning_rate" in pair for pair in list(figures.contours)[:2])
    assert len(figures.contours) == 3


def test_a_plot_of_many_trials_is_small_and_without_a_title_of_its_own() -> None:
    figures = study_figures(many(1000), SPACE, MCC)
    for figure in [*figures.slices.values(), *figures.contours.values(), figures.importance]:
        assert len(json.dumps(figure)) < 100_000
        assert not {"title", "template"} & set(figure["layout"])


def test_a_metric_of_which_less_is_better_is_shown_as_it_is() -> None:
    trials = [
        replace(trial, evaluations=[replace_score(trial, -0.25 - 0.1 * trial.number)]) for trial in trials_of("cola")
    ]
    figure = study_figures(trials, SMALL, "mae").slices["learning_rate"]
    assert axis(figure, "y") == pytest.approx([0.25, 0.45])
    assert study_directions("mae", ("score",)) == [optuna.study.StudyDirection.MINIMIZE]


def replace_score(trial: TrialRecord, score: float) -> Any:
    return trial.evaluations[0].model_copy(update={"score": score})


def test_a_configuration_from_outside_the_space_is_shown() -> None:
    trials = trials_of("cola")
    trials[0].params = {"learning_rate": 0.5, "batch_size": 7}
    figures = study_figures(trials, SMALL, MCC)
    assert 0.5 in axis(figures.slices["learning_rate"])
    assert "7" in axis(figures.slices["batch_size"])


def test_categories_have_the_labels_that_are_asked_for() -> None:
    figures = study_figures(many(60), SPACE, MCC, labels=lambda name, value: f"{name}={value}")
    slices = figures.slices["lr_scheduler_type"]
    expected = {f"lr_scheduler_type={name}" for name in ("linear", "cosine", "constant")}
    assert set(axis(slices)) == expected
    assert set(slices["layout"]["xaxis"]["categoryarray"]) == expected


def test_encoders_with_other_values_share_a_plot() -> None:
    parts = {"small": [1e-4, 3e-4], "large": [1e-5]}
    space = SearchSpace.model_validate(
        {"encoders": {name: {"space": {"learning_rate": values}} for name, values in parts.items()}}
    )
    trials = trials_of("cola")
    for trial, (name, values) in zip(trials, parts.items(), strict=True):
        trial.params = {"model": name, "learning_rate": values[0]}
    figures = study_figures(trials, space, MCC)
    assert axis(figures.slices["learning_rate"]) == ["1e-05", "0.0001"]
    assert set(axis(figures.slices["model"])) == {"small", "large"}


def test_two_objectives_have_the_pareto_front() -> None:
    recorded = [each.model_copy(update={"eval_examples": 100}) if hasattr(each, "score") else each for each in events()]
    figures = study_figures(trials_of("cola", recorded), SMALL, MCC, objectives=("score", "ms_per_row"))
    assert figures.pareto is not None
    shown = sorted(x for trace in figures.pareto["data"] for x in trace["x"] or ())
    assert shown == [0.1, 0.5]


def test_trials_of_a_study_end_as_the_search_ended_them() -> None:
    distributions = value_distributions(SMALL)
    finished, pruned = (study_trial(trial, distributions, MCC) for trial in trials_of("cola"))
    assert (finished.state.name, pruned.state.name) == ("COMPLETE", "PRUNED")
    assert finished.intermediate_values == {50: 0.3, 100: 0.5, 150: 0.4}
    assert (finished.value, finished.user_attrs["trial"]) == (0.5, "cola-0000")
    (diverged,) = [study_trial(t, distributions, "accuracy") for t in trials_of("mnli") if t.number == 3]
    assert (diverged.state.name, diverged.user_attrs["message"]) == ("FAIL", "loss is not a finite number")
    running = replace(trials_of("cola")[0], status=TrialStatus.STOPPED)
    assert study_trial(running, distributions, MCC).state.name == "RUNNING"
