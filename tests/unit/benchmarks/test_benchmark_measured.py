"""Medians, ratios and goals from given measurements."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest
from rich.console import Console

from benchmarks.comparison import OURS, Comparison, Figure, Goal, Side
from benchmarks.measured import Measured, Values, measure
from benchmarks.setting import Setting
from benchmarks.show import as_json, show

OTHER = "the loop"
FIGURES = (
    Figure("wall", "s", "lower"),
    Figure("speed", "rows/s", "higher"),
    Figure("share", "", "higher"),
    Figure("best", "", "same"),
)
GOALS = (
    Goal("wall", 4.0, OTHER),
    Goal("speed", 3.0, OTHER),
    Goal("share", 0.9),
    Goal("wall", 11.0),
    Goal("share", 2.0, OTHER),
)
GIVEN = {
    OURS: [
        {"wall": 10.0, "speed": 40.0, "share": 0.8},
        {"wall": 90.0, "speed": 44.0, "share": 0.8},
        {"wall": 8.0, "speed": 42.0, "share": 0.85, "best": 0.5},
    ],
    OTHER: [{"wall": 40.0, "speed": 20.0}, {"wall": 41.0, "speed": 21.0}, {"wall": 39.0, "speed": 22.0, "best": 0.0}],
}


def compared(order: list[str]) -> Comparison:
    def side(name: str) -> Side:
        def values(repetition: int) -> Mapping[str, float]:
            order.append(f"{name} {repetition}")
            return GIVEN[name][repetition]

        return Side(name, f"does what {name} does", values)

    return Comparison(3, "a thing", FIGURES, GOALS, lambda setting: [side(OURS), side(OTHER)], "Read it so.")


@pytest.fixture
def outcome(tmp_path: Path) -> Measured:
    return measure(compared([]), Setting(tmp_path), 3)


def test_sides_take_turns(tmp_path: Path) -> None:
    order: list[str] = []
    measure(compared(order), Setting(tmp_path), 2)
    assert order == [f"{OURS} 0", f"{OTHER} 0", f"{OURS} 1", f"{OTHER} 1"]


def test_one_slow_repetition_does_not_count(outcome: Measured) -> None:
    assert outcome.median(OURS, "wall") == 10.0
    assert outcome.median(OTHER, "share") is None


def test_ratios_say_how_many_times_better_whichever_way_is_better(outcome: Measured) -> None:
    assert outcome.times_better("wall", OURS, OTHER) == 4.0
    assert outcome.times_better("speed", OURS, OTHER) == 2.0
    assert outcome.times_better("wall", OTHER, OURS) == 0.25
    assert outcome.times_better("best", OURS, OTHER) is None  # it should be the same
    outcome.values[OURS, "wall"] = Values([-0.1])  # what was taken off was more
    assert outcome.times_better("wall", OURS, OTHER) is None


def test_goals(outcome: Measured) -> None:
    assert [outcome.reached(goal) for goal in GOALS] == [(4.0, True), (2.0, False), (0.8, False), (10.0, True), None]


def test_the_table_shows_medians_spreads_ratios_and_verdicts(outcome: Measured) -> None:
    out = Console(width=120, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    show(outcome, out)
    text = out.export_text()
    for part in (
        "3. a thing",
        "does what the loop does",
        "10 (8–90)",
        "ours 4× better",
        "Read it so.",
        "goal wall against the loop ≥ 4×: 4×, reached",
        "goal speed against the loop ≥ 3×: 2×, missed",
        "goal share ≥ 0.9: 0.8, missed",
        "goal wall ≤ 11 s: 10, reached",
        "goal share against the loop ≥ 2×: not measured",
        r"wall [s]",
    ):
        assert part in text, part


def test_json_holds_every_repetition(outcome: Measured) -> None:
    found = json.loads(json.dumps(as_json([outcome], {"processor": "one"}, {"repetitions": 3})))
    (comparison,) = found["comparisons"]
    assert comparison["sides"][OURS]["figures"]["wall"] == {"unit": "s", "values": [10.0, 90.0, 8.0], "median": 10.0}
    assert [goal["reached"] for goal in comparison["goals"]] == [True, False, False, True, None]
    assert found["machine"] == {"processor": "one"}
