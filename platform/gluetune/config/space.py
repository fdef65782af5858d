"""A search space: distributions of training fields, and configurations to try first."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import Field, Strict, field_validator, model_validator

from gluetune.config.training import TrainingConfig
from gluetune.config.validation import Section

Value = bool | int | float | str

_MAX_GRID_VALUES = 1_000_000  # a range with more values counts as continuous


class Choice(Section):
    """One of several values."""

    type: Literal["choice"] = "choice"
    values: Annotated[tuple[Value, ...], Strict(False), Field(min_length=1)]

    @model_validator(mode="after")
    def _check(self) -> Choice:
        for i, value in enumerate(self.values):
            if value in self.values[:i]:
                raise ValueError(f"values must be given once, but got {value!r} again")
        return self


class _Range(Section):
    """Bounds, both included. ``step`` and ``log`` must not be given together, as in Optuna."""

    log: bool = False

    @model_validator(mode="after")
    def _check(self) -> _Range:
        low, high, step = (getattr(self, name) for name in ("low", "high", "step"))
        if not low <= high:
            raise ValueError(f"`low <= high` must hold, but got (low={low}, high={high})")
        if self.log and low <= 0:
            raise ValueError(f"`low > 0` must hold where log is true, but got (low={low})")
        if self.log and "step" in self.model_fields_set and step not in (None, 1):
            raise ValueError(f"step and log must not be given together, but got (step={step}, log=true)")
        return self


class Float(_Range):
    """A real number in ``[low, high]``, by ``step`` or on a log scale."""

    type: Literal["float"] = "float"
    low: float
    high: float
    step: float | None = Field(default=None, gt=0)


class Int(_Range):
    """A whole number in ``[low, high]``, by ``step`` or on a log scale."""

    type: Literal["int"] = "int"
    low: int
    high: int
    step: int = Field(default=1, ge=1)


Distribution = Choice | Float | Int


class SearchSpace(Section):
    """The training fields that a search varies: a search-space file's keys and values.

    Each field has a list of values, or a mapping with the ``type`` ``choice`` (``values``), ``float`` or ``int``
    (``low``, ``high``, both included, and ``step`` or ``log``). Mistakes in the form raise
    ``pydantic.ValidationError``, a ``ValueError``; whether the values suit their training fields is checked where a
    job takes the space, which raises `gluetune.errors.ConfigError`.

    Attributes:
        name: the name that the file gives, else the file's name without its ending; ``space`` without a file.
        source: the publication it comes from.
        model_types: the families of encoders it was published for, as their ``config.json`` names them; empty for any.
        training: fixed training fields that the publication sets beside the varied ones.
        space: distribution by training field, in file order.
        points: configurations to try first; each names every field of ``space``.

    Example:
        >>> rates = {"type": "float", "low": 1e-5, "high": 1e-4, "log": True}
        >>> space = gluetune.SearchSpace(name="mine", space={"learning_rate": rates, "batch_size": [16, 32]})
        >>> list(space.space), gluetune.SearchSpace(space={"batch_size": [16, 32]}).size
        (['learning_rate', 'batch_size'], 2)
    """

    name: str = "space"
    source: str = ""
    model_types: Annotated[tuple[str, ...], Strict(False)] = ()
    training: dict[str, Any] = Field(default_factory=dict)
    space: dict[str, Distribution]
    points: Annotated[tuple[dict[str, Value], ...], Strict(False)] = ()

    @field_validator("space", mode="before")
    @classmethod
    def _listed(cls, space: Any) -> Any:
        """Turn lists of values into choices between them, as in files."""
        if not isinstance(space, Mapping):
            return space
        return {
            field: {"type": "choice", "values": spec} if isinstance(spec, list | tuple) else spec
            for field, spec in space.items()
        }

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
        """Yield all configurations of a finite space; the last field varies fastest."""
        columns = [finite_values(distribution) or () for distribution in self.space.values()]
        for values in itertools.product(*columns):
            yield dict(zip(self.space, values, strict=True))

    def resolve(self, training: TrainingConfig, params: dict[str, Value] | None = None) -> TrainingConfig:
        """Return the training settings of one trial: searched fields go before the job's, the job's before fixed ones.

        Args:
            training: the job's settings; only the fields that it sets explicitly count.
            params: one configuration of the space; ``None`` for the fields that do not vary.
        """
        explicit = training.model_dump(exclude_unset=True)
        return TrainingConfig.model_validate({**self.training, **explicit, **(params or {})})

    def largest(self, field: str, fixed: float) -> float:
        """Return the largest value of a numeric field; ``fixed`` where the space does not vary it."""
        distribution = self.space.get(field)
        if distribution is None:
            return fixed
        values = distribution.values if isinstance(distribution, Choice) else (distribution.high,)
        return max(value for value in values if not isinstance(value, str))


def finite_values(distribution: Distribution) -> tuple[Value, ...] | None:
    """Return all values of a distribution; ``None`` if it is continuous, log-scaled or has over a million values."""
    if isinstance(distribution, Choice):
        return distribution.values
    if distribution.log or distribution.step is None:
        return None
    low, high, step = (Decimal(str(bound)) for bound in (distribution.low, distribution.high, distribution.step))
    count = int((high - low) / step) + 1
    convert = int if isinstance(distribution, Int) else float
    return tuple(convert(low + i * step) for i in range(count)) if count <= _MAX_GRID_VALUES else None


def contains(distribution: Distribution, value: Any) -> bool:
    """Whether a distribution contains the value."""
    values = finite_values(distribution)
    if values is not None:
        return any(value == known and isinstance(value, bool) == isinstance(known, bool) for known in values)
    if isinstance(distribution, Choice) or isinstance(value, bool) or not isinstance(value, int | float):
        return False
    on_step = isinstance(distribution, Float) or (value - distribution.low) % distribution.step == 0
    return on_step and distribution.low <= value <= distribution.high
