"""The user's terminal, kept apart from what libraries print.

Ray, its C++ core, MLflow and tokenizers all write to the process's standard streams. While a search runs, those go to
a log file, and only gluetune's own console reaches the terminal. A terminal that is closed ends no search, and text
from files, flags and errors cannot act on the terminal: its unprintable characters are printed as escapes.
"""

from __future__ import annotations

import io
import os
import select
import sys
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from rich.console import Console, ConsoleOptions, ConsoleRenderable, RenderableType, RenderHook
from rich.segment import Segment

from gluetune.config import text_without_passwords
from gluetune.supervisor import open_standard_streams, report

_STDOUT, _STDERR = ("/dev/stdout", "/dev/fd/1"), ("/dev/stderr", "/dev/fd/2")
_KEPT = frozenset("\n\t")
_UNPRINTABLE = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})  # controls, invisible formats, surrogates, separators


class Terminal:
    """Consoles on copies of the original standard streams."""

    def __init__(self) -> None:
        open_standard_streams()
        self._stdout, self._stderr = _console(sys.stdout), _console(sys.stderr)
        self.out, self.err = self._stdout, self._stderr
        self._log: Path | None = None

    def close(self) -> None:
        """Close the copies. What a thread prints later goes to the streams themselves."""
        for console, stream in ((self._stdout, sys.stdout), (self._stderr, sys.stderr)):
            file, console.file = console.file, stream
            if isinstance(file, _Copy):
                file.close()

    def error(self, message: str) -> None:
        """Print the message of a user's mistake; into the log where no process reads the error stream any more."""
        self.err.print(f"[bold red]error:[/] {_escaped(message)}", highlight=False, soft_wrap=True)
        if self._log is not None and isinstance(self.err.file, _Copy) and self.err.file.lost:
            with suppress(OSError), self._log.open("a") as log:
                log.write(f"error: {text_without_passwords(message)}\n")

    def note(self, message: str) -> None:
        """Print one line of progress."""
        self.out.print(_escaped(message), style="dim", highlight=False, soft_wrap=True)

    def data_stream(self, path: str) -> BinaryIO | None:
        """Return the terminal's own stream where a path names it, as ``/dev/stdout`` does, else ``None``.

        Inside `logging_to`, that name would lead into the log; and a file that standard output is redirected to, if it
        were opened anew, would be written at another position than what the terminal prints.
        """
        consoles = dict.fromkeys(_STDOUT, self._stdout) | dict.fromkeys(_STDERR, self._stderr)
        file = consoles[path].file if path in consoles else None
        return file.buffer if isinstance(file, _Copy) else None  # type: ignore[return-value]

    def keep_out_of(self, path: str | None) -> None:
        """Print everything on the error stream from now on, where a path names standard output: it carries data."""
        if path in _STDOUT:
            self.out = self._stderr

    @contextmanager
    def logging_to(self, path: Path) -> Iterator[None]:
        """Send the process's standard streams, down to the file descriptors, to a file."""
        path.parent.mkdir(parents=True, exist_ok=True)
        _flush()
        saved = [os.dup(1), os.dup(2)]
        log = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        os.dup2(log, 1)
        os.dup2(log, 2)
        os.close(log)
        self._log = path
        report(log=str(path.absolute()))
        try:
            yield
        finally:
            _flush()
            for stream, copy in zip((1, 2), saved, strict=True):
                os.dup2(copy, stream)
                os.close(copy)


def announce_resume(command: str, terminal: Terminal) -> None:
    """Print how a run that has just begun can be resumed, whatever ends it, and report it to the parent process."""
    report(resume=command)
    terminal.note("if this run is stopped or cut off, resume with:")
    terminal.note(command)


class _Lasting(io.FileIO):
    """A descriptor whose writes never fail: what its reader does not take any more is dropped.

    Attributes:
        lost: whether something was dropped: the reader of a pipe has ended, the terminal is closed, the disk is full.
    """

    lost = False

    def write(self, data: object) -> int:
        """Write bytes, waiting where the descriptor is set not to block."""
        content = memoryview(data).cast("B")  # type: ignore[arg-type]
        try:
            while not self.lost:
                written = super().write(content)
                if written is not None:
                    return written
                select.select([], [self], [])
        except OSError:
            self.lost = True
        return len(content)


class _Copy(io.TextIOWrapper):
    """A text file on a copy of a standard stream's descriptor, which it closes."""

    def __init__(self, descriptor: int) -> None:
        self._raw = _Lasting(descriptor, "wb")
        self._raw.lost = os.path.samestat(os.fstat(descriptor), os.stat(os.devnull))
        super().__init__(io.BufferedWriter(self._raw), encoding="utf-8", errors="replace", line_buffering=True)

    @property
    def lost(self) -> bool:
        """Whether the stream's reader has gone, and what is written is dropped."""
        return self._raw.lost


def _console(stream: object) -> Console:
    """Return a console on a copy of a stream's descriptor, or on the stream where it has none (tests, notebooks)."""
    try:
        descriptor = os.dup(stream.fileno())  # type: ignore[attr-defined]
    except (OSError, AttributeError, ValueError):
        return escape_unprintable(Console(file=stream))  # type: ignore[arg-type]
    return escape_unprintable(Console(file=_Copy(descriptor)))


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError):  # no process reads it any more
            stream.flush()


def _escaped(text: str) -> str:
    """Return a text without the passwords of addresses in it, and without meaning to Rich."""
    from rich.markup import escape

    return escape(text_without_passwords(text))


def printable(text: str) -> str:
    r"""Return the text with unprintable characters as Python writes them: an escape is ``\x1b``, U+202E ``\u202e``.

    Line ends, tabs and all spaces stay.
    """
    if text.isprintable():
        return text
    return "".join(_escape(character) for character in text)


def escape_unprintable(console: Console) -> Console:
    """Return the console, which from now on prints nothing unprintable but its own styles and controls."""
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
