"""The user's terminal, kept apart from everybody else's chatter.

Ray, its C++ core, MLflow and tokenizers all write to the process's standard streams. While a search runs, those go to
a log file, and only gluetune's own console reaches the terminal.
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console

from gluetune.cli.printable import escape_unprintable
from gluetune.config import text_without_passwords


class Terminal:
    """Consoles on copies of the original standard streams."""

    def __init__(self) -> None:
        self.out = _console(sys.stdout)
        self.err = _console(sys.stderr)

    def close(self) -> None:
        """Closes the copies. What a thread says later goes to the streams themselves."""
        for console, stream in ((self.out, sys.stdout), (self.err, sys.stderr)):
            file, console.file = console.file, stream
            if isinstance(file, _Copy):
                file.close()

    def error(self, message: str) -> None:
        """Prints the one message of a user's mistake."""
        self.err.print(f"[bold red]error:[/] {_escaped(message)}", highlight=False, soft_wrap=True)

    def note(self, message: str) -> None:
        """Prints one line of progress."""
        self.out.print(_escaped(message), style="dim", highlight=False, soft_wrap=True)

    def stream(self, path: str) -> str:
        """A path that writes to the terminal's own stream where it names one, as ``/dev/stdout`` does.

        While `logging_to` is at work, that name would lead into the log.
        """
        consoles = {"/dev/stdout": self.out, "/dev/fd/1": self.out, "/dev/stderr": self.err, "/dev/fd/2": self.err}
        file = consoles[path].file if path in consoles else None
        return f"/dev/fd/{file.fileno()}" if isinstance(file, _Copy) else path

    @contextmanager
    def logging_to(self, path: Path) -> Iterator[None]:
        """Sends the process's standard streams, down to the file descriptors, to a file."""
        path.parent.mkdir(parents=True, exist_ok=True)
        sys.stdout.flush()
        sys.stderr.flush()
        saved = [os.dup(1), os.dup(2)]
        log = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        os.dup2(log, 1)
        os.dup2(log, 2)
        os.close(log)
        try:
            yield
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            for stream, copy in zip((1, 2), saved, strict=True):
                os.dup2(copy, stream)
                os.close(copy)


class _Copy(io.TextIOWrapper):
    """A file on a copy of a standard stream's descriptor, which is ours to close."""


def _console(stream: object) -> Console:
    """A console on a copy of a stream's descriptor, or on the stream itself where it has none (tests, notebooks)."""
    try:
        descriptor = os.dup(stream.fileno())  # type: ignore[attr-defined]
    except (OSError, AttributeError, ValueError):
        return escape_unprintable(Console(file=stream))  # type: ignore[arg-type]
    copy = _Copy(os.fdopen(descriptor, "wb"), encoding="utf-8", errors="replace", line_buffering=True)
    return escape_unprintable(Console(file=copy))


def _escaped(text: str) -> str:
    """A text without the passwords of addresses in it, and without meaning to Rich."""
    from rich.markup import escape

    return escape(text_without_passwords(text))
