"""A benchmark's outcomes as tables and as JSON, and the host that they were measured on."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from benchmarks.comparison import GLUETUNE, Figure, Outcome, Samples, Target


def print_outcome(measured: Outcome, out: Console) -> None:
    """Print each contender's description, its medians with their ranges, and whether it reaches the targets."""
    comparison = measured.comparison
    out.print(f"\n[bold]{comparison.number}. {comparison.title}[/]", highlight=False)
    for contender in measured.contenders:
        out.print(f"  {contender.name}: {contender.does}", style="dim", highlight=False, soft_wrap=True)
    out.print(_table(measured))
    if comparison.note:
        out.print(comparison.note, style="dim", highlight=False, soft_wrap=True)
    for target in comparison.targets:
        out.print(_verdict(measured, target), highlight=False, soft_wrap=True)


def as_json(outcomes: Sequence[Outcome], host: Mapping[str, str], config: Mapping[str, Any]) -> dict[str, Any]:
    """Return all values of all repetitions, and the settings, for JSON."""
    return {"host": dict(host), "config": dict(config), "comparisons": [_as_json(each) for each in outcomes]}


def _as_json(measured: Outcome) -> dict[str, Any]:
    comparison = measured.comparison
    return {
        "number": comparison.number,
        "title": comparison.title,
        "contenders": {
            contender.name: {
                "does": contender.does,
                "figures": {
                    figure.name: {"unit": figure.unit, "values": found.values, "median": found.median}
                    for figure in comparison.figures
                    if (found := measured.values.get((contender.name, figure.name)))
                },
            }
            for contender in measured.contenders
        },
        "targets": [_target_as_json(measured, target) for target in comparison.targets],
    }


def _target_as_json(measured: Outcome, target: Target) -> dict[str, Any]:
    reached = measured.reached(target)
    return {
        "figure": target.figure,
        "contender": target.contender,
        "over": target.over,
        "limit": target.limit,
        "value": reached[0] if reached else None,
        "reached": reached[1] if reached else None,
    }


def _table(measured: Outcome) -> Table:
    table = Table(box=SIMPLE, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("figure", style="bold")
    for contender in measured.contenders:
        table.add_column(contender.name, justify="right")
    for figure in measured.comparison.figures:
        table.add_row(_name(figure), *(_cell(measured, contender.name, figure) for contender in measured.contenders))
    return table


def _name(figure: Figure) -> str:
    name = figure.name.replace("_", " ")
    return f"{name} [{figure.unit}]".replace("[", r"\[") if figure.unit else name


def _cell(measured: Outcome, contender: str, figure: Figure) -> str:
    """Format a median, its range, and how many times better gluetune's is."""
    found = measured.values.get((contender, figure.name))
    if not found:
        return "–"
    times = None if contender == GLUETUNE else measured.times_better(figure.name, GLUETUNE, contender)
    return _spread(found) + (
        ""
        if times is None
        else f"\ngluetune {times:.3g}× better"
        if times >= 1
        else f"\ngluetune {1 / times:.3g}× worse"
        if times
        else ""
    )


def _spread(found: Samples) -> str:
    low, high = min(found.values), max(found.values)
    return format_number(found.median) + (f" ({format_number(low)}–{format_number(high)})" if low != high else "")


def format_number(value: float) -> str:
    """Format a number with three digits, or with all digits before the point."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def _verdict(measured: Outcome, target: Target) -> str:
    figure = measured.comparison.figure(target.figure)
    if target.over is not None:
        what, rule = f"{figure.name} against {target.over}", f"≥ {target.limit:g}×"
    else:
        what, rule = figure.name, f"{'≤' if figure.better == 'lower' else '≥'} {target.limit:g} {figure.unit}".rstrip()
    what = what.replace("_", " ") + ("" if target.contender == GLUETUNE else f" ({target.contender})")
    reached = measured.reached(target)
    if reached is None:
        return f"target {what} {rule}: not measured"
    word = "[green]reached[/]" if reached[1] else "[yellow]missed[/]"
    return f"target {what} {rule}: {format_number(reached[0])}{'×' if target.over else ''}, {word}"


PACKAGES = ("ray", "torch", "transformers", "optuna", "mlflow", "datasets")


def host_info() -> dict[str, str]:
    """Describe the host and the versions of libraries."""
    import torch

    cuda = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    packages = (f"{name} {version(name)}" for name in PACKAGES)
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return {
        "processor": f"{_processor()}, {len(os.sched_getaffinity(0))} cores in use, {pages / 2**30:.0f} GiB",
        "GPU": ", ".join(dict.fromkeys(f"{cuda.count(name)} × {name}" for name in cuda)) or "none",
        "load before": f"{os.getloadavg()[0]:.2f} (one-minute average)",
        "versions": ", ".join([f"Python {platform.python_version()}", *packages]),
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())
