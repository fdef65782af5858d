"""Text from files, flags and errors, on its way to the terminal: nothing in it may act on the terminal."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator

from rich.console import Console, ConsoleOptions, ConsoleRenderable, RenderableType, RenderHook
from rich.segment import Segment

_KEPT = frozenset("\n\t")
_UNPRINTABLE = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})  # controls, invisible formats, surrogates, separators


def printable(text: str) -> str:
    r"""The text with every unprintable character as Python writes it: an escape becomes ``\x1b``, U+202E ``\u202e``.

    Line ends, tabs and all spaces stay.
    """
    if text.isprintable():
        return text
    return "".join(_escape(character) for character in text)


def escape_unprintable(console: Console) -> Console:
    """The console, which from now on prints nothing unprintable but its own styles and controls."""
    console.push_render_hook(_Hook())
    return console


class _Hook(RenderHook):
    def process_renderables(self, renderables: list[ConsoleRenderable]) -> list[ConsoleRenderable]:
        return [_Printable(renderable) for renderable in renderables]


class _Printable:
    """A renderable whose text is printable."""

    def __init__(self, renderable: RenderableType) -> None:
        self._renderable = renderable

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Segment]:
        for segment in console.render(self._renderable, options):
            yield segment if segment.control else Segment(printable(segment.text), segment.style)


def _escape(character: str) -> str:
    if character in _KEPT or unicodedata.category(character) not in _UNPRINTABLE:
        return character
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
