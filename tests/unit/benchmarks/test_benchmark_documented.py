"""Figures of the benchmark in README and the performance page: those of the committed JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from searches import ROOT

SIZES = ("compact", "MiniLM-size")
README, PERFORMANCE = ROOT / "README.md", ROOT / "docs" / "explanation" / "performance.md"
RESULTS = ROOT / "benchmarks" / "results"
OTHERS = ((1, "run_glue loop"), (2, "Ray recipe"), (3, "Trainer search"))


def figures(comparison: int, contender: str) -> dict[str, float]:
    """Return the medians of a contender of the committed run, by figure."""
    measured: dict[str, Any] = json.loads((RESULTS / "two_cores.json").read_text())
    (found,) = [each for each in measured["comparisons"] if each["number"] == comparison]
    return {name: figure["median"] for name, figure in found["contenders"][contender]["figures"].items()}


def wall_cells(size: str) -> tuple[str, ...]:
    """Return the wall clocks of a search by all programs, as tables show them: ``1,480 s, 9.4×``."""
    wall = f"wall ({size})"
    own = figures(1, "gluetune")[wall]
    others = [figures(number, name)[wall] for number, name in OTHERS]
    return (f"{own:,.0f} s", *(f"{other:,.0f} s, {other / own:.1f}×" for other in others))


def rows(file: Path) -> list[list[str]]:
    """Return the cells of all tables of a page, without bold type."""
    lines = [line for line in file.read_text().splitlines() if line.startswith("|")]
    return [[cell.strip().replace("**", "") for cell in line.strip("|").split("|")] for line in lines]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("file", [README, PERFORMANCE], ids=lambda file: file.stem)
def test_the_wall_clocks_of_a_search_are_those_of_the_committed_run(file: Path, size: str) -> None:
    assert any(tuple(row[1:]) == wall_cells(size) for row in rows(file)), wall_cells(size)
