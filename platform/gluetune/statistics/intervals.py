"""Scores over seeds: mean and spread, and a bootstrap interval over seeds and rows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from gluetune.statistics.row_resampling import metric_on_rows, resample_rows
from gluetune.statistics.seed_outputs import SeedOutputs

IntervalMethod = Literal["bca", "percentile"]
_Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class SeedSummary:
    """Scores of one configuration over its seeds.

    Attributes:
        seeds: number of seeds with a score.
        failed: number of seeds without one.
        mean: mean of the scores.
        standard_deviation: with divisor ``seeds - 1``; ``None`` for one seed.
        minimum, maximum: the lowest and the highest score.
    """

    seeds: int
    failed: int
    mean: float
    standard_deviation: float | None
    minimum: float
    maximum: float


def summarise_seeds(scores: Sequence[float | None]) -> SeedSummary:
    """Summarise the scores of one configuration.

    Args:
        scores: the score of each seed; ``None`` or a number that is not finite for one that failed.

    Raises:
        ValueError: no seed has a score.
    """
    known = np.array([score for score in scores if score is not None and math.isfinite(score)])
    if not len(known):
        raise ValueError(f"at least one of {len(scores)} seeds must have a finite score, but none has")
    spread = float(known.std(ddof=1)) if len(known) > 1 else None
    mean, low, high = float(known.mean()), float(known.min()), float(known.max())
    return SeedSummary(len(known), len(scores) - len(known), mean, spread, low, high)


@dataclass(frozen=True, slots=True)
class Interval:
    """A confidence interval of a metric.

    Attributes:
        estimate: the metric, the mean over seeds.
        low, high: ends of the interval.
        confidence: its nominal coverage, such as 0.95.
        method: how it was computed: ``bca`` (bias-corrected and accelerated) or ``percentile``.
        standard_error: standard deviation of the resampled estimates.
        seeds: number of seeds.
        rows: number of rows.
        resamples: number of resamples.
    """

    estimate: float
    low: float
    high: float
    confidence: float
    method: IntervalMethod
    standard_error: float
    seeds: int
    rows: int
    resamples: int


def bootstrap_interval(
    outputs: SeedOutputs,
    metric: str | None = None,
    *,
    confidence: float = 0.95,
    method: IntervalMethod = "bca",
    resamples: int = 2000,
    seed: int = 0,
    drawn: _Floats | None = None,
) -> Interval:
    """Compute a hierarchical bootstrap interval of a metric over seeds and rows.

    All seeds are scored on the same rows, so that the two are crossed: each resample draws rows, which all seeds share,
    and independently of these seeds (the pigeonhole bootstrap of Owen 2007, doi:10.1214/07-AOAS122). Of ``s`` seeds
    ``s - 1`` are drawn, without which the variance over seeds would be too small by that ratio (Rao and Wu 1988,
    doi:10.1080/01621459.1988.10478591). With one seed the interval is over rows alone, as `scipy.stats.bootstrap`
    computes it. Where seeds differ by far more than rows, intervals of three to five seeds are too narrow: in
    simulations those at 95% then cover 83 to 90%; where they differ as much as rows, 95%.

    BCa (Efron 1987, doi:10.1080/01621459.1987.10478410) takes its acceleration from the jackknife over rows and seeds.
    Where it is not defined, because all resamples are equal or there is one row, the
    result is the percentile interval, and says so.

    Args:
        outputs: logits of all seeds, and the labels.
        metric: name of the metric; ``None`` for the task's primary one.
        confidence: nominal coverage, between 0 and 1.
        method: ``bca`` or ``percentile``.
        resamples: number of resamples.
        seed: seed of the draws.
        drawn: what `resample_seeds` returned for the same arguments, where it was computed before.

    Raises:
        ValueError: ``confidence`` or ``resamples`` is out of range.
    """
    if not 0 < confidence < 1 or resamples < 1:
        raise ValueError(
            f"confidence must be between 0 and 1 and resamples positive, but got ({confidence=}, {resamples=})"
        )
    scores = metric_on_rows([outputs], metric or outputs.task.primary)
    whole = scores.on_all()
    generator = np.random.default_rng(seed)
    (of_seeds,) = generator.spawn(1)
    on_rows = resample_rows(scores, outputs.rows, resamples, generator) if drawn is None else drawn
    means = mean_of_drawn_seeds(on_rows, of_seeds)
    estimate = float(whole.mean())
    ends: tuple[float, float] | None = None
    if method == "bca" and outputs.rows > 1:
        values, weights = scores.without_rows()
        jackknives = [(values.mean(axis=1), weights), *seed_jackknife(whole)]
        ends = bca_ends(estimate, means, jackknives, confidence)
    low, high = ends or percentile_ends(means, confidence)
    return Interval(
        estimate,
        low,
        high,
        confidence,
        "bca" if ends else "percentile",
        float(means.std(ddof=1)) if resamples > 1 else 0.0,
        outputs.seeds,
        outputs.rows,
        resamples,
    )


def resample_seeds(outputs: SeedOutputs, metric: str | None = None, *, resamples: int = 2000, seed: int = 0) -> _Floats:
    """Return the metric of each seed on resampled rows, [resamples, seeds], from which intervals and tests follow.

    The rows that are drawn depend on their number, on ``resamples`` and on ``seed`` alone.

    Args:
        outputs: logits of all seeds, and the labels.
        metric: name of the metric; ``None`` for the task's primary one.
        resamples: number of resamples.
        seed: seed of the draws.
    """
    scores = metric_on_rows([outputs], metric or outputs.task.primary)
    return resample_rows(scores, outputs.rows, resamples, np.random.default_rng(seed))


def mean_of_drawn_seeds(scores: _Floats, generator: np.random.Generator) -> _Floats:
    """Draw seeds for each resample, one fewer than there are, and return the mean of their scores, [resamples].

    Args:
        scores: [resamples, seeds].
        generator: draws the seeds.
    """
    resamples, seeds = scores.shape
    if seeds == 1:
        return scores[:, 0]
    drawn = generator.integers(0, seeds, (resamples, seeds - 1))
    return np.asarray(np.take_along_axis(scores, drawn, axis=1).mean(axis=1))


def seed_jackknife(scores: _Floats) -> list[tuple[_Floats, _Floats]]:
    """Return the mean score without each seed, and weights of one; an empty list for one seed.

    Args:
        scores: [seeds].
    """
    seeds = len(scores)
    return [] if seeds == 1 else [((scores.sum() - scores) / (seeds - 1), np.ones(seeds))]


def percentile_ends(distribution: _Floats, confidence: float) -> tuple[float, float]:
    """Return the ends of the percentile interval of resampled estimates."""
    low, high = np.quantile(distribution, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)


def bca_ends(
    estimate: float, distribution: _Floats, jackknives: Sequence[tuple[_Floats, _Floats]], confidence: float
) -> tuple[float, float] | None:
    """Return the ends of the BCa interval; ``None`` where it is not defined.

    Args:
        estimate: the estimate from all data.
        distribution: [resamples] resampled estimates.
        jackknives: for each of the samples, such as rows and seeds, the estimates without one element, and how many
            elements have each of these estimates.
        confidence: nominal coverage.
    """
    from scipy.special import ndtr, ndtri  # slow to import

    if np.ptp(distribution) == 0:
        return None
    below = (np.count_nonzero(distribution < estimate) + np.count_nonzero(distribution <= estimate)) / 2
    if not 0 < below < len(distribution):
        return None
    bias = ndtri(below / len(distribution))
    tails = ndtri(np.array([(1 - confidence) / 2, (1 + confidence) / 2]))
    shifted = bias + tails
    levels = ndtr(bias + shifted / (1 - _acceleration(jackknives) * shifted))
    low, high = np.quantile(distribution, levels)
    return float(low), float(high)


def _acceleration(jackknives: Sequence[tuple[_Floats, _Floats]]) -> float:
    """Return the acceleration of several samples, as `scipy.stats.bootstrap` computes it; 0 for constant estimates."""
    cubes = squares = 0.0
    for values, weights in jackknives:
        number = weights.sum()
        influence = (number - 1) * (np.average(values, weights=weights) - values)
        cubes += float(weights @ influence**3) / number**3
        squares += float(weights @ influence**2) / number**2
    return cubes / squares**1.5 / 6 if squares > 0 else 0.0
