"""What a benchmark measures: sides that do the same work, figures of each, and the goals for their ratios."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from benchmarks.setting import Setting

OURS = "gluetune"


@dataclass(frozen=True)
class Figure:
    """Something measured.

    Attributes:
        name: key in what a side measures.
        unit: such as ``s``, ``examples/s``, ``MB``; empty for a share.
        better: which of two values is the better one; ``same`` where all sides should have the same.
    """

    name: str
    unit: str
    better: Literal["lower", "higher", "same"]


@dataclass(frozen=True)
class Goal:
    """What a figure should come to.

    Attributes:
        figure: its name.
        limit: the least or most, as the figure's ``better`` says; with ``over``, how many times better than it.
        over: name of the side that our side is compared with; ``None``: the limit is for our side's own value.
        side: our side.
    """

    figure: str
    limit: float
    over: str | None = None
    side: str = OURS


@dataclass(frozen=True)
class Side:
    """One way to do the work.

    Attributes:
        name: short; ours is `OURS`, or begins so where there are several of ours.
        does: what it does, in a sentence.
        measure: does the work once and returns values by figure name; a figure may be left out. Gets the repetition's
            number, from 0.
    """

    name: str
    does: str
    measure: Callable[[int], Mapping[str, float]] = field(repr=False)


@dataclass(frozen=True)
class Comparison:
    """One of the benchmark's comparisons.

    Attributes:
        number: what ``--only`` calls it.
        title: what is measured, in a line.
        figures: in the order they are shown.
        goals: what they should come to.
        sides: makes the sides; called once, after the imports that ``--help`` need not wait for.
        note: what one must know to read the figures.
    """

    number: int
    title: str
    figures: Sequence[Figure]
    goals: Sequence[Goal]
    sides: Callable[[Setting], Sequence[Side]] = field(repr=False)
    note: str = ""

    def figure(self, name: str) -> Figure:
        """A figure by its name."""
        return next(figure for figure in self.figures if figure.name == name)
