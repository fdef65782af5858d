"""A search space as samplers see it: every configuration is a tuple of codes.

Codes make equality exact. A field with finitely many values is coded by position, so the value that is trained is the
one in the file and never a neighbour that a sampler has rounded (``0.1 + 2 * 0.1`` against ``0.3``). Numbers are coded
by rank: an adaptive sampler then sees that 2e-5 < 3e-5 < 5e-5, which Optuna's categorical distribution would hide.
"""

from __future__ import annotations

import itertools
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Mapping, Sequence

import numpy as np
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from gluetune.config import DEPENDENT, Choice, Distribution, Float, Int, SearchSpace, Value, finite_values
from gluetune.errors import ConfigError, ConfigIssue

Code = int | float
Key = tuple[Code, ...]
_MOST_COUNTED = 2**17  # configurations of dependent fields; more are taken to train differently until they are met


class Dimension(ABC):
    """One field of a space.

    Attributes:
        name: the training field.
        distribution: what Optuna samples codes from.
        codes: all codes in file order, ``None`` where there are infinitely many.
    """

    def __init__(self, name: str, distribution: BaseDistribution, codes: Sequence[int] | None) -> None:
        self.name, self.distribution, self.codes = name, distribution, codes

    @property
    def ordered(self) -> bool:
        """Whether codes are numbers on a scale, not mere labels."""
        return not isinstance(self.distribution, CategoricalDistribution)

    @abstractmethod
    def decode(self, code: Code) -> Value:
        """The training field's value."""

    @abstractmethod
    def encode(self, value: Value) -> Code:
        """The code of a value.

        Raises:
            ConfigError: the value is outside the distribution.
        """

    @abstractmethod
    def draw(self, rng: np.random.Generator) -> Code:
        """A random code."""

    def _outside(self, value: Value) -> ConfigError:
        return ConfigError([ConfigIssue(f"space.{self.name}", f"a point must lie in the space, but got {value!r}")])


class _CategoricalDimension(Dimension):
    """Finitely many values, coded by position (by rank where all are numbers)."""

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
    """Whole numbers on a log scale, or too many to list, coded by themselves."""

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
    """Real numbers, coded by themselves; a step too fine to be listed is none."""

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
    """All fields of a search space, and the way between configurations and keys.

    Args:
        space: the distributions.
        trained: what values of the `DEPENDENT` fields make of a trial; configurations that agree in it and in all other
            fields are one. ``None``: keys are compared as they are.

    Attributes:
        size: number of configurations that train differently, ``None`` where it is not finite. An upper bound where
            the dependent fields alone have more than 131,072 combinations.
    """

    def __init__(self, space: SearchSpace, trained: Callable[[Mapping[str, Value]], Hashable] | None = None) -> None:
        self.dimensions = tuple(_dimension(name, spec) for name, spec in space.space.items())
        self.distributions = {dimension.name: dimension.distribution for dimension in self.dimensions}
        self._trained, self._known = trained, dict[Key, Hashable]()
        self._dependent = [
            place
            for place, dimension in enumerate(self.dimensions)
            if trained is not None and dimension.name in DEPENDENT
        ]
        self._free = [place for place in range(len(self.dimensions)) if place not in self._dependent]
        self.size = self._count()

    def identity(self, key: Key) -> Hashable:
        """What a key's trial trains: equal for keys that train the same."""
        if not self._dependent:
            return key
        part = tuple(key[place] for place in self._dependent)
        return tuple(key[place] for place in self._free), self._made_of(part)

    def _made_of(self, part: Key) -> Hashable:
        """What codes of the dependent fields make of a trial."""
        if part not in self._known:
            assert self._trained is not None  # else no field is dependent
            pairs = zip(self._dependent, part, strict=True)
            dimensions = ((self.dimensions[place], code) for place, code in pairs)
            self._known[part] = self._trained({each.name: each.decode(code) for each, code in dimensions})
        return self._known[part]

    def _count(self) -> int | None:
        codes = [dimension.codes for dimension in self.dimensions]
        if any(each is None for each in codes):
            return None
        free, dependent = ([codes[place] or () for place in places] for places in (self._free, self._dependent))
        combinations = math.prod(map(len, dependent))
        if dependent and combinations <= _MOST_COUNTED:
            combinations = len({self._made_of(part) for part in itertools.product(*dependent)})
        return math.prod(map(len, free)) * combinations

    def encode(self, params: Mapping[str, Value]) -> Key:
        """The key of a configuration that names every field; raises `ConfigError` where it is outside the space."""
        return tuple(dimension.encode(params[dimension.name]) for dimension in self.dimensions)

    def decode(self, key: Key) -> dict[str, Value]:
        """The configuration of a key, in file order."""
        pairs = zip(self.dimensions, key, strict=True)
        return {dimension.name: dimension.decode(code) for dimension, code in pairs}

    def draw(self, rng: np.random.Generator) -> Key:
        """A random configuration, each field by its own distribution."""
        return tuple(dimension.draw(rng) for dimension in self.dimensions)

    @property
    def points(self) -> int | None:
        """Number of keys, ``None`` where it is not finite; at least `size`."""
        counts = [None if dimension.codes is None else len(dimension.codes) for dimension in self.dimensions]
        return None if None in counts else math.prod(count for count in counts if count)

    def at(self, position: int) -> Key:
        """The key at a position of a finite space's grid, the last field varying fastest."""
        key: list[Code] = []
        for dimension in reversed(self.dimensions):
            codes = dimension.codes or ()
            position, digit = divmod(position, len(codes))
            key.append(codes[digit])
        return tuple(reversed(key))
