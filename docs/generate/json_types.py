"""JSON types of pydantic fields, in Markdown."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import NoneType
from typing import Any, Literal, get_args, get_origin

from gluetune.events import MayBeNonFinite
from markup import anchor

_SCALARS = {int: "integer", float: "number", str: "string", bool: "boolean", NoneType: "null"}


def json_type(annotation: Any, titles: Mapping[Any, str], non_finite: str) -> str:
    """Return the JSON name of a type.

    Args:
        annotation: the type.
        titles: headings of the models that the page describes; their names link there.
        non_finite: what a number that may be infinite or undefined is written as.
    """
    return " or ".join(dict.fromkeys(_names(annotation, titles, non_finite)))


def _names(annotation: Any, titles: Mapping[Any, str], non_finite: str) -> Iterator[str]:
    arguments = get_args(annotation)
    if isinstance(annotation, type) and annotation in titles:
        yield f"[{titles[annotation]}](#{anchor(titles[annotation])})"
    elif annotation == MayBeNonFinite:
        yield from ("number", non_finite)
    elif get_origin(annotation) is Literal:
        yield from (f"`{value}`" for value in arguments)
    elif get_origin(annotation) is list:
        yield f"list of {json_type(arguments[0], titles, non_finite)}"
    elif get_origin(annotation) is dict:
        yield f"object of {json_type(arguments[1], titles, non_finite)}"
    elif arguments:
        for argument in arguments:
            yield from _names(argument, titles, non_finite)
    else:
        yield _SCALARS[annotation]
