"""What a search-space file must hold; every distribution and point is checked against the training field it names."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from gluetune.config.space import Choice, Distribution, Float, Int, SearchSpace, contains
from gluetune.config.training import TrainingConfig
from gluetune.config.validation import Mistake, show, unknown_key, validate
from gluetune.config.yaml_reader import KeyPath, dotted
from gluetune.errors import nearest

_TYPES: dict[str, type[Choice] | type[Float] | type[Int]] = {"choice": Choice, "float": Float, "int": Int}
_KEYS = ("name", "source", "model_types", "training", "space", "points")


def check_space(value: Any, name: str) -> tuple[SearchSpace | None, list[Mistake]]:
    """Builds a search space from a file's content.

    Args:
        value: the content, plain.
        name: the space's name where the file does not give one.

    Returns:
        The space and no mistakes, or ``None`` and all mistakes.
    """
    if not isinstance(value, dict):
        return None, [Mistake((), f"must be a mapping with the key 'space', but got {show(value)}")]
    mistakes = [Mistake((key,), unknown_key(key, _KEYS)) for key in value if key not in _KEYS]
    texts, wrong = _texts(value, name)
    fixed, wrong_fixed = _fixed(value.get("training"))
    space, wrong_space = _distributions(value.get("space"))
    mistakes += wrong + wrong_fixed + wrong_space
    mistakes += [
        Mistake(("training", key), "must not be set beside the distribution of the same field in `space`")
        for key in fixed
        if key in space
    ]
    points = value.get("points") or []
    mistakes += _point_mistakes(points, value.get("space"), space)
    families = value.get("model_types") or []
    if not isinstance(families, list) or not all(isinstance(name, str) for name in families):
        mistakes.append(Mistake(("model_types",), f"must be a list of text, but got {show(families)}"))
    if mistakes:
        return None, mistakes
    return SearchSpace(**texts, model_types=tuple(families), training=fixed, space=space, points=tuple(points)), []


def _texts(value: dict[str, Any], name: str) -> tuple[dict[str, str], list[Mistake]]:
    texts = {key: value.get(key, default) for key, default in (("name", name), ("source", ""))}
    wrong = [
        Mistake((key,), f"must be text, but got {show(given)}")
        for key, given in texts.items()
        if not isinstance(given, str)
    ]
    return texts, wrong


def _fixed(value: Any) -> tuple[dict[str, Any], list[Mistake]]:
    if not isinstance(value, dict | None):
        return {}, [Mistake(("training",), f"must be a mapping, but got {show(value)}")]
    _, mistakes = validate(TrainingConfig, value or {})
    return value or {}, [Mistake(("training", *mistake.path), mistake.message) for mistake in mistakes]


def _distributions(value: Any) -> tuple[dict[str, Distribution], list[Mistake]]:
    if not isinstance(value, dict):
        message = f"must be a mapping from training fields to distributions, but got {show(value)}"
        return {}, [Mistake(("space",), "must be given" if value is None else message)]
    space: dict[str, Distribution] = {}
    mistakes: list[Mistake] = []
    for field, spec in value.items():
        distribution, wrong = _distribution(field, spec)
        mistakes += [Mistake(("space", field, *mistake.path), mistake.message) for mistake in wrong]
        if distribution is not None:
            space[field] = distribution
    return space, mistakes


def _distribution(field: str, spec: Any) -> tuple[Distribution | None, list[Mistake]]:
    if field not in TrainingConfig.model_fields:
        return None, [Mistake((), unknown_key(field, TrainingConfig.model_fields))]
    listed = isinstance(spec, list)
    spec = {"type": "choice", "values": spec} if listed else spec
    if not isinstance(spec, dict):
        return None, [Mistake((), f"must be a list of values or a mapping with the key 'type', but got {show(spec)}")]
    kind = _TYPES.get(str(spec.get("type")))
    if kind is None:
        given = spec.get("type")
        message = f"must be one of {', '.join(_TYPES)}, but got {show(given)}{nearest(str(given), _TYPES)}"
        return None, [Mistake(("type",), message)]
    distribution, mistakes = validate(kind, spec)
    if distribution is not None:
        mistakes = list(_misfits(field, distribution))
    if listed:
        mistakes = [Mistake(m.path[1:], m.message) for m in mistakes]
    return distribution, mistakes


def _misfits(field: str, distribution: Distribution) -> Iterator[Mistake]:
    """Values that the training field would refuse."""
    for path, value in _samples(distribution):
        _, mistakes = validate(TrainingConfig, {field: value})
        yield from (Mistake(path, f"{field} {mistake.message}") for mistake in mistakes)


def _samples(distribution: Distribution) -> list[tuple[KeyPath, Any]]:
    if isinstance(distribution, Choice):
        return [(("values", i), value) for i, value in enumerate(distribution.values)]
    convert = float if isinstance(distribution, Float) else int
    return [(("low",), convert(distribution.low)), (("high",), convert(distribution.high))]


def _point_mistakes(points: Any, named: Any, space: dict[str, Distribution]) -> Iterator[Mistake]:
    if not isinstance(points, list):
        yield Mistake(("points",), f"must be a list of configurations, but got {show(points)}")
        return
    fields = [field for field in named if field in TrainingConfig.model_fields] if isinstance(named, dict) else []
    for i, point in enumerate(points):
        if not isinstance(point, dict):
            yield Mistake(("points", i), f"must be a mapping, but got {show(point)}")
            continue
        if point in points[:i]:
            yield Mistake(("points", i), "must differ from the points before it")
        for key in fields:
            if key not in point:
                yield Mistake(("points", i), f"must name every field of `space`, but {key} is missing")
        for key, value in point.items():
            if key not in fields:
                yield Mistake(("points", i, key), unknown_key(key, fields))
            elif key in space and not contains(space[key], value):
                yield Mistake(("points", i, key), f"must lie in {dotted(('space', key))}, but got {show(value)}")
