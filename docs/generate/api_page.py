"""The table of all public names at the end of ``docs/reference/api.md``; what stands before it is written by hand."""

from __future__ import annotations

import inspect
from pathlib import Path

import gluetune
from markup import COMMAND, table

PAGE = Path(__file__).resolve().parents[1] / "reference" / "api.md"
MARK = f"<!-- Generated from `gluetune.__all__`, to the end of the page: `{COMMAND}` writes it anew. -->\n"
INTRODUCTION = """
## All names

The site of these pages has the docstring of each name below this table; `help(gluetune.tune)` prints it.
"""


def public_names() -> list[str]:
    """Return the names of `gluetune.__all__` that have a docstring of their own, and ``errors``."""
    return [name for name in gluetune.__all__ if not name.startswith("__")]


def api_page() -> str:
    """Return the page in Markdown."""
    written = PAGE.read_text(encoding="utf-8").partition(MARK)[0].rstrip()
    rows = ([f"`{name}`", _kind(name), _first_line(name)] for name in public_names())
    return f"{written}\n\n{MARK}{INTRODUCTION}\n{table(('name', 'kind', 'what it does or is'), rows)}"


def _kind(name: str) -> str:
    value = getattr(gluetune, name)
    return "class" if inspect.isclass(value) else "module" if inspect.ismodule(value) else "function"


def _first_line(name: str) -> str:
    text = inspect.getdoc(getattr(gluetune, name)) or ""
    return " ".join(text.split("\n\n")[0].split()).replace("``", "`")
