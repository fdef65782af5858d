"""What a search-space file must hold; every distribution and point is checked against the training field it names."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from gluetune.config.space import Choice, Distribution, Float, Int, SearchSpace, contains
from gluetune.config.training import TrainingConfig
from gluetune.config.validation import format_value, unknown_key, validate
from gluetune.errors import ConfigIssue, KeyPath, did_you_mean, dotted_path

_TYPES: dict[str, type[Choice] | type[Float] | type[Int]] = {"choice": Choice, "float": Float, "int": Int}
_KEYS = ("name", "source", "model_types", "training", "space", "points")


def check_space(value: Any, name: str) -> tuple[SearchSpace | None, list[ConfigIssue]]:
    """Builds a search space from a file's content.

    Args:
        value: the content, plain.
        name: the space's name where the file does not give one.

    Returns:
        The space and no issues, or ``None`` and all issues.
    """
    if not isinstance(value, dict):
        return None, [ConfigIssue.at((), f"must be a mapping with the key 'space', but got {format_value(value)}")]
    issues = [ConfigIssue.at((key,), unknown_key(key, _KEYS)) for key in value if key not in _KEYS]
    texts, wrong = _texts(value, name)
    fixed, wrong_fixed = _fixed(value.get("training"))
    space, wrong_space = _distributions(value.get("space"))
    issues += wrong + wrong_fixed + wrong_space
    issues += [
        ConfigIssue.at(("training", key), "must not be set beside the distribution of the same field in `space`")
        for key in fixed
        if key in space
    ]
    points = value.get("points") or []
    issues += _point_issues(points, value.get("space"), space)
    families = value.get("model_types") or []
    if not isinstance(families, list) or not all(isinstance(name, str) for name in families):
        issues.append(ConfigIssue.at(("model_types",), f"must be a list of text, but got {format_value(families)}"))
    if issues:
        return None, issues
    return SearchSpace(**texts, model_types=tuple(families), training=fixed, space=space, points=tuple(points)), []


def _texts(value: dict[str, Any], name: str) -> tuple[dict[str, str], list[ConfigIssue]]:
    texts = {key: value.get(key, default) for key, default in (("name", name), ("source", ""))}
    wrong = [
        ConfigIssue.at((key,), f"must be text, but got {format_value(given)}")
        for key, given in texts.items()
        if not isinstance(given, str)
    ]
    return texts, wrong


def _fixed(value: Any) -> tuple[dict[str, Any], list[ConfigIssue]]:
    if not isinstance(value, dict | None):
        return {}, [ConfigIssue.at(("training",), f"must be a mapping, but got {format_value(value)}")]
    _, issues = validate(TrainingConfig, value or {})
    return value or {}, [ConfigIssue.at(("training", *issue.keys), issue.message) for issue in issues]


def _distributions(value: Any) -> tuple[dict[str, Distribution], list[ConfigIssue]]:
    if not isinstance(value, dict):
        message = f"must be a mapping from training fields to distributions, but got {format_value(value)}"
        return {}, [ConfigIssue.at(("space",), "must be given" if value is None else message)]
    space: dict[str, Distribution] = {}
    issues: list[ConfigIssue] = []
    for field, spec in value.items():
        distribution, wrong = _distribution(field, spec)
        issues += [ConfigIssue.at(("space", field, *issue.keys), issue.message) for issue in wrong]
        if distribution is not None:
            space[field] = distribution
    return space, issues


def _distribution(field: str, spec: Any) -> tuple[Distribution | None, list[ConfigIssue]]:
    if field not in TrainingConfig.model_fields:
        return None, [ConfigIssue.at((), unknown_key(field, TrainingConfig.model_fields))]
    listed = isinstance(spec, list)
    spec = {"type": "choice", "values": spec} if listed else spec
    if not isinstance(spec, dict):
        return None, [
            ConfigIssue.at(
                (), f"must be a list of values or a mapping with the key 'type', but got {format_value(spec)}"
            )
        ]
    kind = _TYPES.get(str(spec.get("type")))
    if kind is None:
        given = spec.get("type")
        message = f"must be one of {', '.join(_TYPES)}, but got {format_value(given)}{did_you_mean(str(given), _TYPES)}"
        return None, [ConfigIssue.at(("type",), message)]
    distribution, issues = validate(kind, spec)
    if distribution is not None:
        issues = list(_misfits(field, distribution))
    if listed:
        issues = [ConfigIssue.at(m.keys[1:], m.message) for m in issues]
    return distribution, issues


def _misfits(field: str, distribution: Distribution) -> Iterator[ConfigIssue]:
    """Values that the training field would refuse."""
    for path, value in _samples(distribution):
        _, issues = validate(TrainingConfig, {field: value})
        yield from (ConfigIssue.at(path, f"{field} {issue.message}") for issue in issues)


def _samples(distribution: Distribution) -> list[tuple[KeyPath, Any]]:
    if isinstance(distribution, Choice):
        return [(("values", i), value) for i, value in enumerate(distribution.values)]
    convert = float if isinstance(distribution, Float) else int
    return [(("low",), convert(distribution.low)), (("high",), convert(distribution.high))]


def _point_issues(points: Any, named: Any, space: dict[str, Distribution]) -> Iterator[ConfigIssue]:
    if not isinstance(points, list):
        yield ConfigIssue.at(("points",), f"must be a list of configurations, but got {format_value(points)}")
        return
    fields = [field for field in named if field in TrainingConfig.model_fields] if isinstance(named, dict) else []
    for i, point in enumerate(points):
        if not isinstance(point, dict):
            yield ConfigIssue.at(("points", i), f"must be a mapping, but got {format_value(point)}")
            continue
        if point in points[:i]:
            yield ConfigIssue.at(("points", i), "must differ from the points before it")
        for key in fields:
            if key not in point:
                yield ConfigIssue.at(("points", i), f"must name every field of `space`, but {key} is missing")
        for key, value in point.items():
            if key not in fields:
                yield ConfigIssue.at(("points", i, key), unknown_key(key, fields))
            elif key in space and not contains(space[key], value):
                yield ConfigIssue.at(
                    ("points", i, key), f"must lie in {dotted_path(('space', key))}, but got {format_value(value)}"
                )
