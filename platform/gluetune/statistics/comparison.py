"""Is one configuration better than another one? A paired test over rows and seeds, and Holm's correction over tasks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gluetune.statistics.intervals import bca_ends, percentile_ends
from gluetune.statistics.row_resampling import MetricOnRows, exchange_rows, metric_on_rows, resample_rows
from gluetune.statistics.seed_outputs import SeedOutputs
from gluetune.tasks.metrics import greater_is_better

_Floats = NDArray[np.float64]
ComparisonMethod = Literal["permutation of rows", "t-test over rows and seeds"]


@dataclass(frozen=True, slots=True)
class PairedTest:
    """The difference of two configurations on the same rows, and how probable it is without a true one.

    Attributes:
        metric: name of the metric.
        difference: the first configuration's metric minus the second one's, means over seeds.
        low, high: ends of the difference's 95% interval.
        p_value: two-sided.
        method: how ``p_value`` was computed.
        interval_method: how the interval was computed.
        seeds: number of seeds of the first and of the second configuration.
        rows: number of rows.
        resamples: number of resamples.
    """

    metric: str
    difference: float
    low: float
    high: float
    p_value: float
    method: ComparisonMethod
    interval_method: Literal["t", "bca", "percentile"]
    seeds: tuple[int, int]
    rows: int
    resamples: int

    @property
    def first_is_better(self) -> bool:
        """Whether the first configuration's metric is the better one, whichever direction of it is."""
        return self.difference > 0 if greater_is_better(self.metric) else self.difference < 0


def paired_test(
    first: SeedOutputs,
    second: SeedOutputs,
    metric: str | None = None,
    *,
    resamples: int = 2000,
    seed: int = 0,
    drawn: tuple[_Floats, _Floats] | None = None,
) -> PairedTest:
    """Test whether two configurations differ in a metric, on rows that both are scored on.

    With one seed each, the hypothesis is that the two models' outputs can be exchanged on every row (paired permutation
    test, as `scipy.stats.permutation_test` with ``permutation_type="samples"``; Dror et al. 2018,
    doi:10.18653/v1/P18-1128); the interval is the BCa bootstrap interval over rows.

    With several seeds, the variance of the difference is the sum of that over rows, by the bootstrap with rows that
    both share, and those over each configuration's seeds. The test is Student's with degrees of freedom by Welch and
    Satterthwaite: of few seeds, a bootstrap or a normal test would find too many differences. Where one of the two has
    one seed, its variance over seeds counts as that of the other one.

    Args:
        first: outputs of a configuration.
        second: outputs of another one, for the same rows in the same order.
        metric: name of the metric; ``None`` for the task's primary one.
        resamples: number of resamples.
        seed: seed of the draws.
        drawn: what `gluetune.statistics.resample_seeds` returned for each of the two with the same arguments, where it
            was computed before.

    Raises:
        ValueError: the rows differ.
    """
    name = metric or first.task.primary
    scores = metric_on_rows([first, second], name)
    whole = scores.on_all()
    difference = float(whole[: first.seeds].mean() - whole[first.seeds :].mean())
    generator = np.random.default_rng(seed)
    (of_swaps,) = generator.spawn(1)
    if drawn is None:
        both = resample_rows(scores, first.rows, resamples, generator)
        drawn = both[:, : first.seeds], both[:, first.seeds :]
    over_rows = drawn[0].mean(axis=1) - drawn[1].mean(axis=1)
    if first.seeds == second.seeds == 1:
        exchanged = exchange_rows(scores, first.rows, resamples, of_swaps)
        found = _test_of_rows(scores, difference, over_rows, exchanged)
    else:
        found = _test_of_seeds(difference, over_rows, first.rows, whole[: first.seeds], whole[first.seeds :])
    return PairedTest(
        name,
        difference,
        found.low,
        found.high,
        found.p_value,
        found.method,
        found.interval_method,
        (first.seeds, second.seeds),
        first.rows,
        resamples,
    )


class _Found(NamedTuple):
    """The interval of a difference, its p-value, and how both were computed."""

    low: float
    high: float
    p_value: float
    method: ComparisonMethod
    interval_method: Literal["t", "bca", "percentile"]


def _test_of_rows(scores: MetricOnRows, difference: float, over_rows: _Floats, exchanged: _Floats) -> _Found:
    """Test the difference of two models, by permutation and bootstrap of the rows."""
    values, weights = scores.without_rows()
    bca = bca_ends(difference, over_rows, [(values[:, 0] - values[:, 1], weights)], 0.95)
    low, high = bca or percentile_ends(over_rows, 0.95)
    p_value = permutation_p_value(difference, exchanged[:, 0] - exchanged[:, 1])
    return _Found(low, high, p_value, "permutation of rows", "bca" if bca else "percentile")


def _test_of_seeds(difference: float, over_rows: _Floats, rows: int, first: _Floats, second: _Floats) -> _Found:
    """Test the difference of two configurations, by Student's t over rows and seeds."""
    from scipy.stats import t as student_t  # slow to import

    error, freedom = _error(float(over_rows.var(ddof=1)), rows, first, second)
    half = float(student_t.ppf(0.975, freedom)) * error if error else 0.0
    p_value = float(2 * student_t.sf(abs(difference) / error, freedom)) if error else float(difference == 0)
    return _Found(difference - half, difference + half, p_value, "t-test over rows and seeds", "t")


def permutation_p_value(observed: float, null: _Floats) -> float:
    """Return the two-sided p-value of a statistic: twice the smaller tail, as `scipy.stats.permutation_test` does.

    Args:
        observed: the statistic.
        null: [resamples] the statistic under the hypothesis; the observed one is counted among them.
    """
    gap = abs(observed) * 1e-14
    tails = np.count_nonzero(null <= observed + gap), np.count_nonzero(null >= observed - gap)
    return float(min(1.0, 2 * (min(tails) + 1) / (len(null) + 1)))


def _error(rows_variance: float, rows: int, first: _Floats, second: _Floats) -> tuple[float, float]:
    """Return the standard error of the difference, and its degrees of freedom.

    Args:
        rows_variance: variance of the difference over rows.
        rows: number of rows.
        first: [seeds] scores of the first configuration on all rows.
        second: [seeds] scores of the second one.
    """
    parts = [(rows_variance, rows - 1)]
    known = [scores for scores in (first, second) if len(scores) > 1]
    if len(known) == 2:
        parts += [(float(scores.var(ddof=1)) / len(scores), len(scores) - 1) for scores in known]
    else:
        (scores,) = known
        parts.append((float(scores.var(ddof=1)) * (1 / len(first) + 1 / len(second)), len(scores) - 1))
    variance = sum(part for part, _ in parts)
    spread = sum(part**2 / freedom for part, freedom in parts if freedom > 0)
    return variance**0.5, variance**2 / spread if spread else float(max(1, rows - 1))


def holm(p_values: Mapping[str, float]) -> dict[str, float]:
    """Adjust p-values of several tests such that the chance of any false positive stays below the level.

    Args:
        p_values: p-value by test, such as by task.

    Returns:
        Adjusted p-values in the same order (Holm 1979): a difference is significant at 0.05 where its adjusted p-value
        is below 0.05.
    """
    names = sorted(p_values, key=lambda name: p_values[name])
    adjusted, highest = {}, 0.0
    for done, name in enumerate(names):
        highest = max(highest, (len(names) - done) * p_values[name])
        adjusted[name] = min(1.0, highest)
    return {name: adjusted[name] for name in p_values}
