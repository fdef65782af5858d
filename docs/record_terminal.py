"""Record a command in a terminal as an animated picture for the documentation.

Run ``python docs/record_terminal.py docs/images/search.gif -- gluetune tune …`` in the folder of the example. The
command runs in a real pseudo-terminal; pyte keeps the screen, Chromium draws it, and Pillow writes the picture.
"""

from __future__ import annotations

import argparse
import html
import io
import os
import pty
import select
import shutil
import subprocess
import time
from dataclasses import dataclass, field
from fcntl import ioctl
from pathlib import Path
from struct import pack
from termios import TIOCSWINSZ

import pyte
from PIL import Image
from playwright.sync_api import sync_playwright
from pyte.screens import Char

COLUMNS, ROWS = 112, 30
FRAMES, FRAME_S, LAST_S = 48, 0.4, 8.0  # screens of a picture, and how long it shows each one and the last
COLORS = {
    "default": "#d7dae0", "black": "#5c6370", "red": "#e06c75", "green": "#98c379", "brown": "#e5c07b",
    "blue": "#61afef", "magenta": "#c678dd", "cyan": "#56b6c2", "white": "#d7dae0",
}  # fmt: skip
STYLE = (
    "body{margin:0;background:#21252b;display:inline-block}"
    "pre{margin:14px 18px;font:15px/1.3 'DejaVu Sans Mono',monospace;color:#d7dae0}"
)


@dataclass
class Recording:
    """The screens that a command showed, each as HTML with the seconds since the start at which it appeared."""

    screens: list[tuple[float, str]] = field(default_factory=list)
    seconds: float = 0.0

    def add(self, at: float, screen: str) -> None:
        """Append a screen that differs from the last one."""
        if not self.screens or self.screens[-1][1] != screen:
            self.screens.append((at, screen))

    def frames(self, most: int = FRAMES) -> list[str]:
        """At most about ``most`` of the screens, spread evenly over the time of the command, with the last one."""
        kept, last, step = list[str](), -1.0, self.seconds / most
        for at, screen in self.screens[:-1]:
            if last < 0 or at - last >= step:
                kept.append(screen)
                last = at
        return [*kept, self.screens[-1][1]]


def record(command: list[str], *, columns: int = COLUMNS, rows: int = ROWS) -> Recording:
    """Run a command in a pseudo-terminal until it ends.

    Args:
        command: program and arguments; the first screen shows them after a prompt.
        columns: width of the terminal in characters.
        rows: height of the terminal in lines.

    Raises:
        subprocess.CalledProcessError: the command failed.
    """
    screen = pyte.Screen(columns, rows)
    stream = pyte.ByteStream(screen)
    recording, started = Recording(), time.monotonic()
    driver, terminal = pty.openpty()
    ioctl(terminal, TIOCSWINSZ, pack("HHHH", rows, columns, 0, 0))
    stream.feed(f"\x1b[32m$\x1b[0m {subprocess.list2cmdline(command)}\r\n".encode())
    recording.add(0.0, as_html(screen))
    environment = os.environ | {"TERM": "xterm-256color", "COLUMNS": str(columns), "LINES": str(rows)}
    with subprocess.Popen(command, stdin=terminal, stdout=terminal, stderr=terminal, env=environment) as process:
        os.close(terminal)
        while data := _next_output(driver):
            stream.feed(data)
            recording.add(time.monotonic() - started, as_html(screen))
    os.close(driver)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    recording.seconds = time.monotonic() - started
    return recording


def _next_output(terminal: int, settle_s: float = 0.2) -> bytes:
    """The next output of the command, with all that follows within ``settle_s``; nothing when it has ended."""
    data = b""
    while True:
        try:
            if data and not select.select([terminal], [], [], settle_s)[0]:
                return data
            part = os.read(terminal, 65536)
        except OSError:  # Linux's answer when the last process has closed the terminal
            return data
        if not part:
            return data
        data += part


def as_html(screen: pyte.Screen) -> str:
    """The screen's lines as the content of a ``pre`` element."""
    lines = []
    for row in range(screen.lines):
        cells = [screen.buffer[row][column] for column in range(screen.columns)]
        lines.append("".join(map(_cell, cells)).rstrip())
    return "\n".join(lines)


def _cell(cell: Char) -> str:
    text = html.escape(cell.data)
    color = COLORS.get(cell.fg, f"#{cell.fg}" if len(cell.fg) == 6 else COLORS["default"])
    if cell.bold:
        return f'<b style="color:{color}">{text}</b>'
    return text if color == COLORS["default"] else f'<span style="color:{color}">{text}</span>'


def write_gif(recording: Recording, file: Path) -> None:
    """Draw the frames in Chromium and write them as an animated picture that runs for ever.

    Raises:
        FileNotFoundError: Chromium is not installed.
    """
    program = shutil.which("chromium")
    if program is None:
        raise FileNotFoundError("chromium (Debian: apt-get install chromium)")
    with sync_playwright() as started:
        browser = started.chromium.launch(executable_path=program, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1200, "height": 800})
        images = []
        for screen in recording.frames():
            page.set_content(f"<style>{STYLE}</style><body><pre>{screen}</pre></body>")
            picture = Image.open(io.BytesIO(page.locator("body").screenshot()))
            images.append(picture.convert("P", palette=Image.Palette.ADAPTIVE, colors=32))
        browser.close()
    durations = [*([round(1000 * FRAME_S)] * (len(images) - 1)), round(1000 * LAST_S)]
    images[0].save(file, save_all=True, append_images=images[1:], duration=durations, loop=0, optimize=True)
    images[-1].save(file.with_suffix(".png"), optimize=True)


def main() -> None:
    """Record the command line's command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path, help="the picture, a .gif; its last screen is written beside it as .png")
    parser.add_argument("command", nargs=argparse.REMAINDER, help="after --")
    arguments = parser.parse_args()
    write_gif(record([part for part in arguments.command if part != "--"]), arguments.file)


if __name__ == "__main__":
    main()
