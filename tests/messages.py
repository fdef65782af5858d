"""What a message must show, whatever its wording, and the golden file of the whole wording."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Line:
    """One line of a message.

    Attributes:
        place: what it begins with: file, line and key, or the flag; empty where the whole command line is wrong.
        value: the value that it shows, as it shows it; empty where there is none.
        nearest: the valid name that it suggests; empty where none is near.
    """

    place: str
    value: str = ""
    nearest: str = ""


def assert_shows(message: str, lines: Iterable[Line]) -> None:
    """Check that a message has these lines, in this order, and no other suggestions."""
    expected = list(lines)
    shown = message.splitlines()
    assert len(shown) == len(expected), message
    for text, line in zip(shown, expected, strict=True):
        place = f"{line.place}: " if line.place else ""
        assert text.startswith(place), message
        rule, _, suggestion = text.removeprefix(place).partition("; nearest: ")
        assert rule, message
        assert line.value in rule, message
        assert suggestion == (repr(line.nearest) if line.nearest else ""), message


def golden_text(messages: Mapping[str, str]) -> str:
    """All messages under what was written, as the golden file has them."""
    blocks = (
        "\n".join(["> " + line for line in cause.splitlines()] + [message]) for cause, message in messages.items()
    )
    return "\n\n".join(blocks) + "\n"


def assert_golden(messages: Mapping[str, str], file: Path, *, update: bool) -> None:
    """Compare the wording of messages with a golden file, or write the file anew."""
    text = golden_text(messages)
    if update:
        file.write_text(text)
    assert text == file.read_text(), "run `pytest tests/contract --update-messages` and review the difference"
