"""The tree-structured Parzen estimator on a space that can be listed: it chooses among all that is left."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from optuna import Study
from optuna.distributions import BaseDistribution, CategoricalDistribution, IntDistribution
from optuna.samplers import RandomSampler
from optuna.trial import FrozenTrial, TrialState
from scipy.special import ndtr

from gluetune.search.searchers.space import Code, Dimension, EncodedSpace, Key

_ENDED = (TrialState.COMPLETE, TrialState.PRUNED)


class FiniteTPESampler(RandomSampler):
    """Suggests the configuration with the greatest expected improvement (Bergstra et al. 2011) of those left.

    Optuna's `TPESampler` draws 24 configurations from the density of the good trials and takes the best of them. That
    is how one maximises where there are infinitely many. On a grid most draws are known already, more and more of them
    the better the estimate, and gluetune trains none twice.

    Good are a tenth of the trials that have ended, running ones count as bad, and a pruned trial ranks behind all
    complete ones, by its length, then by its score: all as in Optuna. Kernels are as wide as Optuna's multivariate
    estimator made them up to version 4: 0.2 of the range, narrowing by the power that Scott 1992 (Multivariate Density
    Estimation) gives for so many fields, and never narrower than the range shared out to all kernels and one more.
    Version 5 makes them as wide as the distance to the next trial, field by field; but where a field has few values
    most trials share theirs with another.

    Args:
        space: a finite space.
        left: configurations to choose from.
        seed: of the random start, and of the choice between equals.
        startup: trials that must have ended before the estimator is used.
    """

    def __init__(self, space: EncodedSpace, left: Sequence[Key], seed: int, startup: int) -> None:
        super().__init__(seed=seed)
        self._space, self._left, self._startup = space, left, startup
        self._numbers = np.random.default_rng(seed)

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """All fields are suggested together."""
        return dict(self._space.distributions) if self._left else {}

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """One of the configurations left."""
        if not search_space:
            return {}
        others = [other for other in study.get_trials(deepcopy=False) if other.number != trial.number]
        ended = sorted((other for other in others if other.state in _ENDED), key=_rank)
        place = int(self._numbers.integers(len(self._left)))
        if len(ended) >= self._startup:
            count = min(-(-len(ended) // 10), 25)
            running = [other for other in others if other.state is TrialState.RUNNING]
            better = np.log(self._density(ended[:count])) - np.log(self._density(ended[count:] + running))
            place = int(self._numbers.choice(np.flatnonzero(better >= better.max() - 1e-12)))
        return dict(zip(self._space.distributions, self._left[place], strict=True))

    def _density(self, trials: Sequence[FrozenTrial]) -> np.ndarray:
        """``[left]`` what a kernel on each trial, and one over the whole range, make of every configuration left."""
        densities = np.ones((len(self._left), len(trials) + 1))
        width = max(
            0.2 * max(len(trials), 1) ** (-1 / (len(self._space.dimensions) + 4)), 1 / min(100, len(trials) + 2)
        )
        for dimension, codes in zip(self._space.dimensions, zip(*self._left, strict=True), strict=True):
            centres = [trial.params[dimension.name] for trial in trials]
            values, rows = np.unique(codes, return_inverse=True)
            densities *= _kernels(dimension, values, centres, width)[rows]
        return np.asarray(densities.mean(axis=1))


def _rank(trial: FrozenTrial) -> tuple[bool, int, float]:
    """Best first."""
    if trial.state is TrialState.COMPLETE:
        return False, 0, -float(trial.value or 0.0)
    step, score = max(trial.intermediate_values.items())
    return True, -step, -score


def _kernels(dimension: Dimension, codes: np.ndarray, centres: Sequence[Code], width: float) -> np.ndarray:
    """``[codes, centres + 1]`` probabilities of codes; the last column is the prior's.

    Args:
        dimension: the field.
        codes: some of its codes.
        centres: codes of trials.
        width: of a kernel, as a share of the field's range.
    """
    distribution = dimension.distribution
    if isinstance(distribution, CategoricalDistribution):
        return _labels(codes, centres, len(distribution.choices))
    assert isinstance(distribution, IntDistribution)
    scale = np.log if distribution.log else np.asarray
    half = distribution.step / 2
    low, high = float(scale(distribution.low - half)), float(scale(distribution.high + half))
    means = np.append(scale(np.asarray(centres, dtype=float)), (low + high) / 2)
    widths = np.append(np.full(len(centres), width * (high - low)), high - low)

    def below(edges: Any) -> Any:
        return ndtr((edges - means) / widths)

    inside = below(scale(codes[:, None] + half)) - below(scale(codes[:, None] - half))
    return np.asarray(inside / (below(high) - below(low)))


def _labels(codes: np.ndarray, centres: Sequence[Code], count: int) -> np.ndarray:
    """Probability of each code under the kernel of each trial, and in the last column under the uniform prior.

    For labels without order. A kernel puts one observation on its trial's own label and a share of the prior's
    observation on every label.
    """
    share = 1 / (len(centres) + 1)
    own = codes[:, None] == np.asarray(centres, dtype=float)[None, :]
    return np.column_stack([(own + share) / (1 + count * share), np.full(len(codes), 1 / count)])
