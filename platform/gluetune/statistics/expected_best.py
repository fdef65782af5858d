"""Expected validation performance: the best score that a number of trials is expected to find, and what more would.

Trials count as drawn independently from one distribution, as those of random search are. Those of an adaptive search
depend on each other: of them, the curve says what trials like those so far would find in another order.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_Floats = NDArray[np.float64]
_MAX_POINTS = 100  # of a curve
_MIN_GAIN_TRIALS = 4  # below these, the curve's bend is not known
_SLOWEST, _FASTEST = 0.02, 4.0  # powers of the number of trials by which a curve approaches its limit


@dataclass(frozen=True, slots=True)
class ExpectedBest:
    """One point of the curve of expected validation performance.

    Attributes:
        trials: number of trials.
        seconds: seconds of training and evaluation that so many trials need on average; ``None`` where unknown.
        score: expected score of the best of them, of which more is better.
        low, high: ends of its 95% interval.
    """

    trials: int
    seconds: float | None
    score: float
    low: float
    high: float


def expected_best(
    scores: Iterable[float | None],
    *,
    seconds: Sequence[float] | None = None,
    trials: Sequence[int] | None = None,
    resamples: int = 1000,
    seed: int = 0,
) -> list[ExpectedBest]:
    """Estimate the expected best score by number of trials, without bias.

    The estimator is the mean of the best score over all subsets of so many trials (Tang et al. 2020, arXiv:2004.13705;
    that of Dodge et al. 2019, which draws with replacement, is biased downwards). The interval is the percentile
    bootstrap over trials. For numbers near that of the trials it is too narrow, for no resample holds a better score
    than the best one.

    Args:
        scores: the score of each trial, of which more is better; ``None`` or a number that is not finite for a trial
            without one, which counts as one of the lowest score.
        seconds: seconds of each trial.
        trials: the numbers of trials, from 1 to that of scores; ``None`` for all of them, or 100 of more.
        resamples: number of resamples.
        seed: seed of the draws.

    Returns:
        The points, in the order of ``trials``.

    Raises:
        ValueError: no trial has a score, or a number of trials is out of range.
    """
    known = _ordered(scores)
    total = len(known)
    numbers = np.array(trials if trials is not None else _spread(total))
    if len(numbers) and not (numbers.min() >= 1 and numbers.max() <= total):
        raise ValueError(f"trials must be from 1 to {total}, but got {numbers.min()} to {numbers.max()}")
    weights = _weights(total, numbers)
    draws = np.sort(known[np.random.default_rng(seed).integers(0, total, (resamples, total))], axis=1)
    low, high = np.quantile(draws @ weights.T, [0.025, 0.975], axis=0)
    per_trial = None if seconds is None else float(np.mean(seconds))
    return [
        ExpectedBest(
            int(number), None if per_trial is None else per_trial * int(number), float(score), float(a), float(b)
        )
        for number, score, a, b in zip(numbers, weights @ known, low, high, strict=True)
    ]


def expected_gain(scores: Iterable[float | None], further: int) -> float:
    """Estimate by how much further trials are expected to raise the best score.

    Near its end the expected best of ``m`` trials approaches a limit as ``limit - c * m ** -q`` (a score that is
    bounded and falls off as a power there: the Weibull domain of extreme-value theory; a small ``q`` stands for those
    without a limit). ``c`` and ``q`` follow from `expected_best` at a quarter, a half and all of the trials.

    Args:
        scores: the score of each trial, as `expected_best` takes them.
        further: number of further trials.

    Returns:
        The gain, in units of the score; 0 or more.

    Raises:
        ValueError: there are fewer than 4 trials, or none has a score.
    """
    known = _ordered(scores)
    total = len(known)
    if total < _MIN_GAIN_TRIALS:
        raise ValueError(f"a gain is estimated from {_MIN_GAIN_TRIALS} trials or more, but got {total}")
    whole = sorted({count for part in (total / 4, total / 2, total) for count in (int(part), math.ceil(part))})
    curve = np.interp([total / 4, total / 2, total], whole, _weights(total, np.array(whole)) @ known)
    before, last = np.diff(curve)
    if last <= 0:
        return 0.0
    power = float(np.clip(np.log2(before / last) if before > 0 else _SLOWEST, _SLOWEST, _FASTEST))
    return float(last * (1 - (1 + further / total) ** -power) / (2**power - 1))


@dataclass(frozen=True, slots=True)
class FurtherGain:
    """What further trials are expected to gain.

    Attributes:
        trials: number of further trials.
        gain: by how much they are expected to raise the best score, in units of the score.
    """

    trials: int
    gain: float


def further_gain(
    scores: Sequence[float | None], *, further: int, min_trials: int, configurations: int | None = None
) -> FurtherGain | None:
    """Estimate what further trials of a task would gain, by `expected_gain`.

    Args:
        scores: the score of each ended trial, of which more is better; ``None`` for a trial without one.
        further: number of further trials; fewer where fewer configurations are left.
        min_trials: number of trials with a score, below which nothing is estimated.
        configurations: number of configurations of the search space; ``None`` where it is not finite.

    Returns:
        The gain; ``None`` for fewer trials, and where no configuration is left.
    """
    left = further if configurations is None else min(further, configurations - len(scores))
    if left <= 0 or count_scored(scores) < min_trials:
        return None
    return FurtherGain(left, expected_gain(scores, left))


def count_scored(scores: Iterable[float | None]) -> int:
    """Return the number of trials with a finite score; the functions above need at least one."""
    return sum(score is not None and math.isfinite(score) for score in scores)


def _ordered(scores: Iterable[float | None]) -> _Floats:
    """Return the scores, ascending; those that are missing count as the lowest one.

    Raises:
        ValueError: there is none.
    """
    values = np.array([math.nan if score is None else score for score in scores], np.float64)
    finite = np.isfinite(values)
    if not finite.any():
        raise ValueError(f"at least one of {len(values)} trials must have a finite score, but none has")
    return np.sort(np.where(finite, values, values[finite].min()))


def _spread(total: int) -> list[int]:
    """Return all numbers of trials, or about `_MAX_POINTS` of them, closer together where there are few trials."""
    if total <= _MAX_POINTS:
        return list(range(1, total + 1))
    return sorted({round(number) for number in np.geomspace(1, total, _MAX_POINTS)})


def _weights(total: int, numbers: NDArray[np.int64]) -> _Floats:
    """Return the chance that the i-th lowest of all trials is the best of a random subset, [numbers, total].

    It is ``C(i - 1, k - 1) / C(total, k)``; each follows from the next higher one, without large numbers.
    """
    sizes = numbers[:, None].astype(np.float64)
    ranks = np.arange(total, 1, -1)  # total, …, 2
    ratios = np.maximum(ranks - sizes, 0) / (ranks - 1)
    falling = np.concatenate([np.ones((len(numbers), 1)), np.cumprod(ratios, axis=1)], axis=1)
    return np.asarray((sizes / total * falling)[:, ::-1])
