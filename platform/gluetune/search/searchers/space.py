"""A search space encoded for samplers: every configuration is a tuple of codes, one per field.

Codes make equality exact. The code of a value from a finite set is its position, so that trials train the value in the
file and never a neighbour that a sampler has rounded (``0.1 + 2 * 0.1`` against ``0.3``). The code of a number in such
a set is its rank: an adaptive sampler then sees that 2e-5 < 3e-5 < 5e-5, which Optuna's categorical distribution hides.
"""

from __future__ import annotations

import itertools
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Mapping, Sequence

import numpy as np
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from gluetune.config import DEPENDENT_FIELDS, Choice, Distribution, Float, Int, SearchSpace, Value, finite_values
from gluetune.errors import ConfigError, ConfigIssue

Code = int | float
"""One value of a field as samplers see it."""
EncodedConfig = tuple[Code, ...]
"""The codes of a configuration, in the order of the space's fields. Hashable and comparable."""
_MAX_COUNTED = 2**17  # combinations of dependent fields; of more, all count as different in `EncodedSpace.size`


class Dimension(ABC):
    """One field of a space.

    Attributes:
        name: the training field.
        distribution: the Optuna distribution of the codes.
        codes: all codes in file order; ``None`` where there are infinitely many.
    """

    def __init__(self, name: str, distribution: BaseDistribution, codes: Sequence[int] | None) -> None:
        self.name, self.distribution, self.codes = name, distribution, codes

    @property
    def ordered(self) -> bool:
        """Whether codes are numbers on a scale, rather than labels."""
        return not isinstance(self.distribution, CategoricalDistribution)

    @abstractmethod
    def decode(self, code: Code) -> Value:
        """Return the value of a code."""

    @abstractmethod
    def encode(self, value: Value) -> Code:
        """Return the code of a value.

        Raises:
            ConfigError: the value is outside the distribution.
        """

    @abstractmethod
    def draw(self, rng: np.random.Generator) -> Code:
        """Return a random code."""

    def _outside(self, value: Value) -> ConfigError:
        return ConfigError([ConfigIssue(f"space.{self.name}", f"a point must lie in the space, but got {value!r}")])


class _CategoricalDimension(Dimension):
    """Finitely many values. The code is the position, or the rank where all values are numbers."""

    def __init__(self, name: str, values: Sequence[Value]) -> None:
        numbers = [value for value in values if isinstance(value, int | float) and not isinstance(value, bool)]
        numeric = len(numbers) == len(values)
        self._values: Sequence[Value] = sorted(numbers) if numeric else values
        self._codes = {value: code for code, value in enumerate(self._values)}
        count = len(self._values)
        distribution = IntDistribution(0, count - 1) if numeric else CategoricalDistribution(range(count))
        super().__init__(name, distribution, [self._codes[value] for value in values])

    def decode(self, code: Code) -> Value:
        return self._values[int(code)]

    def encode(self, value: Value) -> Code:
        if value not in self._codes:
            raise self._outside(value)
        return self._codes[value]

    def draw(self, rng: np.random.Generator) -> Code:
        return int(rng.integers(len(self._values)))


class _IntDimension(Dimension):
    """Integers on a log scale, or too many to list. The code is the value."""

    def __init__(self, name: str, spec: Int) -> None:
        self._range, self._log = range(spec.low, spec.high + 1, spec.step), spec.log
        super().__init__(name, IntDistribution(spec.low, self._range[-1], spec.log, spec.step), self._range)

    def decode(self, code: Code) -> Value:
        return int(code)

    def encode(self, value: Value) -> Code:
        if isinstance(value, str) or value != int(value) or int(value) not in self._range:
            raise self._outside(value)
        return int(value)

    def draw(self, rng: np.random.Generator) -> Code:
        if not self._log:
            return self._range[int(rng.integers(len(self._range)))]
        low, high = self._range[0], self._range[-1]
        exact = math.exp(rng.uniform(math.log(low - 0.5), math.log(high + 0.5)))
        return min(max(round(exact), low), high)


class _FloatDimension(Dimension):
    """Real numbers, also with a step that gives too many to list. The code is the value."""

    def __init__(self, name: str, spec: Float) -> None:
        self._low, self._high, self._log = spec.low, spec.high, spec.log
        super().__init__(name, FloatDistribution(spec.low, spec.high, log=spec.log), None)

    def decode(self, code: Code) -> Value:
        return float(code)

    def encode(self, value: Value) -> Code:
        if isinstance(value, str) or not self._low <= value <= self._high:
            raise self._outside(value)
        return float(value) + 0.0  # -0.0 and 0.0 are one configuration

    def draw(self, rng: np.random.Generator) -> Code:
        if self._log:
            value = math.exp(rng.uniform(math.log(self._low), math.log(self._high)))
        else:
            value = rng.uniform(self._low, self._high)
        return min(max(value, self._low), self._high) + 0.0


def _dimension(name: str, spec: Distribution) -> Dimension:
    if isinstance(spec, Float) and spec.low == spec.high:
        return _CategoricalDimension(name, (spec.low,))
    values = spec.values if isinstance(spec, Choice) else finite_values(spec)
    if values is not None:
        return _CategoricalDimension(name, values)
    return _IntDimension(name, spec) if isinstance(spec, Int) else _FloatDimension(name, spec)  # type: ignore[arg-type]


class EncodedSpace:
    """All fields of a search space, and the conversion between configurations and their codes.

    Args:
        space: the distributions.
        effect: maps the `DEPENDENT_FIELDS` of a configuration to what they make of a trial. Configurations with the
            same effect and equal other fields count as one. ``None``: configurations are compared as they are.

    Attributes:
        dimensions: the fields, in file order.
        distributions: Optuna distributions of the codes, by field.
        size: number of configurations that train differently; ``None`` where it is not finite. An upper bound where
            the dependent fields alone have more than 131,072 combinations.
    """

    def __init__(self, space: SearchSpace, effect: Callable[[Mapping[str, Value]], Hashable] | None = None) -> None:
        self.dimensions = tuple(_dimension(name, spec) for name, spec in space.space.items())
        self.distributions = {dimension.name: dimension.distribution for dimension in self.dimensions}
        self._effect, self._effects = effect, dict[EncodedConfig, Hashable]()
        self._dependent = [
            place
            for place, dimension in enumerate(self.dimensions)
            if effect is not None and dimension.name in DEPENDENT_FIELDS
        ]
        self._free = [place for place in range(len(self.dimensions)) if place not in self._dependent]
        self.size = self._count()

    def identity(self, config: EncodedConfig) -> Hashable:
        """Return what a configuration trains: equal for configurations that train the same."""
        if not self._dependent:
            return config
        part = tuple(config[place] for place in self._dependent)
        return tuple(config[place] for place in self._free), self._effect_of(part)

    def _effect_of(self, part: EncodedConfig) -> Hashable:
        """Return the effect of codes of the dependent fields."""
        if part not in self._effects:
            assert self._effect is not None  # else no field is dependent
            pairs = zip(self._dependent, part, strict=True)
            dimensions = ((self.dimensions[place], code) for place, code in pairs)
            self._effects[part] = self._effect({each.name: each.decode(code) for each, code in dimensions})
        return self._effects[part]

    def _count(self) -> int | None:
        codes = [dimension.codes for dimension in self.dimensions]
        if any(each is None for each in codes):
            return None
        free, dependent = ([codes[place] or () for place in places] for places in (self._free, self._dependent))
        combinations = math.prod(map(len, dependent))
        if dependent and combinations <= _MAX_COUNTED:
            combinations = len({self._effect_of(part) for part in itertools.product(*dependent)})
        return math.prod(map(len, free)) * combinations

    def encode(self, params: Mapping[str, Value]) -> EncodedConfig:
        """Return the codes of a configuration.

        Args:
            params: a value for every field.

        Raises:
            ConfigError: a value is outside the space.
        """
        return tuple(dimension.encode(params[dimension.name]) for dimension in self.dimensions)

    def decode(self, config: EncodedConfig) -> dict[str, Value]:
        """Return the values of an encoded configuration, by field in file order."""
        pairs = zip(self.dimensions, config, strict=True)
        return {dimension.name: dimension.decode(code) for dimension, code in pairs}

    def draw(self, rng: np.random.Generator) -> EncodedConfig:
        """Return a random configuration, each field drawn from its own distribution."""
        return tuple(dimension.draw(rng) for dimension in self.dimensions)

    @property
    def grid_size(self) -> int | None:
        """Number of combinations of codes; ``None`` where it is not finite. At least `size`."""
        counts = [None if dimension.codes is None else len(dimension.codes) for dimension in self.dimensions]
        return None if None in counts else math.prod(count for count in counts if count)

    def grid_point(self, position: int) -> EncodedConfig:
        """Return a configuration of a finite space.

        Args:
            position: its position in the grid, in which the last field varies fastest.
        """
        config: list[Code] = []
        for dimension in reversed(self.dimensions):
            codes = dimension.codes or ()
            position, digit = divmod(position, len(codes))
            config.append(codes[digit])
        return tuple(reversed(config))
