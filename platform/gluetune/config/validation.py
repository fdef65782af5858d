"""Validation of one section: every issue with its path, the rule as its field states it, and the value given.

The rule is described from the field's own annotation, so a message never drifts from what is checked.
"""

from __future__ import annotations

import types
from collections.abc import Iterable
from typing import Annotated, Any, Literal, TypeVar, Union, cast, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt, MinLen
from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from gluetune.config.addresses import text_without_passwords
from gluetune.errors import ConfigIssue, KeyPath, did_you_mean

M = TypeVar("M", bound=BaseModel)

_WORDS: dict[Any, str] = {
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    str: "text",
    type(None): "null",
    dict: "a mapping",
    tuple: "a list",
}
_NON_EMPTY: dict[Any, str] = {str: "non-empty text", tuple: "a non-empty list"}
_BOUNDS = {Ge: ("ge", ">="), Gt: ("gt", ">"), Le: ("le", "<="), Lt: ("lt", "<")}
_LONGEST = 60  # characters of a value in a message


class UnusedOptionError(ValueError):
    """What a section raises over a setting that the choice made in it does not use.

    Args:
        setting: its key.
        rule: what must hold for it.
    """

    def __init__(self, setting: str, rule: str) -> None:
        super().__init__(f"{setting} {rule}")
        self.setting, self.rule = setting, rule


def validate(model: type[M], data: Any) -> tuple[M | None, list[ConfigIssue]]:
    """Builds a section from plain values.

    Returns:
        The section and no issues, or ``None`` and all its issues, at most one per key.
    """
    try:
        return model.model_validate(data), []
    except ValidationError as error:
        return None, _one_per_key(model, error.errors(include_url=False))


def _one_per_key(model: type[BaseModel], details: Iterable[Any]) -> list[ConfigIssue]:
    """One mistake per key, the deepest: pydantic lists one for each arm of a union, and one for a list and its items.

    A mistake that a validator describes goes before one that only states the type.
    """
    found: dict[KeyPath, ConfigIssue] = {}
    described: set[KeyPath] = set()
    for detail in details:
        issue, states_type = _issue(model, detail)
        if issue.keys not in found or (not states_type and issue.keys not in described):
            found[issue.keys] = issue
        if not states_type:
            described.add(issue.keys)
    inner = {keys[:end] for keys in found for end in range(len(keys))}
    return [issue for keys, issue in found.items() if keys not in inner]


def _issue(model: type[BaseModel], detail: Any) -> tuple[ConfigIssue, bool]:
    """The mistake, and whether it does no more than state the type of the key."""
    path, owner, rule = _locate(model, detail["loc"])
    if detail["type"] == "extra_forbidden":
        return ConfigIssue.at(path, unknown_key(str(path[-1]), owner.model_fields)), False
    if detail["type"] == "missing":
        return ConfigIssue.at(path, f"must be given ({rule})"), False
    if detail["type"] == "value_error":
        error = detail["ctx"]["error"]
        if isinstance(error, UnusedOptionError):
            return ConfigIssue.at((*path, error.setting), error.rule), False
        return ConfigIssue.at(path, str(error)), False
    given = detail["input"]
    return ConfigIssue.at(path, f"must be {rule}, but got {format_value(given)}{_near_choice(rule, given)}"), True


def _locate(model: type[BaseModel], loc: tuple[str | int, ...]) -> tuple[KeyPath, type[BaseModel], str]:
    """The path in the file, the section that owns it and the rule in words; ``loc`` also holds names of union arms."""
    owner: type[BaseModel] = model
    annotation: Any = model
    rule = "a mapping"
    for depth, part in enumerate(loc):
        inner = _section(annotation)
        if inner is not None:
            owner = inner
            info = owner.model_fields.get(str(part))
            if info is None:
                return loc[: depth + 1], owner, ""
            annotation, rule = info.annotation, describe_field(info)
        elif get_origin(annotation) in (dict, tuple) and part != "[key]":
            annotation = get_args(annotation)[1 if get_origin(annotation) is dict else 0]
            rule = describe(annotation)
        else:
            return loc[:depth], owner, rule
    return loc, owner, rule


def _section(annotation: Any) -> type[BaseModel] | None:
    is_section = isinstance(annotation, type) and issubclass(annotation, BaseModel)
    return cast("type[BaseModel]", annotation) if is_section else None


def describe_field(info: FieldInfo) -> str:
    """A field's rule in words, such as ``a whole number >= 1 or null``; its description where it has one."""
    return info.description or describe(info.annotation, info.metadata)


def describe(annotation: Any, metadata: Iterable[Any] = ()) -> str:
    """A type's rule in words."""
    origin = get_origin(annotation)
    if origin is Annotated:
        inner, *extra = get_args(annotation)
        return describe(inner, [m for e in extra for m in (e.metadata if isinstance(e, FieldInfo) else [e])])
    if origin is Literal:
        values = [str(value) for value in get_args(annotation)]
        return f"one of {', '.join(values)}" if len(values) > 1 else values[0]
    if origin in (Union, types.UnionType):
        arms = [describe(arm, metadata if arm is not type(None) else ()) for arm in get_args(annotation)]
        return f"{', '.join(arms[:-1])} or {arms[-1]}"
    if _section(annotation):
        return "a mapping"
    words = _NON_EMPTY if any(isinstance(m, MinLen) for m in metadata) else _WORDS
    return words[origin or annotation] + _limits(metadata)


def _limits(metadata: Iterable[Any]) -> str:
    known = [(_BOUNDS[type(m)], m) for m in metadata if type(m) in _BOUNDS]
    limits = [f"{sign} {getattr(m, attribute)}" for (attribute, sign), m in known]
    return f" {' and '.join(limits)}" if limits else ""


def _near_choice(rule: str, given: Any) -> str:
    if not rule.startswith("one of ") or not isinstance(given, str):
        return ""
    return did_you_mean(given, rule.removeprefix("one of ").split(" or ")[0].split(", "))


def unknown_key(key: str, known: Iterable[str]) -> str:
    """The message for a key that does not exist: the nearest one, or all of them."""
    return "no such key" + (did_you_mean(key, known) or f"; there are: {', '.join(known)}")


def format_value(value: Any) -> str:
    """A value as a message prints it."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, dict):
        return "a mapping" if value else "an empty mapping"
    if isinstance(value, list | tuple):
        text = "[" + ", ".join(map(format_value, value)) + "]"
    else:
        text = text_without_passwords(repr(value))
    return text if len(text) <= _LONGEST else text[:_LONGEST] + "…"
