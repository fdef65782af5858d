"""A search space: distributions of training fields, and points to try first."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any, Literal

from pydantic import Field

from gluetune.config.training import Section

Value = bool | int | float | str


class Choice(Section):
    """One of the values."""

    type: Literal["choice"] = "choice"
    values: tuple[Value, ...] = Field(min_length=1)


class Float(Section):
    """A real number in ``[low, high]``, by ``step`` or on a log scale."""

    type: Literal["float"] = "float"
    low: float
    high: float
    log: bool = False
    step: float | None = None


class Int(Section):
    """A whole number in ``[low, high]``, by ``step`` or on a log scale."""

    type: Literal["int"] = "int"
    low: int
    high: int
    log: bool = False
    step: int = 1


Distribution = Choice | Float | Int


class SearchSpace(Section):
    """What may vary.

    Attributes:
        name: the file's name without its ending.
        source: the publication it comes from.
        training: fixed training fields that the publication sets beside the varied ones.
        space: distribution by training field, in file order.
        points: configurations to try first; each names every field of ``space``.
    """

    name: str
    source: str = ""
    training: dict[str, Any] = Field(default_factory=dict)
    space: dict[str, Distribution]
    points: tuple[dict[str, Value], ...] = ()

    @property
    def size(self) -> int | None:
        """Number of distinct configurations, ``None`` where it is not finite."""
        size = 1
        for distribution in self.space.values():
            values = finite_values(distribution)
            if values is None:
                return None
            size *= len(values)
        return size

    def grid(self) -> Iterator[dict[str, Value]]:
        """All configurations of a finite space, the last field varying fastest."""
        columns = [finite_values(distribution) or () for distribution in self.space.values()]
        for values in itertools.product(*columns):
            yield dict(zip(self.space, values, strict=True))


def finite_values(distribution: Distribution) -> tuple[Value, ...] | None:
    """All values of a distribution, ``None`` for a continuous or log-scaled integer one."""
    if isinstance(distribution, Choice):
        return distribution.values
    if isinstance(distribution, Int):
        return None if distribution.log else tuple(range(distribution.low, distribution.high + 1, distribution.step))
    if distribution.step is None:
        return None
    count = int((distribution.high - distribution.low) / distribution.step + 1e-9) + 1
    return tuple(distribution.low + i * distribution.step for i in range(count))
