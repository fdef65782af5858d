"""A search space: distributions of training fields, and configurations to try first."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import Field, Strict, model_validator

from gluetune.config.training import TrainingConfig
from gluetune.config.validation import Section

Value = bool | int | float | str
MODEL_FIELD = "model"
"""The dimension of the encoders in a search space; all other dimensions are training fields."""

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
    (``low``, ``high``, both included, and ``step`` or ``log``). The field ``model`` has a list of encoders, which all
    have the other fields; encoders with different fields are given by ``encoders``. Mistakes in the form raise
    ``pydantic.ValidationError``, a ``ValueError``; whether the values suit their training fields is checked where a
    job takes the space, which raises `gluetune.errors.ConfigError`.

    Attributes:
        name: the name that the file gives, else the file's name without its ending; ``space`` without a file.
        source: the publication it comes from.
        model_types: the families of encoders it was published for, as their ``config.json`` names them; empty for any.
        training: fixed training fields that the publication sets beside the varied ones.
        space: distribution by training field, in file order; empty where there are ``encoders``.
        points: configurations to try first; each names every field of ``space``.
        encoders: the search space of each encoder, where the search chooses among several encoders.

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
    space: dict[str, Distribution] = Field(default_factory=dict)
    points: Annotated[tuple[dict[str, Value], ...], Strict(False)] = ()
    encoders: dict[str, SearchSpace] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _read(cls, values: Any) -> Any:
        """Turn lists of values into choices between them, as in files, and ``model`` into a space for each encoder."""
        space = values.get("space") if isinstance(values, Mapping) else None
        if not isinstance(space, Mapping):
            return values
        listed = {
            field: {"type": "choice", "values": spec} if isinstance(spec, list | tuple) else spec
            for field, spec in space.items()
        }
        return _split_by_encoder({**values, "space": listed})

    @model_validator(mode="after")
    def _check_encoders(self) -> SearchSpace:
        if not self.encoders and "space" not in self.model_fields_set:
            raise ValueError("`space` or `encoders` must be given")
        if self.encoders and (self.space or self.points or self.training):
            raise ValueError("`space`, `points` and `training` must stand in the space of each encoder")
        if any(part.encoders for part in self.encoders.values()):
            raise ValueError("the space of an encoder must not name encoders itself")
        return self

    @property
    def parts(self) -> dict[str, SearchSpace]:
        """The space of each encoder; this one by an empty name where it does not choose among encoders."""
        return self.encoders or {"": self}

    def part(self, params: Mapping[str, Value]) -> SearchSpace:
        """Return the space that a configuration is of: that of its encoder, where there are several."""
        return self.encoders[str(params[MODEL_FIELD])] if self.encoders else self

    @property
    def fields(self) -> tuple[str, ...]:
        """Names of all dimensions, in file order; ``model`` is the first where there are several encoders."""
        own = dict.fromkeys(field for part in self.parts.values() for field in part.space)
        return (*([MODEL_FIELD] if self.encoders else ()), *own)

    @property
    def size(self) -> int | None:
        """Number of distinct configurations, ``None`` where it is not finite."""
        total = 0
        for part in self.parts.values():
            counts = [finite_values(distribution) for distribution in part.space.values()]
            if None in counts:
                return None
            total += math.prod(len(values or ()) for values in counts)
        return total

    def grid(self) -> Iterator[dict[str, Value]]:
        """Yield all configurations of a finite space; the last field varies fastest."""
        for name, part in self.parts.items():
            model: dict[str, Value] = {MODEL_FIELD: name} if self.encoders else {}
            columns = [finite_values(distribution) or () for distribution in part.space.values()]
            for values in itertools.product(*columns):
                yield model | dict(zip(part.space, values, strict=True))

    def resolve(self, training: TrainingConfig, params: dict[str, Value] | None = None) -> TrainingConfig:
        """Return the training settings of one trial: searched fields go before the job's, the job's before fixed ones.

        Args:
            training: the job's settings; only the fields that it sets explicitly count.
            params: one configuration of the space; ``None`` for the fields that do not vary, of a space without
                ``encoders``.
        """
        explicit, searched = training.model_dump(exclude_unset=True), dict(params or {})
        fixed = self.part(searched).training
        searched.pop(MODEL_FIELD, None)
        return TrainingConfig.model_validate({**fixed, **explicit, **searched})

    def largest(self, field: str, fixed: float) -> float:
        """Return the largest value of a numeric field; ``fixed`` where the space of one encoder does not vary it."""
        distribution = self.space.get(field)
        if distribution is None:
            return fixed
        values = distribution.values if isinstance(distribution, Choice) else (distribution.high,)
        return max(value for value in values if not isinstance(value, str))


def _split_by_encoder(values: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the content of a space with the dimension ``model`` as one with a space for each encoder."""
    space = dict(values["space"])
    if MODEL_FIELD not in space:
        return values
    given = Choice.model_validate(space.pop(MODEL_FIELD)).values
    points = [dict(point) for point in values.get("points") or ()]
    if wrong := [point.get(MODEL_FIELD) for point in points if point.get(MODEL_FIELD) not in given]:
        raise ValueError(f"`model` of each point must be one of {', '.join(map(str, given))}, but got {wrong[0]!r}")

    def part(encoder: Value) -> dict[str, Any]:
        own = [point for point in points if point.get(MODEL_FIELD) == encoder]
        left = [{key: value for key, value in point.items() if key != MODEL_FIELD} for point in own]
        return {**values, "space": space, "points": left}

    shared = {key: value for key, value in values.items() if key not in ("space", "points", "training")}
    return {**shared, "space": {}, "encoders": {str(encoder): part(encoder) for encoder in given}}


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
