"""Numbers and configurations in few characters."""

from __future__ import annotations

from collections.abc import Mapping

from gluetune.events import format_params as format_params

METRICS = {"matthews_correlation": "MCC", "accuracy_and_f1": "mean acc, F1", "pearson_and_spearman": "mean r, rho"}
SPLITS = {"validation_matched": "m", "validation_mismatched": "mm"}
NARROW = 100  # columns below which configurations stand under a table instead of in it


def metric(name: str) -> str:
    """A metric's name as tables show it."""
    return METRICS.get(name, name)


def score(value: float | None) -> str:
    """A metric with four decimals, ``–`` for none."""
    return "–" if value is None else f"{value:.4f}"


def reason(message: str) -> str:
    """What an error's message says in one line: of a traceback the line with the error, else the first line.

    What stands before a traceback on its own line, such as how often workers died, is kept.
    """
    lines = [line for line in message.splitlines() if line.strip()]
    frames = [number for number, line in enumerate(lines) if line.startswith("  File ")]
    if not frames:
        return lines[0].strip() if lines else ""
    error = next((line for line in lines[frames[-1] :] if not line.startswith(" ")), lines[-1])
    before, traceback, _ = lines[0].partition("Traceback (most recent call last):")
    return (before if traceback else "") + error.strip()


def duration(seconds: float | None) -> str:
    """Seconds as ``8 s``, ``3 min 20 s`` or ``2 h 05 min``, ``–`` for none."""
    if seconds is None:
        return "–"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def count(number: int, noun: str) -> str:
    """A number and its noun: ``1 trial``, ``2,000 trials``."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def millions(number: int) -> str:
    """A large number as ``4.4M`` or ``12k``."""
    if number >= 1_000_000:
        return f"{number / 1e6:.1f}M"
    return f"{number / 1e3:.0f}k" if number >= 1000 else str(number)


def clock(seconds: float) -> str:
    """Seconds as ``0:03:20``."""
    whole = round(seconds)
    return f"{whole // 3600}:{whole % 3600 // 60:02d}:{whole % 60:02d}"


def same_rows(twins: Mapping[str, str]) -> list[str]:
    """What to know of the scores on splits that hold the texts of another one, by that one's name."""
    return [
        f"the rows of {split} are those of {twin}: a score on them "
        + ("is of rows trained on" if twin == "train" else "says nothing beside that one")
        for split, twin in twins.items()
    ]
