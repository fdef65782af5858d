"""Repeated measurements: interleaved, and summed up as medians with their spread."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field

from benchmarks.comparison import Comparison, Goal, Side
from benchmarks.setting import Setting


@dataclass
class Values:
    """What repetitions of one side gave for one figure."""

    values: list[float] = field(default_factory=list)

    @property
    def median(self) -> float:
        """The middle value."""
        return statistics.median(self.values)


@dataclass(frozen=True)
class Measured:
    """A comparison's outcome.

    Attributes:
        comparison: what was compared.
        sides: those that were measured.
        values: by side's and figure's name.
    """

    comparison: Comparison
    sides: Sequence[Side]
    values: dict[tuple[str, str], Values]

    def median(self, side: str, figure: str) -> float | None:
        """A side's median of a figure; ``None`` where it was not measured."""
        values = self.values.get((side, figure))
        return values.median if values else None

    def times_better(self, figure: str, side: str, than: str) -> float | None:
        """How many times better a side's median is than another's; ``None`` where none is, or one is negative."""
        own, other, better = self.median(side, figure), self.median(than, figure), self.comparison.figure(figure).better
        if own is None or other is None or better == "same" or min(own, other) < 0:
            return None
        above, below = (other, own) if better == "lower" else (own, other)
        return above / below if below else float("inf")

    def reached(self, goal: Goal) -> tuple[float, bool] | None:
        """The value that a goal is about, and whether it is reached; ``None`` where it was not measured."""
        if goal.over is not None:
            value = self.times_better(goal.figure, goal.side, goal.over)
            return None if value is None else (value, value >= goal.limit)
        value = self.median(goal.side, goal.figure)
        if value is None:
            return None
        lower = self.comparison.figure(goal.figure).better == "lower"
        return value, value <= goal.limit if lower else value >= goal.limit


def measure(comparison: Comparison, setting: Setting, repeat: int) -> Measured:
    """Measures a comparison: side after side, and that several times over, so that a slow minute hits all sides."""
    sides = comparison.sides(setting)
    values: dict[tuple[str, str], Values] = {}
    for repetition in range(repeat):
        for side in sides:
            setting.note(f"{comparison.number}: {side.name} ({repetition + 1} of {repeat}) …")
            for figure, value in side.measure(repetition).items():
                values.setdefault((side.name, figure), Values()).values.append(value)
    return Measured(comparison, sides, values)
