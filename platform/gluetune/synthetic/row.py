"""One generated row."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from gluetune.synthetic.events import World


@dataclass(frozen=True, slots=True)
class Row:
    """Texts in the order of ``Task.columns`` and the label: a class name, or a number for regression."""

    texts: tuple[str, ...]
    label: str | float


Generator = Callable[[World], Row]
"""Draws one row of a task."""
