"""The adaptive algorithms and the registry of all six.

Optuna's defaults suit hundreds of trials. Fine-tuning searches have tens, so the random start and the populations
shrink with the number of trials planned; otherwise a search of 20 trials would be random but for its name.
"""

from __future__ import annotations

from collections.abc import Callable, Container
from typing import Any, ClassVar

from optuna import Study
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler, CmaEsSampler, GPSampler, NSGAIISampler, TPESampler
from optuna.trial import FrozenTrial

from gluetune.config import Algorithm
from gluetune.errors import ConfigError, ConfigIssue
from gluetune.search.searchers.adaptive import AdaptiveSampler
from gluetune.search.searchers.finite_tpe import FiniteTPESampler
from gluetune.search.searchers.sampler import Sampler, derive
from gluetune.search.searchers.space import EncodedSpace, Key
from gluetune.search.searchers.static import grid, random

_MOST_LISTED = 2**10  # configurations; beyond, going through all takes longer than a choice should


class _ModelSampler(AdaptiveSampler):
    @property
    def most_startup(self) -> int:
        """Random trials before the model is used, where there is time for them: Optuna's 10."""
        return 10

    @property
    def startup(self) -> int:
        """Number of random trials before the algorithm chooses: at most a third of a small budget."""
        most = self.most_startup
        return most if self._num_samples is None else min(most, max(3, self._num_samples // 3))


class TPE(_ModelSampler):
    """Tree-structured Parzen estimator, multivariate (Bergstra et al. 2011; Falkner et al. 2018).

    Trials running on other lanes count as bad until they end ("constant liar"), so lanes do not crowd one spot. Where
    the space can be listed all configurations left are compared, see `FiniteTPESampler`; elsewhere Optuna draws some.
    """

    learns_from_pruned: ClassVar[bool] = True

    def __init__(self, space: EncodedSpace, task: str, seed: int, num_samples: int | None) -> None:
        super().__init__(space, task, seed, num_samples)
        listed = space.points is not None and space.points <= _MOST_LISTED
        keys = [space.at(position) for position in range(space.points or 0)] if listed else []
        self._all = list({space.identity(key): key for key in reversed(keys)}.values())[::-1]  # the first of its like
        self._left: list[Key] = []

    @property
    def most_startup(self) -> int:
        """Four on a finite space: grids of tens of points, whose files name good points to try first.

        On three recorded grids of 54 points (`benchmarks.efficiency`) the best was then found 1.6% (±1.4) of
        the grid's epochs sooner than with ten: 600 searches each, with seeds that had no part in choosing the number
        (and with Optuna's estimator). Without points to try first there was no difference.
        """
        return super().most_startup if self._space.size is None else 4

    def suggest(self, known: Container[Key]) -> Key | None:
        """What the estimator suggests; ``None`` when all are known."""
        self._left = [key for key in self._all if key not in known]
        return super().suggest(known)

    def build(self, seed: int) -> BaseSampler:
        """Makes the Optuna sampler."""
        if self._all:
            return FiniteTPESampler(self._space, self._left, seed, self.startup)
        return _TPESampler(self._space, seed=seed, n_startup_trials=self.startup, multivariate=True, constant_liar=True)


class _TPESampler(TPESampler):
    """Optuna's, told the fields that all trials have: a new one would look through all trials to find them out."""

    def __init__(self, space: EncodedSpace, **settings: Any) -> None:
        super().__init__(**settings)
        self._fields = {
            name: distribution
            for name, distribution in sorted(space.distributions.items())
            if not distribution.single()
        }

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """The fields to be suggested together."""
        return dict(self._fields)


class GP(_ModelSampler):
    """Gaussian process with log expected improvement (Ament et al. 2023)."""

    def build(self, seed: int) -> BaseSampler:
        """Makes the Optuna sampler."""
        return GPSampler(seed=seed, n_startup_trials=self.startup, warn_independent_sampling=False)


class CMAES(AdaptiveSampler):
    """Covariance matrix adaptation (Hansen 2016); unordered choices beside it are drawn at random."""

    generational: ClassVar[bool] = True

    def build(self, seed: int) -> BaseSampler:
        """Makes the Optuna sampler."""
        return CmaEsSampler(seed=seed, warn_independent_sampling=False)


class NSGA2(AdaptiveSampler):
    """Genetic algorithm with elitism (Deb et al. 2002); with one objective its front is the best few."""

    generational: ClassVar[bool] = True

    def build(self, seed: int) -> BaseSampler:
        """Makes the Optuna sampler."""
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
    "grid": lambda space, task, seed, num_samples: grid(space),
    "random": lambda space, task, seed, num_samples: random(space, derive(seed, task)),
    "tpe": TPE,
    "gp": GP,
    "cmaes": _cmaes,
    "nsga2": NSGA2,
}
