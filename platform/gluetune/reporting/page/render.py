"""The HTML file of the report: a template, its style and scripts, and plotly.js, all in one file."""

from __future__ import annotations

import base64
import gzip
import json
import math
from collections.abc import Mapping
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from gluetune import __version__
from gluetune.reporting.page.parts import Page, Plot

REPORT_FILE = "report/index.html"
"""Path of the report in a run's folder."""
_FOLDER = Path(__file__).parent
_TEMPLATE = "report.html.jinja"
_ESCAPES = {ord("<"): "\\u003c", ord(">"): "\\u003e", ord("&"): "\\u0026", 0x2028: "\\u2028", 0x2029: "\\u2029"}


def render_page(page: Page) -> bytes:
    """Return the report as one HTML file that reads nothing else.

    Texts are escaped. The scripts and figures are part of the file; plotly.js is stored compressed, and the page runs
    it when the first plot scrolls into view.

    Args:
        page: what the report says.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    environment = Environment(
        loader=FileSystemLoader(_FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"markdown": _markdown, "name_of": name_of}
    figures = _Figures()
    text = environment.get_template(_TEMPLATE).render(
        page=page,
        figures=figures,
        style=Markup(_read("report.css")),
        script=Markup(_read("report.js")),
        plotly=Markup(compressed_plotly()),
        versions={"gluetune": __version__, "plotly": version("plotly"), "optuna": version("optuna")},
    )
    return text.encode()


class _Figures:
    """Numbers the plots of a page, and writes their figures as JSON that no HTML parser takes for a tag."""

    def __init__(self) -> None:
        self._number = 0

    def add(self, plot: Plot) -> dict[str, Any]:
        """Return the identifier and the figure of a plot, as the template takes them."""
        from markupsafe import Markup

        self._number += 1
        return {"id": f"plot-{self._number}", "json": Markup(script_json(plot.figure))}


def script_json(value: Any) -> str:
    """Return a value as JSON for a ``script`` element: strict, and without characters that could end the element."""
    return json.dumps(_finite(value), allow_nan=False, separators=(",", ":")).translate(_ESCAPES)


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: _finite(each) for key, each in value.items()}
    return [_finite(each) for each in value] if isinstance(value, list | tuple) else value


def name_of(text: str) -> str:
    """Return a text as part of an identifier: its letters and digits, and their hexadecimal codes for all others."""
    return "".join(c if c.isascii() and c.isalnum() else f"-{ord(c):x}-" for c in text)


def _markdown(text: str) -> Any:
    """Return Markdown as HTML; HTML in it is shown as text. Its headings are those below a section of the page."""
    from markdown_it import MarkdownIt
    from markupsafe import Markup

    parser = MarkdownIt("commonmark", {"html": False}).enable("table").disable(["link", "image", "autolink"])
    tokens = parser.parse(text)
    for token in tokens:
        if token.type in ("heading_open", "heading_close"):
            token.tag = f"h{min(6, int(token.tag[1]) + 3)}"
    return Markup(parser.renderer.render(tokens, parser.options, {}))


def _read(name: str) -> str:
    return (_FOLDER / name).read_text(encoding="utf-8")


@cache
def compressed_plotly() -> str:
    """Return plotly.js, compressed, as text."""
    from plotly.offline import get_plotlyjs

    return base64.b64encode(gzip.compress(get_plotlyjs().encode(), 6, mtime=0)).decode()
