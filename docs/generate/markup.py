"""Markdown of the generated pages: their first lines, tables and values."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

from gluetune.config.validation import format_value

COMMAND = "make reference"


def first_lines(title: str, source: str, introduction: str) -> str:
    """Return a comment that says what a page is generated from, the page's title and its introduction."""
    return f"<!-- Generated from {source}: `{COMMAND}` writes it anew. -->\n\n# {title}\n\n{introduction.strip()}\n"


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table.

    Args:
        heads: text above each column.
        rows: cells; a vertical bar in one is escaped.
    """
    lines = [list(heads), ["---"] * len(heads), *rows]
    return "".join("| " + " | ".join(_cell(cell) for cell in line) + " |\n" for line in lines)


def _cell(text: str) -> str:
    return re.sub(r"(?<!\\)\|", r"\\|", " ".join(text.split()))


def code(value: Any) -> str:
    """Return a value as code, as YAML writes it; lists of texts without quotes."""
    if isinstance(value, str):
        return f"`{value}`" if value else "empty text"
    if isinstance(value, list | tuple):
        return f"`[{', '.join(str(each) for each in value)}]`"
    if isinstance(value, float):
        return f"`{value:g}`"
    return f"`{format_value(value)}`"


def anchor(heading: str) -> str:
    """Return the anchor that GitHub and the site give a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def choices_as_code(rule: str) -> str:
    """Return the rule of a key with its choices as code, such as "one of `tuned`, `default`"."""
    if not rule.startswith("one of "):
        return rule
    names, *other = rule.removeprefix("one of ").split(" or ")
    listed = ", ".join(f"`{name}`" for name in names.split(", "))
    return " or ".join([f"one of {listed}", *other])
