"""The tree-structured Parzen estimator on a finite space, where it compares all remaining configurations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from optuna import Study
from optuna.distributions import BaseDistribution, CategoricalDistribution, IntDistribution
from optuna.samplers import RandomSampler
from optuna.trial import FrozenTrial, TrialState
from scipy.special import ndtr

from gluetune.search.searchers.space import Code, Dimension, EncodedConfig, EncodedSpace

_ENDED = (TrialState.COMPLETE, TrialState.PRUNED)


class FiniteTPESampler(RandomSampler):
    """Suggests the remaining configuration with the greatest expected improvement (Bergstra et al. 2011).

    Optuna's `TPESampler` draws 24 configurations from the density of the good trials and takes the best of them, which
    suits infinitely many. On a grid most draws are known already, more of them the better the estimate becomes, and
    gluetune trains no configuration twice.

    The good trials are the best tenth of those that have ended, running trials count as bad, and a pruned trial ranks
    behind all complete ones, by its length and then by its score: all as in Optuna. Kernels are as wide as in Optuna's
    multivariate estimator up to version 4: 0.2 of the range, narrowed by the power that Scott 1992 (Multivariate
    Density Estimation) gives for the number of fields, and not narrower than the range divided by the number of kernels
    plus one. Version 5 makes them as wide as the distance to the next trial, field by field; but where a field has few
    values most trials share their value with another.

    Args:
        space: a finite space.
        candidates: configurations to choose from.
        seed: seed of the random start, and of the choice between equals.
        startup_trials: number of trials that must have ended before the estimator is used.
    """

    def __init__(
        self, space: EncodedSpace, candidates: Sequence[EncodedConfig], seed: int, startup_trials: int
    ) -> None:
        super().__init__(seed=seed)
        self._space, self._candidates, self._startup_trials = space, candidates, startup_trials
        self._generator = np.random.default_rng(seed)

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """Return all fields: they are suggested together."""
        return dict(self._space.distributions) if self._candidates else {}

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Return the codes of one of the candidates, by field."""
        if not search_space:
            return {}
        others = [other for other in study.get_trials(deepcopy=False) if other.number != trial.number]
        ended = sorted((other for other in others if other.state in _ENDED), key=_rank)
        place = int(self._generator.integers(len(self._candidates)))
        if len(ended) >= self._startup_trials:
            count = min(-(-len(ended) // 10), 25)
            running = [other for other in others if other.state is TrialState.RUNNING]
            better = np.log(self._density(ended[:count])) - np.log(self._density(ended[count:] + running))
            place = int(self._generator.choice(np.flatnonzero(better >= better.max() - 1e-12)))
        pairs = zip(self._space.distributions, self._candidates[place], strict=True)
        return {key: code for key, code in pairs if code is not None}

    def _density(self, trials: Sequence[FrozenTrial]) -> np.ndarray:
        """Mean density ``[candidates]`` of a kernel on each trial and a uniform one over the whole range.

        Of a dimension that a candidate has but a trial has not, because it trained another encoder, the trial says
        nothing: its kernel is uniform there.
        """
        densities = np.ones((len(self._candidates), len(trials) + 1))
        width = max(
            0.2 * max(len(trials), 1) ** (-1 / (len(self._space.dimensions) + 4)), 1 / min(100, len(trials) + 2)
        )
        for dimension, codes in zip(self._space.dimensions, zip(*self._candidates, strict=True), strict=True):
            having = [row for row, code in enumerate(codes) if code is not None]
            known = [column for column, trial in enumerate(trials) if dimension.key in trial.params]
            centres = [trials[column].params[dimension.key] for column in known]
            values, rows = np.unique([codes[row] for row in having], return_inverse=True)
            kernels = _kernels(dimension, values, centres, width)[rows]
            factors = np.repeat(kernels[:, -1:], len(trials) + 1, axis=1)
            factors[:, known] = kernels[:, :-1]
            densities[having] *= factors
        return np.asarray(densities.mean(axis=1))


def _rank(trial: FrozenTrial) -> tuple[bool, int, float]:
    """Sort key of ended trials, best first."""
    if trial.state is TrialState.COMPLETE:
        return False, 0, -float(trial.value or 0.0)
    step, score = max(trial.intermediate_values.items())
    return True, -step, -score


def _kernels(dimension: Dimension, codes: np.ndarray, centres: Sequence[Code], width: float) -> np.ndarray:
    """Probabilities of codes ``[codes, centres + 1]`` under each kernel; the last column is the uniform prior's.

    Args:
        dimension: the field.
        codes: codes to compute probabilities of.
        centres: codes of the trials that the kernels stand on.
        width: width of a kernel, as a share of the field's range.
    """
    distribution = dimension.distribution
    if isinstance(distribution, CategoricalDistribution):
        return _label_kernels(codes, centres, len(distribution.choices))
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


def _label_kernels(codes: np.ndarray, centres: Sequence[Code], count: int) -> np.ndarray:
    """Probabilities of unordered codes ``[codes, centres + 1]`` under each kernel; the last column is the prior's.

    A kernel puts one observation on the code of its trial and a share of the prior's observation on every code.
    """
    share = 1 / (len(centres) + 1)
    own = codes[:, None] == np.asarray(centres, dtype=float)[None, :]
    return np.column_stack([(own + share) / (1 + count * share), np.full(len(codes), 1 / count)])
