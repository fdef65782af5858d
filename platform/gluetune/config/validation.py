"""The base of all configuration sections, and their validation: each mistake with its path, rule and value.

pydantic checks the values. The rule in a message is derived from the field's annotation, so it states what was checked.
"""

from __future__ import annotations

import types
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypeVar, Union, cast, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt, MinLen
from pydantic import BaseModel, ConfigDict, Tag, ValidationError, model_validator
from pydantic.fields import FieldInfo

from gluetune.config.addresses import text_without_passwords
from gluetune.errors import ConfigIssue, KeyPath, did_you_mean

_M = TypeVar("_M", bound=BaseModel)

_TYPE_NAMES: dict[Any, str] = {
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    str: "text",
    type(None): "null",
    dict: "a mapping",
    tuple: "a list",
    list: "a list",
}
_NON_EMPTY: dict[Any, str] = {str: "non-empty text", tuple: "a non-empty list", list: "a non-empty list"}
_BOUNDS = {Ge: ("ge", ">="), Gt: ("gt", ">"), Le: ("le", "<="), Lt: ("lt", "<")}
_MAX_VALUE_LENGTH = 60  # characters of a value in a message


@dataclass(frozen=True, slots=True)
class Rule:
    """The rule of a key in words, in the annotation of a field whose type does not say it.

    Attributes:
        text: what follows "must be" in a message.
    """

    text: str


class Section(BaseModel):
    """Base of all configuration sections: frozen, without unknown keys, strict about types.

    A whole number is accepted for a real one; nothing else is converted. A section without content is all defaults.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _empty(cls, data: Any) -> Any:
        return {} if data is None else data


class UnusedSettingError(ValueError):
    """A section contains a setting that the choice made in the section does not use.

    Args:
        setting: its key.
        rule: what must hold for it.
    """

    def __init__(self, setting: str, rule: str) -> None:
        super().__init__(f"{setting} {rule}")
        self.setting, self.rule = setting, rule


def validate(model: type[_M], data: Any) -> tuple[_M | None, list[ConfigIssue]]:
    """Build a section from plain values.

    Args:
        model: the section's class.
        data: the values, as YAML reads them.

    Returns:
        The section and no mistakes, or ``None`` and all mistakes, at most one per key.
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
    """Return the mistake, and whether it does no more than state the type of the key."""
    path, owner, rule = _locate(model, detail["loc"])
    if detail["type"] == "extra_forbidden":
        return ConfigIssue.at(path, unknown_key(str(path[-1]), owner.model_fields)), False
    if detail["type"] == "missing":
        return ConfigIssue.at(path, f"must be given ({rule})"), False
    if detail["type"] == "value_error":
        error = detail["ctx"]["error"]
        if isinstance(error, UnusedSettingError):
            return ConfigIssue.at((*path, error.setting), error.rule), False
        return ConfigIssue.at(path, str(error)), False
    value = detail["input"]
    return ConfigIssue.at(path, f"must be {rule}, but got {format_value(value)}{_nearest_choice(rule, value)}"), True


def _locate(model: type[BaseModel], loc: tuple[str | int, ...]) -> tuple[KeyPath, type[BaseModel], str]:
    """Return the path in the file, the section that owns it and the rule in words.

    Args:
        model: the section that was validated.
        loc: pydantic's location of the mistake, which also contains the names of union arms.
    """
    owner: type[BaseModel] = model
    annotation: Any = model
    rule, path = "a mapping", list[str | int]()
    for part in loc:
        arm = _tagged_arm(annotation, part)
        inner = _section(annotation)
        if arm is not None:
            annotation, rule = arm, describe(arm)
        elif inner is not None:
            owner = inner
            path.append(part)
            info = owner.model_fields.get(str(part))
            if info is None:
                return tuple(path), owner, ""
            annotation, rule = info.annotation, describe_field(info)
        elif get_origin(annotation) in (dict, tuple) and part != "[key]":
            path.append(part)
            annotation = get_args(annotation)[1 if get_origin(annotation) is dict else 0]
            rule = describe(annotation)
        else:
            break
    return tuple(path), owner, rule


def _tagged_arm(annotation: Any, tag: str | int) -> Any:
    """Return the arm of a union that a tag names; ``None`` where there is none."""
    union = get_args(annotation)[0] if get_origin(annotation) is Annotated else annotation
    arms = get_args(union) if get_origin(union) in (Union, types.UnionType) else ()
    return next((arm for arm in arms if Tag(str(tag)) in getattr(arm, "__metadata__", ())), None)


def _section(annotation: Any) -> type[BaseModel] | None:
    """Return the section that a key holds, also one that may be null; ``None`` for other keys."""
    annotation = get_args(annotation)[0] if get_origin(annotation) is Annotated else annotation
    arms = get_args(annotation) if get_origin(annotation) in (Union, types.UnionType) else ()
    if len(arms) == 2 and arms[1] is type(None):
        annotation = arms[0]
    is_section = isinstance(annotation, type) and issubclass(annotation, BaseModel)
    return cast("type[BaseModel]", annotation) if is_section else None


def describe_field(info: FieldInfo) -> str:
    """Describe a field's rule, such as ``a whole number >= 1 or null``; a `Rule` in its annotation goes before."""
    stated = next((each.text for each in info.metadata if isinstance(each, Rule)), None)
    return stated or describe(info.annotation, info.metadata)


def describe(annotation: Any, metadata: Iterable[Any] = ()) -> str:
    """Describe a type and its limits in words."""
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
    names = _NON_EMPTY if any(isinstance(m, MinLen) for m in metadata) else _TYPE_NAMES
    return names[origin or annotation] + _limits(metadata)


def _limits(metadata: Iterable[Any]) -> str:
    known = [(_BOUNDS[type(m)], m) for m in metadata if type(m) in _BOUNDS]
    limits = [f"{sign} {getattr(m, attribute)}" for (attribute, sign), m in known]
    return f" {' and '.join(limits)}" if limits else ""


def _nearest_choice(rule: str, value: Any) -> str:
    if not rule.startswith("one of ") or not isinstance(value, str):
        return ""
    return did_you_mean(value, rule.removeprefix("one of ").split(" or ")[0].split(", "))


def unknown_key(key: str, known: Iterable[str]) -> str:
    """Return the message for a key that does not exist, with the nearest name or all names."""
    return "no such key" + (did_you_mean(key, known) or f"; there are: {', '.join(known)}")


def format_value(value: Any) -> str:
    """Format a value for a message: as in YAML, shortened, without passwords."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, dict):
        return "a mapping" if value else "an empty mapping"
    if isinstance(value, list | tuple):
        text = "[" + ", ".join(map(format_value, value)) + "]"
    else:
        text = text_without_passwords(repr(value))
    return text if len(text) <= _MAX_VALUE_LENGTH else text[:_MAX_VALUE_LENGTH] + "…"


@dataclass(frozen=True)
class SettingsByChoice:
    """The settings of a section that each choice of another setting uses, such as ``brackets`` beside ``hyperband``.

    Attributes:
        section: path of the section.
        chooser: the key in it that makes the choice.
        default: the choice where the key is not given.
        used: the settings that each choice uses; settings that no choice names go with every choice. Where the choice
            is between a value and none, the key ``""`` is for none and ``"*"`` for any value.
    """

    section: KeyPath
    chooser: str
    default: str
    used: Mapping[str, frozenset[str]]

    def unused(self, choice: Any) -> frozenset[str]:
        """Return the settings that a choice does not use; none for an unknown choice."""
        kind = choice if isinstance(choice, str) and choice in self.used else "*" if choice else ""
        return frozenset().union(*self.used.values()) - self.used[kind] if kind in self.used else frozenset()

    def rule_against(self, setting: str, choice: Any) -> str:
        """Return the message for a setting that a choice does not use; it names the choices that use it."""
        users = [{"": "null", "*": "a value"}.get(other, other) for other, used in self.used.items() if setting in used]
        return (
            f"must not be given with {self.chooser} {choice or 'null'}, which does not use it; it goes with "
            f"{' or '.join(users)}"
        )

    def find_section(self, tree: Mapping[str, Any]) -> dict[str, Any]:
        """Return the section in a job's values; empty where it is missing or not a mapping."""
        section: Any = tree
        for name in self.section:
            section = section.get(name) if isinstance(section, Mapping) else None
        return section if isinstance(section, dict) else {}


def settings_by_choice(section: KeyPath, chooser: str, default: str, **used: tuple[str, ...]) -> SettingsByChoice:
    """Build a `SettingsByChoice` from one keyword per choice."""
    return SettingsByChoice(section, chooser, default, {choice: frozenset(names) for choice, names in used.items()})


def unused_settings(tree: Mapping[str, Any], tables: Iterable[SettingsByChoice]) -> Iterator[ConfigIssue]:
    """Find the settings that are given, but that the choice given beside them does not use.

    Args:
        tree: the values of a job file and of flags.
        tables: the choices to check.
    """
    for table in tables:
        section = table.find_section(tree)
        choice = section.get(table.chooser, table.default)
        for setting in section:
            if setting in table.unused(choice) and section[setting] is not None:
                yield ConfigIssue.at((*table.section, setting), table.rule_against(setting, choice))


def drop_unused_settings(tree: dict[str, Any], tables: Iterable[SettingsByChoice]) -> None:
    """Remove the settings that the choices of a complete job do not use.

    A job that is written to a file can then be read as a job file, which may not contain such settings.

    Args:
        tree: the values, which are changed.
        tables: the choices to check.
    """
    for issue in list(unused_settings(tree, tables)):
        *section, setting = issue.keys
        values: Any = tree
        for name in section:
            values = values[name]
        del values[setting]
