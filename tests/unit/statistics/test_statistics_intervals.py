"""Bootstrap intervals over seeds and rows: equality with SciPy, and coverage of what is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import bootstrap

from gluetune.statistics import IntervalMethod, SeedOutputs, bootstrap_interval, summarise_seeds
from gluetune.statistics.row_resampling import metric_on_rows
from gluetune.tasks import TASKS, Task
from gluetune.tasks.metrics import METRICS, metric_value
from gluetune.tasks.outputs import Outputs
from gluetune.tasks.task import Problem
from simulated_outputs import SEEDS_SPREAD, decisions, true_accuracy

THREE = Task("three", "Three", ("text",), ("a", "b", "c"), ("accuracy",), "accuracy", layouts={})
TAGS = replace(THREE, name="tags", problem="multi_label")
TASK_OF: dict[Problem, Task] = {"single_label": THREE, "multi_label": TAGS, "regression": TASKS["stsb"]}


def random_outputs(task: Task, rows: int = 60, seeds: int = 2) -> SeedOutputs:
    """Outputs that have to do with the labels."""
    rng = np.random.default_rng(rows)
    if task.regression:
        numbers = rng.uniform(0, 5, rows).astype(np.float32)
        return SeedOutputs(task, (numbers[:, None] + rng.normal(size=(seeds, rows, 1))).astype(np.float32), numbers)
    shape = (rows, task.num_labels)
    labels = rng.integers(0, 2, shape) if task.multi_label else rng.integers(0, task.num_labels, rows)
    signal = labels if task.multi_label else np.eye(task.num_labels)[labels]
    logits = 2 * signal - 1 + rng.normal(size=(seeds, *shape))
    return SeedOutputs(task, logits.astype(np.float32), labels)


@pytest.mark.parametrize("method", ["percentile", "bca"])
def test_one_seed_of_a_mean_over_rows_is_scipys_interval(method: IntervalMethod) -> None:
    outputs = decisions(np.random.default_rng(3), rows=150, seeds=1)
    right = outputs.logits[0].argmax(axis=1) == outputs.labels
    rng = np.random.default_rng(5)
    scipys = bootstrap((right.astype(float),), np.mean, n_resamples=500, method=method.lower(), rng=rng)
    interval = bootstrap_interval(outputs, method=method, resamples=500, seed=5)
    assert (interval.low, interval.high) == pytest.approx(tuple(scipys.confidence_interval), abs=1e-12)
    assert interval.standard_error == pytest.approx(scipys.standard_error)
    assert (interval.method, interval.estimate) == (method, right.mean())


@pytest.mark.parametrize("method", ["percentile", "bca"])
def test_one_seed_of_a_correlation_is_scipys_interval(method: IntervalMethod) -> None:
    outputs = random_outputs(TASKS["stsb"], seeds=1)
    interval = bootstrap_interval(outputs, "pearson", method=method, resamples=200, seed=5)
    scipys = bootstrap(
        (outputs.logits[0, :, 0].astype(float), outputs.labels.astype(float)),
        lambda x, y: np.corrcoef(x, y)[0, 1],
        paired=True,
        vectorized=False,
        n_resamples=200,
        method=method,
        rng=np.random.default_rng(5),
    )
    assert (interval.low, interval.high) == pytest.approx(tuple(scipys.confidence_interval), abs=1e-9)


@pytest.mark.parametrize(
    ("problem", "metric"),
    [(problem, name) for problem, task in TASK_OF.items() for name, m in METRICS.items() if m.fits(problem, 3)],
)
def test_each_metric_on_a_resample_is_the_metric_of_its_rows(problem: Problem, metric: str) -> None:
    task = TASK_OF[problem]
    outputs = random_outputs(task)
    scores = metric_on_rows([outputs], metric)
    draws = np.random.default_rng(1).integers(0, outputs.rows, (3, outputs.rows))
    expected = [
        [metric_value(metric, Outputs(task, logits[rows], outputs.labels[rows])) for logits in outputs.logits]
        for rows in draws
    ]
    assert scores.on_draws(draws) == pytest.approx(np.array(expected))
    swaps = np.random.default_rng(2).random((2, outputs.rows)) < 0.5
    first, second = outputs.logits
    expected = [
        [
            metric_value(metric, Outputs(task, np.where(swap[:, None], b, a), outputs.labels))
            for a, b in ((first, second), (second, first))
        ]
        for swap in swaps
    ]
    assert scores.on_swaps(swaps) == pytest.approx(np.array(expected))
    left_out, weights = scores.without_rows()
    kept = np.delete(np.arange(outputs.rows), 7)
    expected_row = [metric_value(metric, Outputs(task, x[kept], outputs.labels[kept])) for x in outputs.logits]
    assert any(row == pytest.approx(expected_row) for row in left_out)
    assert weights.sum() == outputs.rows


@pytest.mark.parametrize("metric", [name for name, m in METRICS.items() if m.fits("regression", 1)])
@pytest.mark.parametrize("constant", ["predictions", "labels", "both"])
def test_metrics_of_constant_numbers_are_those_of_the_task(constant: str, metric: str) -> None:
    labels = np.full(8, 2.0, np.float32) if constant != "predictions" else np.arange(8, dtype=np.float32)
    numbers = np.full(8, 2.0, np.float32) if constant != "labels" else np.arange(8, dtype=np.float32)
    outputs = SeedOutputs(TASKS["stsb"], numbers[None, :, None], labels)
    expected = metric_value(metric, Outputs(TASKS["stsb"], numbers[:, None], labels))
    assert metric_on_rows([outputs], metric).on_all() == pytest.approx([expected])


def test_of_many_different_rows_groups_are_left_out() -> None:
    """The interval of label sets, of which no two rows are alike, is that of all rows one by one, but for little."""
    task = replace(TAGS, labels=tuple("abcdefghijklmnop"))
    outputs = random_outputs(task, rows=1200, seeds=1)
    values, weights = metric_on_rows([outputs], "f1_macro").without_rows()
    assert values.shape == (200, 1)
    assert weights.sum() == 200
    grouped, exact = (bootstrap_interval(outputs, "f1_macro", method=m, resamples=300) for m in ("bca", "percentile"))
    assert grouped.method == "bca"
    assert grouped.low == pytest.approx(exact.low, abs=0.2 * (exact.high - exact.low))


def test_tuned_thresholds_of_a_seed_decide() -> None:
    outputs = random_outputs(TAGS, seeds=1)
    limits = np.array([0.9, 0.5, 0.1])
    tuned = replace(outputs, thresholds=(limits,))
    expected = metric_value("f1_macro", Outputs(TAGS, outputs.logits[0], outputs.labels, limits))
    assert bootstrap_interval(tuned, "f1_macro", resamples=20).estimate == pytest.approx(expected)
    assert bootstrap_interval(outputs, "f1_macro", resamples=20).estimate != pytest.approx(expected)


@pytest.mark.parametrize("method", ["percentile", "bca"])
@pytest.mark.parametrize("seeds", [1, 5])
def test_intervals_cover_the_true_accuracy(seeds: int, method: IntervalMethod) -> None:
    spread = SEEDS_SPREAD if seeds > 1 else 0.0  # one seed says nothing of the spread over seeds
    truth, covered, number = true_accuracy(1.0, spread), 0, 120
    for simulation in range(number):
        outputs = decisions(np.random.default_rng(simulation), rows=200, seeds=seeds, seeds_spread=spread)
        interval = bootstrap_interval(outputs, method=method, resamples=300, seed=simulation)
        covered += interval.low <= truth <= interval.high
    assert 0.89 <= covered / number <= 0.99


def test_an_interval_over_several_seeds_holds_their_spread() -> None:
    rng = np.random.default_rng(0)
    outputs = decisions(rng, rows=4000, seeds=6)
    accuracies = (outputs.logits.argmax(axis=2) == outputs.labels).mean(axis=1)
    interval = bootstrap_interval(outputs, resamples=1000)
    over_seeds = accuracies.std(ddof=1) / np.sqrt(6)
    over_rows = bootstrap_interval(replace(outputs, logits=outputs.logits[:1]), resamples=1000).standard_error
    assert max(over_seeds, 0.5 * over_rows) < interval.standard_error < over_seeds + over_rows


def test_it_depends_on_the_seed_alone() -> None:
    outputs = decisions(np.random.default_rng(3), rows=50, seeds=3)
    assert bootstrap_interval(outputs, seed=1) == bootstrap_interval(outputs, seed=1)
    assert bootstrap_interval(outputs, seed=1) != bootstrap_interval(outputs, seed=2)


def test_where_all_resamples_are_equal_the_interval_is_a_point_and_its_method_is_named() -> None:
    labels = np.array([0, 1, 1, 0])
    outputs = SeedOutputs(TASKS["rte"], np.eye(2, dtype=np.float32)[labels][None], labels)
    interval = bootstrap_interval(outputs)
    assert (interval.low, interval.estimate, interval.high, interval.method) == (1.0, 1.0, 1.0, "percentile")


@pytest.mark.parametrize("arguments", [{"confidence": 1.0}, {"resamples": 0}])
def test_arguments_out_of_range_are_refused(arguments: dict[str, float]) -> None:
    outputs = decisions(np.random.default_rng(3), rows=5, seeds=1)
    with pytest.raises(ValueError, match=next(iter(arguments))):
        bootstrap_interval(outputs, **arguments)  # type: ignore[arg-type]


def test_shapes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match=r"\(2, 4, 2\).*\(3,\)"):
        SeedOutputs(TASKS["rte"], np.zeros((2, 4, 2), np.float32), np.zeros(3, int))


def test_seeds_are_summarised_and_failed_ones_counted() -> None:
    summary = summarise_seeds([0.5, None, 0.7, float("nan"), 0.6])
    assert (summary.seeds, summary.failed, summary.minimum, summary.maximum) == (3, 2, 0.5, 0.7)
    assert (summary.mean, summary.standard_deviation) == (pytest.approx(0.6), pytest.approx(0.1))
    assert summarise_seeds([0.5]).standard_deviation is None
    with pytest.raises(ValueError, match="2 seeds"):
        summarise_seeds([None, float("inf")])
