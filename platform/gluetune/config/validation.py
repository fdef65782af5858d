"""Validation of one section: every mistake with its path, the rule as its field states it, and the value given.

The rule is described from the field's own annotation, so a message never drifts from what is checked.
"""

from __future__ import annotations

import types
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypeVar, Union, cast, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt, MinLen
from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from gluetune.config.addresses import text_without_passwords
from gluetune.config.yaml_reader import KeyPath
from gluetune.errors import nearest

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


@dataclass(frozen=True, slots=True)
class Mistake:
    """One mistake, before it is known which file, line or flag it came from."""

    path: KeyPath
    message: str
    generic: bool = False  # says what the key's type is, no more


class UnusedOptionError(ValueError):
    """What a section raises over a setting that the choice made in it does not use.

    Args:
        setting: its key.
        rule: what must hold for it.
    """

    def __init__(self, setting: str, rule: str) -> None:
        super().__init__(f"{setting} {rule}")
        self.setting, self.rule = setting, rule


def validate(model: type[M], data: Any) -> tuple[M | None, list[Mistake]]:
    """Builds a section from plain values.

    Returns:
        The section and no mistakes, or ``None`` and all its mistakes, at most one per key.
    """
    try:
        return model.model_validate(data), []
    except ValidationError as error:
        return None, _distinct(_mistake(model, detail) for detail in error.errors(include_url=False))


def _distinct(mistakes: Iterable[Mistake]) -> list[Mistake]:
    """One mistake per key, the deepest: a union tells one for each arm, and a list one beside those of its items."""
    found: dict[KeyPath, Mistake] = {}
    for mistake in mistakes:
        known = found.get(mistake.path)
        if known is None or (known.generic and not mistake.generic):
            found[mistake.path] = mistake
    inner = {path[:end] for path in found for end in range(len(path))}
    return [mistake for path, mistake in found.items() if path not in inner]


def _mistake(model: type[BaseModel], detail: Any) -> Mistake:
    path, owner, rule = _locate(model, detail["loc"])
    if detail["type"] == "extra_forbidden":
        return Mistake(path, unknown_key(str(path[-1]), owner.model_fields))
    if detail["type"] == "missing":
        return Mistake(path, f"must be given ({rule})")
    if detail["type"] == "value_error":
        error = detail["ctx"]["error"]
        if isinstance(error, UnusedOptionError):
            return Mistake((*path, error.setting), error.rule)
        return Mistake(path, str(error))
    given = detail["input"]
    return Mistake(path, f"must be {rule}, but got {show(given)}{_near_choice(rule, given)}", generic=True)


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
    return nearest(given, rule.removeprefix("one of ").split(" or ")[0].split(", "))


def unknown_key(key: str, known: Iterable[str]) -> str:
    """The message for a key that does not exist: the nearest one, or all of them."""
    return "no such key" + (nearest(key, known) or f"; there are: {', '.join(known)}")


def show(value: Any) -> str:
    """A value as a message prints it."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, dict):
        return "a mapping" if value else "an empty mapping"
    if isinstance(value, list | tuple):
        text = "[" + ", ".join(map(show, value)) + "]"
    else:
        text = text_without_passwords(repr(value))
    return text if len(text) <= _LONGEST else text[:_LONGEST] + "…"
