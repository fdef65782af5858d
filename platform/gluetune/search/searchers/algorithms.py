"""The adaptive algorithms, and the registry of all six algorithms.

Optuna's defaults suit hundreds of trials. Fine-tuning searches have tens, so the random start and the populations
shrink with the number of planned trials; otherwise a search of 20 trials would be random in all but name.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Container
from typing import Any, ClassVar

from optuna import Study
from optuna.distributions import BaseDistribution
from optuna.exceptions import ExperimentalWarning
from optuna.samplers import BaseSampler, CmaEsSampler, GPSampler, NSGAIISampler, TPESampler
from optuna.trial import FrozenTrial

from gluetune.config import Algorithm
from gluetune.errors import ConfigError, ConfigIssue
from gluetune.search.searchers.adaptive import AdaptiveSampler
from gluetune.search.searchers.finite_tpe import FiniteTPESampler
from gluetune.search.searchers.sampler import Sampler, derive_seed, grid_sampler, random_sampler
from gluetune.search.searchers.space import EncodedConfig, EncodedSpace

_MAX_LISTED = 2**10  # configurations; comparing all of more takes too long for one choice


class _ModelSampler(AdaptiveSampler):
    @property
    def max_startup_trials(self) -> int:
        """Number of random trials before the model is used, where the budget allows: Optuna's default of 10."""
        return 10

    @property
    def startup_trials(self) -> int:
        """Number of random trials before the model is used: at most a third of a small budget, but at least 3."""
        limit = self.max_startup_trials
        return limit if self._num_samples is None else min(limit, max(3, self._num_samples // 3))


class TPE(_ModelSampler):
    """Tree-structured Parzen estimator, multivariate (Bergstra et al. 2011; Falkner et al. 2018).

    Running trials of other lanes count as bad until they end ("constant liar"), so that lanes do not crowd one region.
    On a space of at most 1,024 configurations all remaining ones are compared (`FiniteTPESampler`); elsewhere, and with
    two objectives (Ozaki et al. 2022), Optuna draws candidates.
    """

    learns_from_pruned: ClassVar[bool] = True

    def __init__(self, space: EncodedSpace, task: str, seed: int, num_samples: int | None, objectives: int = 1) -> None:
        super().__init__(space, task, seed, num_samples, objectives)
        listed = objectives == 1 and space.grid_size is not None and space.grid_size <= _MAX_LISTED
        configs = [space.grid_point(position) for position in range(space.grid_size or 0)] if listed else []
        self._all = list({space.identity(config): config for config in reversed(configs)}.values())[
            ::-1
        ]  # the first of those that train the same
        self._remaining: list[EncodedConfig] = []

    @property
    def max_startup_trials(self) -> int:
        """Four on a finite space, which is a grid of tens of points whose file names good points to try first.

        On three recorded grids of 54 points (`benchmarks.efficiency`) the best point was found 1.6% (±1.4) of the
        grid's epochs sooner than with ten: 600 searches each, with seeds that were not used to choose the number (and
        with Optuna's estimator). Without points to try first there was no difference.
        """
        return super().max_startup_trials if self._space.size is None else 4

    def suggest(self, known: Container[EncodedConfig]) -> EncodedConfig | None:
        """Return the suggestion of the estimator; ``None`` where all configurations are known."""
        self._remaining = [config for config in self._all if config not in known]
        return super().suggest(known)

    def build(self, seed: int) -> BaseSampler:
        """Return a new Optuna sampler."""
        if self._all:
            return FiniteTPESampler(self._space, self._remaining, seed, self.startup_trials)
        settings: dict[str, Any] = {
            "n_startup_trials": self.startup_trials,
            "multivariate": True,
            "constant_liar": True,
        }
        if self._space.conditional:
            with warnings.catch_warnings():  # that `group`, Optuna's search for fields that go together, may change
                warnings.simplefilter("ignore", ExperimentalWarning)
                return TPESampler(seed=seed, group=True, **settings)
        return _TPESampler(self._space, seed=seed, **settings)


class _TPESampler(TPESampler):
    """Optuna's sampler with the fields of all trials given, which a new one would infer from all trials."""

    def __init__(self, space: EncodedSpace, **settings: Any) -> None:
        super().__init__(**settings)
        self._fields = {
            name: distribution
            for name, distribution in sorted(space.distributions.items())
            if not distribution.single()
        }

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """Return the fields that are suggested together."""
        return dict(self._fields)


class GP(_ModelSampler):
    """Gaussian process with log expected improvement (Ament et al. 2023)."""

    def build(self, seed: int) -> BaseSampler:
        """Return a new Optuna sampler."""
        return GPSampler(seed=seed, n_startup_trials=self.startup_trials, warn_independent_sampling=False)


class CMAES(AdaptiveSampler):
    """Covariance matrix adaptation (Hansen 2016); fields without order are drawn at random."""

    generational: ClassVar[bool] = True

    def build(self, seed: int) -> BaseSampler:
        """Return a new Optuna sampler."""
        return CmaEsSampler(seed=seed, warn_independent_sampling=False)


class NSGA2(AdaptiveSampler):
    """Genetic algorithm with elitism (Deb et al. 2002) for one or two objectives.

    With one, its front is the few best trials.
    """

    generational: ClassVar[bool] = True

    def build(self, seed: int) -> BaseSampler:
        """Return a new Optuna sampler."""
        planned = 80 if self._num_samples is None else self._num_samples
        return NSGAIISampler(seed=seed, population_size=min(50, max(4, planned // 4)))


def _cmaes(space: EncodedSpace, task: str, seed: int, num_samples: int | None) -> Sampler:
    if not any(dimension.ordered for dimension in space.dimensions):
        fields = ", ".join(dimension.name for dimension in space.dimensions)
        raise ConfigError(
            [ConfigIssue("search.algorithm", f"cmaes needs a numeric field, but got ({fields}); use 'tpe'")]
        )
    return CMAES(space, task, seed, num_samples)


ALGORITHMS: dict[Algorithm, Callable[[EncodedSpace, str, int, int | None], Sampler]] = {
    "grid": lambda space, task, seed, num_samples: grid_sampler(space),
    "random": lambda space, task, seed, num_samples: random_sampler(space, derive_seed(seed, task)),
    "tpe": TPE,
    "gp": GP,
    "cmaes": _cmaes,
    "nsga2": NSGA2,
}
"""Algorithms by name: each makes the sampler of a task from its space, its name, the seed and the planned trials."""


def make_sampler(
    algorithm: Algorithm, space: EncodedSpace, task: str, seed: int, num_samples: int | None, objectives: int = 1
) -> Sampler:
    """Make the sampler of a task.

    Args:
        algorithm: a key of `ALGORITHMS`.
        space: the task's space.
        task: name of the task.
        seed: the job's seed.
        num_samples: number of trials planned for the task; ``None`` where only the time budget ends them.
        objectives: number of objectives: the score, and with 2 the milliseconds per row. Of the algorithms that learn
            from results, ``nsga2`` and ``tpe`` take 2.

    Raises:
        ConfigError: the algorithm does not fit the space.
    """
    if algorithm in ("nsga2", "tpe"):
        return (NSGA2 if algorithm == "nsga2" else TPE)(space, task, seed, num_samples, objectives)
    return ALGORITHMS[algorithm](space, task, seed, num_samples)
