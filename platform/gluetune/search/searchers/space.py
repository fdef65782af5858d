"""A search space encoded for samplers: every configuration is a tuple of codes, one per dimension.

Codes make equality exact. The code of a value from a finite set is its position, so that trials train the value in the
file and never a neighbour that a sampler has rounded (``0.1 + 2 * 0.1`` against ``0.3``). The code of a number in such
a set is its rank: an adaptive sampler then sees that 2e-5 < 3e-5 < 5e-5, which Optuna's categorical distribution hides.

A search among several encoders has the dimension ``model`` and is conditional: a field that only some encoders have, or
that they have with other values, is a dimension that only their configurations have a code of. A field that encoders
have with the same values is one dimension, so that a sampler learns about it from all of them.
"""

from __future__ import annotations

import copy
import itertools
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from gluetune.config import (
    DEPENDENT_FIELDS,
    MODEL_FIELD,
    Choice,
    Distribution,
    Float,
    Int,
    SearchSpace,
    Value,
    finite_values,
)
from gluetune.errors import ConfigError, ConfigIssue

Code = int | float
"""One value of a field as samplers see it."""
EncodedConfig = tuple[Code | None, ...]
"""The codes of a configuration, in the order of the space's dimensions, ``None`` for those that it does not have.
Hashable and comparable."""
_MAX_COUNTED = 2**17  # combinations of dependent fields; of more, all count as different in `EncodedSpace.size`


class Dimension(ABC):
    """One field of a space.

    Attributes:
        name: the training field, or ``model``.
        key: the name that the field has in an Optuna study: ``name``, with a number where there are several dimensions
            of the field.
        encoders: positions of the encoders that have the dimension; ``None`` for all.
        distribution: the Optuna distribution of the codes.
        codes: all codes in file order; ``None`` where there are infinitely many.
    """

    key: str
    encoders: frozenset[int] | None

    def __init__(self, name: str, distribution: BaseDistribution, codes: Sequence[int] | None) -> None:
        self.name, self.distribution, self.codes = name, distribution, codes
        self.key, self.encoders = name, None

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

    def of(self, key: str, encoders: frozenset[int]) -> Dimension:
        """Return the dimension as one that only some encoders have.

        Args:
            key: the name that it has in an Optuna study.
            encoders: positions of these encoders.
        """
        other = copy.copy(self)
        other.key, other.encoders = key, encoders
        return other

    def suggest(self, trial: optuna.Trial) -> Code:
        """Let a trial of an Optuna study choose a code."""
        spec = self.distribution
        if isinstance(spec, IntDistribution):
            return trial.suggest_int(self.key, spec.low, spec.high, step=spec.step, log=spec.log)
        if isinstance(spec, FloatDistribution):
            return trial.suggest_float(self.key, spec.low, spec.high, step=spec.step, log=spec.log)
        assert isinstance(spec, CategoricalDistribution)  # there are no others
        code: int = trial.suggest_categorical(self.key, spec.choices)  # type: ignore[assignment]
        return code

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
    """All dimensions of a search space, and the conversion between configurations and their codes.

    Args:
        space: the distributions.
        effect: maps the `DEPENDENT_FIELDS` of a configuration, and its encoder, to what they make of a trial.
            Configurations with the same encoder, effect and other fields count as one. ``None``: configurations are
            compared as they are.

    Attributes:
        dimensions: ``model`` where there are several encoders, then the fields in file order.
        distributions: Optuna distributions of the codes, by the dimension's key.
        conditional: whether some dimensions belong to some encoders only.
        size: number of configurations that train differently; ``None`` where it is not finite. An upper bound where
            the dependent fields alone have more than 131,072 combinations.
    """

    def __init__(self, space: SearchSpace, effect: Callable[[Mapping[str, Value]], Hashable] | None = None) -> None:
        self.dimensions = tuple(_dimensions(space))
        self.distributions = {dimension.key: dimension.distribution for dimension in self.dimensions}
        self.conditional = any(dimension.encoders is not None for dimension in self.dimensions)
        self._several = bool(space.encoders)
        self._parts = [_Part.make(self.dimensions, code) for code in range(len(space.parts))]
        if effect is None:
            self._parts = [replace(part, free=part.fields, dependent=()) for part in self._parts]
        self._effect, self._effects = effect, dict[tuple[int, EncodedConfig], Hashable]()
        self.size = self._count()

    def _part(self, config: EncodedConfig) -> _Part:
        return self._parts[int(config[0] or 0) if self._several else 0]

    def identity(self, config: EncodedConfig) -> Hashable:
        """Return what a configuration trains: equal for configurations that train the same."""
        part = self._part(config)
        if not part.dependent:
            return config
        dependent = tuple(config[place] for place in part.dependent)
        return part.encoder, tuple(config[place] for place in part.free), self._effect_of(part, dependent)

    def _effect_of(self, part: _Part, codes: EncodedConfig) -> Hashable:
        """Return the effect of codes of the dependent fields of an encoder."""
        key = (part.encoder, codes)
        if key not in self._effects:
            assert self._effect is not None  # else no field is dependent
            config: list[Code | None] = [None] * len(self.dimensions)
            for place, code in zip(part.dependent, codes, strict=True):
                config[place] = code
            if self._several:
                config[0] = part.encoder
            self._effects[key] = self._effect(self.decode(tuple(config)))
        return self._effects[key]

    def _count(self) -> int | None:
        counts = [self._count_of(part) for part in self._parts]
        return None if None in counts else sum(count or 0 for count in counts)

    def _count_of(self, part: _Part) -> int | None:
        codes = {place: self.dimensions[place].codes for place in part.fields}
        if any(each is None for each in codes.values()):
            return None
        free, dependent = ([codes[place] or () for place in places] for places in (part.free, part.dependent))
        combinations = math.prod(map(len, dependent))
        if dependent and combinations <= _MAX_COUNTED:
            combinations = len({self._effect_of(part, config) for config in itertools.product(*dependent)})
        return math.prod(map(len, free)) * combinations

    def encode(self, params: Mapping[str, Value]) -> EncodedConfig:
        """Return the codes of a configuration.

        Args:
            params: a value for every field of its encoder, and the encoder where there are several.

        Raises:
            ConfigError: a value is outside the space.
        """
        encoder = int(self.dimensions[0].encode(params[MODEL_FIELD])) if self._several else 0
        places = set(self._parts[encoder].places)
        return tuple(
            dimension.encode(params[dimension.name]) if place in places else None
            for place, dimension in enumerate(self.dimensions)
        )

    def decode(self, config: EncodedConfig) -> dict[str, Value]:
        """Return the values of an encoded configuration, by field in file order."""
        pairs = zip(self.dimensions, config, strict=True)
        return {dimension.name: dimension.decode(code) for dimension, code in pairs if code is not None}

    def suggest(self, trial: optuna.Trial) -> EncodedConfig:
        """Let a trial of an Optuna study choose a configuration: the encoder first, then the fields that it has."""
        codes: list[Code | None] = [None] * len(self.dimensions)
        if self._several:
            codes[0] = self.dimensions[0].suggest(trial)
        for place in self._part(tuple(codes)).fields:
            codes[place] = self.dimensions[place].suggest(trial) + 0  # -0.0 and 0.0 are one configuration
        return tuple(codes)

    def draw(self, rng: np.random.Generator) -> EncodedConfig:
        """Return a random configuration: each encoder equally often, each field from its own distribution."""
        codes: list[Code | None] = [None] * len(self.dimensions)
        if self._several:
            codes[0] = self.dimensions[0].draw(rng)
        for place in self._part(tuple(codes)).fields:
            codes[place] = self.dimensions[place].draw(rng)
        return tuple(codes)

    @property
    def grid_size(self) -> int | None:
        """Number of combinations of codes; ``None`` where it is not finite. At least `size`."""
        sizes = [self._grid_size_of(part) for part in self._parts]
        return None if None in sizes else sum(size or 0 for size in sizes)

    def _grid_size_of(self, part: _Part) -> int | None:
        counts = [self.dimensions[place].codes for place in part.fields]
        return None if None in counts else math.prod(len(codes) for codes in counts if codes)

    def grid_point(self, position: int) -> EncodedConfig:
        """Return a configuration of a finite space.

        Args:
            position: its position in the grid, in which the last field varies fastest and the encoder slowest.
        """
        for part in self._parts:
            size = self._grid_size_of(part) or 0
            if position < size:
                break
            position -= size
        codes: list[Code | None] = [None] * len(self.dimensions)
        if self._several:
            codes[0] = part.encoder
        for place in reversed(part.fields):
            known = self.dimensions[place].codes or ()
            position, digit = divmod(position, len(known))
            codes[place] = known[digit]
        return tuple(codes)

    def grids(self) -> Iterator[tuple[tuple[int, ...], EncodedConfig]]:
        """Yield, for each encoder, the places of the fields that it has, and a configuration without their codes."""
        for part in self._parts:
            codes: list[Code | None] = [None] * len(self.dimensions)
            if self._several:
                codes[0] = part.encoder
            yield part.fields, tuple(codes)


@dataclass(frozen=True)
class _Part:
    """The dimensions of the configurations of one encoder.

    Attributes:
        encoder: position of the encoder.
        places: places of all its dimensions, ``model`` included.
        fields: places of its fields.
        dependent: places of its fields among `DEPENDENT_FIELDS`.
        free: places of its other fields.
    """

    encoder: int
    places: tuple[int, ...]
    fields: tuple[int, ...]
    dependent: tuple[int, ...]
    free: tuple[int, ...]

    @classmethod
    def make(cls, dimensions: Sequence[Dimension], encoder: int) -> _Part:
        """Collect the dimensions of an encoder."""
        own = [(i, each) for i, each in enumerate(dimensions) if each.encoders is None or encoder in each.encoders]
        fields = [(i, each.name in DEPENDENT_FIELDS) for i, each in own if each.name != MODEL_FIELD]
        return cls(
            encoder,
            tuple(i for i, _ in own),
            tuple(i for i, _ in fields),
            tuple(i for i, dependent in fields if dependent),
            tuple(i for i, dependent in fields if not dependent),
        )


def _dimensions(space: SearchSpace) -> Iterator[Dimension]:
    """Yield the dimension of the encoders, where there are several, and those of the fields."""
    if not space.encoders:
        yield from (_dimension(name, spec) for name, spec in space.space.items())
        return
    yield _CategoricalDimension(MODEL_FIELD, tuple(space.encoders))
    parts = list(space.encoders.values())
    for field in space.fields[1:]:
        by_spec: dict[Distribution, set[int]] = {}
        for encoder, part in enumerate(parts):
            if field in part.space:
                by_spec.setdefault(part.space[field], set()).add(encoder)
        for number, (spec, encoders) in enumerate(by_spec.items(), 1):
            dimension = _dimension(field, spec)
            if len(encoders) == len(parts):
                yield dimension
            else:
                yield dimension.of(field if len(by_spec) == 1 else f"{field}.{number}", frozenset(encoders))
