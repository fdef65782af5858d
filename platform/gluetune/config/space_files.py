"""Search-space files: where they are found, a checked `SearchSpace` from YAML, and YAML from a `SearchSpace`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from gluetune.config.space import MODEL_FIELD, Choice, Distribution, Float, Int, SearchSpace, contains
from gluetune.config.training import TrainingConfig
from gluetune.config.validation import format_value, unknown_key, validate
from gluetune.config.yaml_files import YamlDocument, dump_yaml, parse_yaml, read_yaml
from gluetune.errors import ConfigError, ConfigIssue, KeyPath, did_you_mean, dotted_path

SPACES = "search_spaces"
SHIPPED = "shipped"  # folder of the package in a wheel
_ENDINGS = (".yaml", ".yml")
_TYPES: dict[str, type[Choice] | type[Float] | type[Int]] = {"choice": Choice, "float": Float, "int": Int}
_KEYS = ("name", "source", "model_types", "training", "space", "points", "encoders")
_KEYS_OF_ONE = ("training", "space", "points")  # of a file with `encoders`, they stand in the space of each


def load_space(name_or_path: str, job_file: str | None = None) -> SearchSpace:
    """Read a search space.

    Args:
        name_or_path: a name from a ``search_spaces`` folder, or a path to a YAML file.
        job_file: the job file that names it; its folder is searched, too.

    Raises:
        ConfigError: no such space, or all mistakes of its file.
    """
    return _build(read_yaml(find_space(name_or_path, job_file)))


def parse_space(data: bytes, file: str) -> SearchSpace:
    """Read a search space from a file's bytes.

    Args:
        data: the bytes.
        file: the name that messages use.

    Raises:
        ConfigError: all mistakes of the file.
    """
    return _build(parse_yaml(data, file))


def dump_space(space: SearchSpace) -> str:
    """Write a search space as YAML that `parse_space` reads back to an equal one."""
    return dump_yaml(_values(space))


def _values(space: SearchSpace) -> dict[str, Any]:
    empty = {"encoders"} if not space.encoders else set(_KEYS_OF_ONE)
    values = space.model_dump(mode="json", exclude_none=True, exclude=empty | {"encoders"})
    parts = {name: _values(part) for name, part in space.encoders.items()}
    return values | ({"encoders": parts} if parts else {})


def find_space(name_or_path: str, job_file: str | None = None) -> str:
    """Find the file of a search space and return its path.

    A name is looked up in the ``search_spaces`` folders of the current directory, of the job file's folder and its
    parent, and of gluetune itself (`shipped_folder`); a relative path starts in the same places.

    Raises:
        ConfigError: no such space; names the nearest one.
    """
    is_path = name_or_path.endswith(_ENDINGS) or "/" in name_or_path
    relative = name_or_path if is_path else f"{SPACES}/{name_or_path}.yaml"
    for root in _roots(job_file):
        if (root / relative).is_file():
            return str(root / relative)
    known = known_spaces(job_file)
    near = did_you_mean(Path(name_or_path).stem, known) or f"; there are: {', '.join(known) or 'none'}"
    raise ConfigError(
        [ConfigIssue("", f"must be a search space or the path of its file, but got {name_or_path!r}{near}")]
    )


def known_spaces(job_file: str | None = None) -> list[str]:
    """Return the names of all search spaces that `find_space` finds, sorted."""
    return sorted({file.stem for root in _roots(job_file) for file in (root / SPACES).glob("*.yaml")})


def spaces_for(model_type: str, job_file: str | None = None) -> list[str]:
    """Return the names of the spaces that were published for a family of encoders, sorted; broken files are skipped.

    Args:
        model_type: the family, as ``config.json`` names it.
        job_file: the job file; its folder is searched too.
    """
    found = []
    for name in known_spaces(job_file):
        with suppress(ConfigError):
            if model_type in load_space(name, job_file).model_types:
                found.append(name)
    return found


def shipped_file(relative: str) -> str:
    """Find a file by its path in the repository, such as ``jobs/quickstart.yaml``.

    Returns:
        Its path below the current directory, else below `shipped_folder`; ``relative`` itself where neither has it.
    """
    return next((str(root / relative) for root in _roots(None) if (root / relative).is_file()), relative)


def shipped_folder() -> Path:
    """Return the folder of the ``jobs`` and ``search_spaces`` that gluetune ships: in the wheel, or the checkout."""
    package = Path(__file__).resolve().parents[1]
    shipped = package / SHIPPED
    return shipped if shipped.is_dir() else package.parents[1]


def _roots(job_file: str | None) -> list[Path]:
    """Folders in which relative paths may start; ``Path()`` first, so that messages show short paths."""
    beside = [Path(job_file).parent, Path(job_file).parent / ".."] if job_file else []
    return [Path(), *beside, shipped_folder()]


def _build(document: YamlDocument) -> SearchSpace:
    space, issues = check_space(document.value, Path(document.file).stem)
    if space is None:
        issues = [replace(issue, file=document.file, line=document.line(issue.keys)) for issue in issues]
        raise ConfigError(sorted(issues, key=lambda issue: issue.line or sys.maxsize))
    return space


def check_space(value: Any, name: str) -> tuple[SearchSpace | None, list[ConfigIssue]]:
    """Build a search space from the content of a file.

    Every distribution and point is checked against the training field that it names.

    Args:
        value: the content, as YAML reads it.
        name: the space's name where the file does not give one.

    Returns:
        The space and no mistakes, or ``None`` and all mistakes.
    """
    if not isinstance(value, dict):
        return None, [ConfigIssue.at((), f"must be a mapping with the key 'space', but got {format_value(value)}")]
    issues = [ConfigIssue.at((key,), unknown_key(key, _KEYS)) for key in value if key not in _KEYS]
    texts, wrong = _texts(value, name)
    parts, wrong_parts = _encoders(value, texts["name"])
    of_one = not (parts or wrong_parts)
    fields = value if of_one else {}
    fixed, wrong_fixed = _fixed(fields.get("training"))
    encoders, wrong_encoders = _searched_encoders(fields.get("space"))
    space, wrong_space = _distributions(fields.get("space")) if of_one else ({}, [])
    issues += wrong + wrong_parts + wrong_fixed + wrong_encoders + wrong_space
    issues += [
        ConfigIssue.at(("training", key), "must not be set beside the distribution of the same field in `space`")
        for key in fixed
        if key in space
    ]
    points = fields.get("points") or []
    known: dict[str, Distribution] = {MODEL_FIELD: Choice(values=encoders)} if encoders else {}
    issues += _point_issues(points, fields.get("space"), known | space)
    families = value.get("model_types") or []
    if not isinstance(families, list) or not all(isinstance(name, str) for name in families):
        issues.append(ConfigIssue.at(("model_types",), f"must be a list of text, but got {format_value(families)}"))
    if issues:
        return None, issues
    content: dict[str, Any] = {"training": fixed, "space": known | space, "points": tuple(points)}
    content = {"encoders": parts} if parts else content
    return SearchSpace.model_validate({**texts, "model_types": tuple(families), **content}), []


def _encoders(value: dict[str, Any], name: str) -> tuple[dict[str, SearchSpace], list[ConfigIssue]]:
    """Build the space of each encoder under the key ``encoders``."""
    given = value.get("encoders")
    if given is None:
        return {}, []
    if not isinstance(given, dict) or not given:
        return {}, [
            ConfigIssue.at(("encoders",), f"must be a mapping from encoders to spaces, but got {format_value(given)}")
        ]
    issues = [
        ConfigIssue.at((key,), "must not be given beside `encoders`, but in the space of each encoder")
        for key in _KEYS_OF_ONE
        if value.get(key)
    ]
    parts = {}
    for encoder, content in given.items():
        part, wrong = check_space(content, name)
        if not isinstance(encoder, str) or not encoder:
            wrong = [ConfigIssue.at((), f"must be the name or the folder of an encoder, but got {encoder!r}")]
        if part is not None and part.encoders:
            wrong = [ConfigIssue.at((), "must be the space of one encoder, but it names encoders itself")]
        issues += [ConfigIssue.at(("encoders", encoder, *issue.keys), issue.message) for issue in wrong]
        if part is not None:
            parts[str(encoder)] = part
    return parts, issues


def _searched_encoders(space: Any) -> tuple[tuple[str, ...], list[ConfigIssue]]:
    """Return the encoders that the dimension ``model`` lists; none where the space has no such dimension."""
    if not isinstance(space, dict) or MODEL_FIELD not in space:
        return (), []
    given = space[MODEL_FIELD]
    names = given.get("values") if isinstance(given, dict) and given.get("type") == "choice" else given
    if not isinstance(names, list) or not names or not all(isinstance(name, str) and name for name in names):
        message = f"must be a list of encoders, on the hub or in folders, but got {format_value(names)}"
        return (), [ConfigIssue.at(("space", MODEL_FIELD), message)]
    again = [name for place, name in enumerate(names) if name in names[:place]]
    issues = [ConfigIssue.at(("space", MODEL_FIELD), f"must name each once, but got {name!r} again") for name in again]
    return ((), issues) if again else (tuple(names), [])


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
        if field == MODEL_FIELD:
            continue
        distribution, wrong = _distribution(field, spec)
        issues += [ConfigIssue.at(("space", field, *issue.keys), issue.message) for issue in wrong]
        if distribution is not None:
            space[field] = distribution
    return space, issues


def _distribution(field: str, spec: Any) -> tuple[Distribution | None, list[ConfigIssue]]:
    if field not in TrainingConfig.model_fields:
        return None, [ConfigIssue.at((), unknown_key(field, (*TrainingConfig.model_fields, MODEL_FIELD)))]
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
        issues = list(_value_issues(field, distribution))
    if listed:
        issues = [ConfigIssue.at(m.keys[1:], m.message) for m in issues]
    return distribution, issues


def _value_issues(field: str, distribution: Distribution) -> Iterator[ConfigIssue]:
    """Find the values that the training field does not accept."""
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
    known = (*TrainingConfig.model_fields, MODEL_FIELD)
    fields = [field for field in named if field in known] if isinstance(named, dict) else []
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
