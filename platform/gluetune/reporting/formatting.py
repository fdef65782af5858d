"""Short texts for numbers, durations and errors in terminal output."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from gluetune.events import format_params as format_params
from gluetune.tasks.metrics import value_of_score
from gluetune.tasks.own_metrics import short_name

METRICS = {"matthews_correlation": "MCC", "accuracy_and_f1": "mean acc, F1", "pearson_and_spearman": "mean r, rho"}
SPLITS = {"validation_matched": "m", "validation_mismatched": "mm"}
NARROW = 100  # on terminals with fewer columns, configurations are printed below a table instead of in it


def metric(name: str) -> str:
    """Return the short name of a metric, for tables."""
    return METRICS.get(name, short_name(name))


def score(value: float | None) -> str:
    """Return a score with four decimals; ``–`` for ``None``."""
    return "–" if value is None else f"{value:.4f}"


def ranking_metric(name: str, best: float | None) -> str:
    """Return the value of a metric as `score` does, from the score that ranks trials, of which more is always better.

    Args:
        name: the metric.
        best: the score; ``None`` where there is none.
    """
    return score(None if best is None else value_of_score(name, best))


def scored_rows(splits: Iterable[str]) -> str:
    """Return what a table calls the rows that winners are scored on.

    Args:
        splits: the names of their splits.
    """
    return "dev/test" if "test" in splits else "dev"


def error_line(message: str) -> str:
    """Shorten an error's message to one line: the last line of a traceback, else the first line of the message.

    Text before ``Traceback`` on its line, such as the number of worker failures, is kept.
    """
    lines = [line for line in message.splitlines() if line.strip()]
    frames = [number for number, line in enumerate(lines) if line.startswith("  File ")]
    if not frames:
        return lines[0].strip() if lines else ""
    error = next((line for line in lines[frames[-1] :] if not line.startswith(" ")), lines[-1])
    before, traceback, _ = lines[0].partition("Traceback (most recent call last):")
    return (before if traceback else "") + error.strip()


def duration(seconds: float | None) -> str:
    """Format seconds as ``8 s``, ``3 min 20 s`` or ``2 h 05 min``; ``–`` for ``None``."""
    if seconds is None:
        return "–"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def count(number: int, noun: str) -> str:
    """Return a number with its noun: ``1 trial``, ``2,000 trials``."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def millions(number: int) -> str:
    """Format a large number as ``4.4M`` or ``12k``."""
    if number >= 1_000_000:
        return f"{number / 1e6:.1f}M"
    return f"{number / 1e3:.0f}k" if number >= 1000 else str(number)


def clock(seconds: float) -> str:
    """Format seconds as ``0:03:20``."""
    whole = round(seconds)
    return f"{whole // 3600}:{whole % 3600 // 60:02d}:{whole % 60:02d}"


def same_rows_notes(twins: Mapping[str, str]) -> list[str]:
    """Warnings about splits that hold the same texts as another split.

    Args:
        twins: name of the other split by name of the split.
    """
    return [
        f"the rows of {split} are those of {twin}: a score on them "
        + ("is a score on training rows" if twin == "train" else "adds nothing to that one")
        for split, twin in twins.items()
    ]
