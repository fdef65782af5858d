"""Outcomes as tables for people and JSON for programs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from benchmarks.comparison import OURS, Figure, Goal
from benchmarks.measured import Measured, Values


def show(measured: Measured, out: Console) -> None:
    """Prints what each side does, its medians with the spread, and whether the goals are reached."""
    comparison = measured.comparison
    out.print(f"\n[bold]{comparison.number}. {comparison.title}[/]", highlight=False)
    for side in measured.sides:
        out.print(f"  {side.name}: {side.does}", style="dim", highlight=False, soft_wrap=True)
    out.print(_table(measured))
    if comparison.note:
        out.print(comparison.note, style="dim", highlight=False, soft_wrap=True)
    for goal in comparison.goals:
        out.print(_verdict(measured, goal), highlight=False, soft_wrap=True)


def as_json(outcomes: Sequence[Measured], machine: Mapping[str, str], setting: Mapping[str, Any]) -> dict[str, Any]:
    """Everything measured, every repetition's value included."""
    return {"machine": dict(machine), "setting": dict(setting), "comparisons": [_as_json(each) for each in outcomes]}


def _as_json(measured: Measured) -> dict[str, Any]:
    comparison = measured.comparison
    return {
        "number": comparison.number,
        "title": comparison.title,
        "sides": {
            side.name: {
                "does": side.does,
                "figures": {
                    figure.name: {"unit": figure.unit, "values": found.values, "median": found.median}
                    for figure in comparison.figures
                    if (found := measured.values.get((side.name, figure.name)))
                },
            }
            for side in measured.sides
        },
        "goals": [_goal_as_json(measured, goal) for goal in comparison.goals],
    }


def _goal_as_json(measured: Measured, goal: Goal) -> dict[str, Any]:
    reached = measured.reached(goal)
    return {
        "figure": goal.figure,
        "side": goal.side,
        "over": goal.over,
        "limit": goal.limit,
        "value": reached[0] if reached else None,
        "reached": reached[1] if reached else None,
    }


def _table(measured: Measured) -> Table:
    table = Table(box=SIMPLE, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("figure", style="bold")
    for side in measured.sides:
        table.add_column(side.name, justify="right")
    for figure in measured.comparison.figures:
        table.add_row(_name(figure), *(_cell(measured, side.name, figure) for side in measured.sides))
    return table


def _name(figure: Figure) -> str:
    name = figure.name.replace("_", " ")
    return f"{name} [{figure.unit}]".replace("[", r"\[") if figure.unit else name


def _cell(measured: Measured, side: str, figure: Figure) -> str:
    """A median, its spread, and how many times better ours is."""
    found = measured.values.get((side, figure.name))
    if not found:
        return "–"
    times = None if side == OURS else measured.times_better(figure.name, OURS, side)
    return _spread(found) + (
        ""
        if times is None
        else f"\nours {times:.3g}× better"
        if times >= 1
        else f"\nours {1 / times:.3g}× worse"
        if times
        else ""
    )


def _spread(found: Values) -> str:
    low, high = min(found.values), max(found.values)
    return number(found.median) + (f" ({number(low)}–{number(high)})" if low != high else "")


def number(value: float) -> str:
    """Three digits, or all digits before the point."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def _verdict(measured: Measured, goal: Goal) -> str:
    figure = measured.comparison.figure(goal.figure)
    if goal.over is not None:
        what, rule = f"{figure.name} against {goal.over}", f"≥ {goal.limit:g}×"
    else:
        what, rule = figure.name, f"{'≤' if figure.better == 'lower' else '≥'} {goal.limit:g} {figure.unit}".rstrip()
    what = what.replace("_", " ") + ("" if goal.side == OURS else f" ({goal.side})")
    reached = measured.reached(goal)
    if reached is None:
        return f"goal {what} {rule}: not measured"
    word = "[green]reached[/]" if reached[1] else "[yellow]missed[/]"
    return f"goal {what} {rule}: {number(reached[0])}{'×' if goal.over else ''}, {word}"
