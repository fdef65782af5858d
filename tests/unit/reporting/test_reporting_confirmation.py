"""The summary of a confirmation: its numbers beside NumPy's and SciPy's, its tests in words, and its table."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console
from scipy import stats

from confirmed_search import SEEDS, make_confirmation, task_plan
from gluetune.events import load_outputs
from gluetune.reporting import ConfirmedSearch, print_confirmation, summarise_confirmation
from gluetune.reporting.confirmation import scored_split
from gluetune.reporting.confirmation_schema import ConfirmationSummary
from gluetune.statistics import SeedOutputs, resample_seeds


@pytest.fixture(scope="module")
def search(tmp_path_factory: pytest.TempPathFactory) -> ConfirmedSearch:
    return make_confirmation(tmp_path_factory.mktemp("confirmation"))


@pytest.fixture(scope="module")
def summary(search: ConfirmedSearch) -> ConfirmationSummary:
    found = summarise_confirmation(search)
    assert found is not None
    return found


def right(search: ConfirmedSearch, task: str, rank: int) -> np.ndarray:
    """[seeds, rows] whether each model is right, read from the files by NumPy alone."""
    first = SEEDS * (3 * (task == "cola") + rank - 1)
    files = [Path(search.folder.uri()) / f"outputs/{task}-{first + seed:04d}.npz" for seed in range(SEEDS)]
    arrays = [np.load(file) for file in files]
    return np.array([a["validation.logits"].argmax(axis=1) == a["validation.labels"] for a in arrays])


def test_the_table_has_the_numbers_of_an_independent_script(
    search: ConfirmedSearch, summary: ConfirmationSummary
) -> None:
    rte = summary.tasks[0]
    rng = np.random.default_rng(1)
    for each in rte.configurations:
        correct = right(search, "rte", each.rank or 0)
        accuracy = correct.mean(axis=1)
        assert (each.mean, each.standard_deviation) == (
            pytest.approx(accuracy.mean()),
            pytest.approx(accuracy.std(ddof=1)),
        )
        assert (each.minimum, each.maximum) == (pytest.approx(accuracy.min()), pytest.approx(accuracy.max()))
        drawn = [
            correct[rng.integers(0, SEEDS, SEEDS - 1)][:, rng.integers(0, correct.shape[1], correct.shape[1])].mean()
            for _ in range(4000)
        ]
        assert each.interval_method == "bca"
        assert (each.low, each.high) == pytest.approx(tuple(np.quantile(drawn, [0.025, 0.975])), abs=0.015)


def test_the_tests_have_the_p_values_of_an_independent_script(
    search: ConfirmedSearch, summary: ConfirmationSummary
) -> None:
    first, default = right(search, "rte", 1), right(search, "rte", 3)
    difference = first.mean(axis=0) - default.mean(axis=0)
    of_rows = difference.var(ddof=1) / len(difference)
    of_seeds = [each.mean(axis=1).var(ddof=1) / SEEDS for each in (first, default)]
    variance = of_rows + sum(of_seeds)
    spread = of_rows**2 / (len(difference) - 1) + sum(part**2 / (SEEDS - 1) for part in of_seeds)
    expected = 2 * stats.t.sf(abs(difference.mean()) / variance**0.5, variance**2 / spread)
    test = next(test for test in summary.tasks[0].tests if test.against == "default")
    assert test.difference == pytest.approx(difference.mean())
    assert np.log10(test.p_value) == pytest.approx(np.log10(expected), abs=0.5)
    assert test.verdict == "better"


def test_p_values_are_corrected_over_tasks_as_holm_did(summary: ConfirmationSummary) -> None:
    for against in ("second", "default"):
        tests = [test for task in summary.tasks for test in task.tests if test.against == against]
        low, high = sorted(tests, key=lambda test: test.p_value)
        assert low.adjusted_p_value == pytest.approx(min(1, 2 * low.p_value))
        assert high.adjusted_p_value == pytest.approx(max(2 * low.p_value, high.p_value))


def test_the_luck_of_the_search_is_shown_beside_fresh_seeds(summary: ConfirmationSummary) -> None:
    best = summary.tasks[0].configurations[0]
    assert (best.search_selection, best.fresh_selection) == (pytest.approx(0.9), pytest.approx(0.61))
    assert best.selection_bias == pytest.approx(0.29)


def test_words_count_the_tasks_with_a_difference(summary: ConfirmationSummary) -> None:
    first, second = summary.sentences
    assert "better than the default on 1 of 2 tasks (p < 0.05): RTE" in first
    assert "better than the second-best configuration on 0 of 2 tasks (p < 0.05)" in second


def printed(summary: ConfirmationSummary, width: int = 160) -> str:
    out = io.StringIO()
    print_confirmation(summary, Console(width=width, file=out))
    return out.getvalue()


def test_all_tests_of_several_tasks_name_the_correction(search: ConfirmedSearch, summary: ConfirmationSummary) -> None:
    lines = [line for line in printed(summary).splitlines() if line.startswith("  first against")]
    assert len(lines) == sum(len(task.tests) for task in summary.tasks)
    assert all("with Holm's correction" in line for line in lines)
    of_one = summarise_confirmation(replace(search, plans=[task_plan("rte")]))
    assert of_one is not None
    assert "correction" not in printed(of_one)


def test_a_metric_of_the_user_that_refuses_resamples_has_means_without_intervals(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "picky_metric.py").write_text(
        "labels = []\n\n\ndef accuracy(y_true, y_pred):\n    labels[:] = labels or [list(y_true)]\n"
        "    if list(y_true) != labels[0]:\n        raise ValueError('other rows')\n"
        "    return (y_true == y_pred).mean()\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    metric = "picky_metric:accuracy"
    search = make_confirmation(tmp_path / "confirmation")
    for run in search.runs:
        if run.task == "rte" and run.scored is not None:
            run.scored = run.scored.model_copy(update={"scores": {"validation": {metric: 0.6}}})
    tasks = {**search.tasks, "rte": replace(search.tasks["rte"], primary=metric, metrics=(metric,))}
    plans = [task_plan("rte", metric=metric), task_plan("cola")]
    found = summarise_confirmation(replace(search, plans=plans, tasks=tasks))
    assert found is not None
    rte, cola = found.tasks
    assert [(each.mean, each.low) for each in rte.configurations] == [(pytest.approx(0.6), None)] * 3
    assert not rte.tests
    assert cola.tests
    assert all(each.low is not None for each in cola.configurations)
    assert "other rows" in caplog.text


def test_a_metric_of_probabilities_has_intervals_and_tests_too(
    search: ConfirmedSearch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "gluetune")
    task = replace(search.tasks["rte"], primary="roc_auc", metrics=("roc_auc",))
    found = summarise_confirmation(replace(search, plans=[task_plan("rte", metric="roc_auc")], tasks={"rte": task}))
    assert found is not None
    assert all((each.low or 1.0) < (each.high or 0.0) for each in found.tasks[0].configurations)
    assert len(found.tasks[0].tests) == 2
    assert "roc_auc" in caplog.text, "it takes a while, so that the driver says what it does"


def test_of_one_task_words_have_the_numbers(search: ConfirmedSearch) -> None:
    found = summarise_confirmation(replace(search, plans=[task_plan("rte")]))
    assert found is not None
    against_default, against_second = found.sentences
    assert "RTE: the best configuration is better than the default: acc" in against_default
    assert "95% interval" in against_default
    assert "not significantly different from the second-best" in against_second


def test_a_default_that_is_the_best_is_said_to_be(search: ConfirmedSearch) -> None:
    space = search.space.model_copy(update={"points": ({"learning_rate": 3e-4},)})
    found = summarise_confirmation(replace(search, space=space))
    assert found is not None
    assert [len(task.configurations) for task in found.tasks] == [2, 2]
    assert all(task.configurations[0].default for task in found.tasks)
    assert "the default is the best configuration of the search on RTE, CoLA" in found.sentences[-1]


def test_seeds_that_fail_are_counted_and_do_not_stop_the_others(tmp_path: Path) -> None:
    found = summarise_confirmation(make_confirmation(tmp_path, failed=(0, 3, 4, 5)))
    assert found is not None
    assert found.complete
    best, second, default = found.tasks[0].configurations
    assert [(each.scored, each.failed) for each in (best, second, default)] == [(2, 1), (0, 3), (3, 0)]
    assert (second.mean, second.low) == (None, None)
    assert [test.against for test in found.tasks[0].tests] == ["default"]
    assert {seed.status for seed in second.seeds} == {"diverged"}


def test_missing_seeds_are_not_a_complete_confirmation(search: ConfirmedSearch) -> None:
    found = summarise_confirmation(replace(search, runs=list(search.runs)[:-1]))
    assert found is not None
    assert not found.complete


def test_without_rows_that_chose_nothing_selection_rows_are_scored_and_that_is_said(search: ConfirmedSearch) -> None:
    chose = task_plan("rte", fingerprints={"selection": "cc", "validation": "cc"}, selection_rows=400)
    found = summarise_confirmation(replace(search, plans=[chose]))
    assert found is not None
    assert (found.tasks[0].split, found.tasks[0].chose_nothing) == ("selection", False)
    assert any("RTE" in line and "selection rows" in line for line in found.sentences)


def test_test_rows_go_before_validation_rows() -> None:
    assert scored_split(task_plan("rte", dev_rows={"validation": 10, "test": 10})) == "test"
    assert scored_split(task_plan("rte", dev_rows={})) == "selection"


def test_nothing_that_was_confirmed_is_no_summary(search: ConfirmedSearch) -> None:
    assert summarise_confirmation(replace(search, runs=[])) is None


@pytest.mark.parametrize("width", [80, 160])
def test_the_table_shows_every_configuration(summary: ConfirmationSummary, width: int) -> None:
    text = printed(summary, width)
    for task in summary.tasks:
        for each in task.configurations:
            assert each.trial is not None
            assert f"{each.mean:.4f} ± {each.standard_deviation:.4f}" in text
            assert each.trial in text
    assert "validation rows, which chose nothing" in text
    assert "BCa" in text
    assert summary.sentences[0] in text.replace("\n", " ") or width < 100


def test_the_outputs_are_those_of_the_summary(search: ConfirmedSearch, summary: ConfirmationSummary) -> None:
    seed = summary.tasks[1].configurations[0].seeds[0]
    outputs = load_outputs(search.folder, "outputs/cola-0009.npz")["validation"]
    decided = outputs.logits.argmax(axis=1)
    assert seed.value == pytest.approx(np.corrcoef(decided, outputs.labels)[0, 1])


def test_each_configuration_is_resampled_once_for_interval_and_tests(
    search: ConfirmedSearch, summary: ConfirmationSummary, monkeypatch: pytest.MonkeyPatch
) -> None:
    resampled = []

    def counted(outputs: SeedOutputs, metric: str | None = None, **given: Any) -> Any:
        resampled.append(outputs)
        return resample_seeds(outputs, metric, **given)

    monkeypatch.setattr("gluetune.reporting.confirmation.resample_seeds", counted)
    again = summarise_confirmation(search)
    assert again == summary
    assert len(resampled) == sum(len(task.configurations) for task in summary.tasks)
