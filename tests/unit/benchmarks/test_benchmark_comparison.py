"""Medians, ratios and targets of given measurements."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from pathlib import Path

import pytest
from rich.console import Console

from benchmarks.comparison import (
    GLUETUNE,
    BenchmarkConfig,
    Comparison,
    Contender,
    Figure,
    Outcome,
    Samples,
    Target,
    run_comparison,
)
from benchmarks.report import as_json, print_outcome

OTHER = "the loop"
FIGURES = (
    Figure("wall", "s", "lower"),
    Figure("speed", "rows/s", "higher"),
    Figure("share", "", "higher"),
    Figure("best", "", "same"),
)
GOALS = (
    Target("wall", 4.0, OTHER),
    Target("speed", 3.0, OTHER),
    Target("share", 0.9),
    Target("wall", 11.0),
    Target("share", 2.0, OTHER),
)
GIVEN = {
    GLUETUNE: [
        {"wall": 10.0, "speed": 40.0, "share": 0.8},
        {"wall": 90.0, "speed": 44.0, "share": 0.8},
        {"wall": 8.0, "speed": 42.0, "share": 0.85, "best": 0.5},
    ],
    OTHER: [{"wall": 40.0, "speed": 20.0}, {"wall": 41.0, "speed": 21.0}, {"wall": 39.0, "speed": 22.0, "best": 0.0}],
}


def compared(order: list[str]) -> Comparison:
    def contender(name: str) -> Contender:
        def values(repetition: int) -> Mapping[str, float]:
            order.append(f"{name} {repetition}")
            return GIVEN[name][repetition]

        return Contender(name, f"does what {name} does", values)

    return Comparison(
        3, "a thing", FIGURES, GOALS, lambda config: [contender(GLUETUNE), contender(OTHER)], "Read it so."
    )


@pytest.fixture
def outcome(tmp_path: Path) -> Outcome:
    return run_comparison(compared([]), BenchmarkConfig(tmp_path), 3)


def test_contenders_take_turns(tmp_path: Path) -> None:
    order: list[str] = []
    run_comparison(compared(order), BenchmarkConfig(tmp_path), 2)
    assert order == [f"{GLUETUNE} 0", f"{OTHER} 0", f"{GLUETUNE} 1", f"{OTHER} 1"]


def test_one_slow_repetition_does_not_count(outcome: Outcome) -> None:
    assert outcome.median(GLUETUNE, "wall") == 10.0
    assert outcome.median(OTHER, "share") is None


def test_ratios_say_how_many_times_better_whichever_way_is_better(outcome: Outcome) -> None:
    assert outcome.times_better("wall", GLUETUNE, OTHER) == 4.0
    assert outcome.times_better("speed", GLUETUNE, OTHER) == 2.0
    assert outcome.times_better("wall", OTHER, GLUETUNE) == 0.25
    assert outcome.times_better("best", GLUETUNE, OTHER) is None  # it should be the same
    outcome.values[GLUETUNE, "wall"] = Samples([-0.1])  # what was taken off was more
    assert outcome.times_better("wall", GLUETUNE, OTHER) is None


def test_targets(outcome: Outcome) -> None:
    assert [outcome.reached(target) for target in GOALS] == [
        (4.0, True),
        (2.0, False),
        (0.8, False),
        (10.0, True),
        None,
    ]


def test_the_table_shows_medians_spreads_ratios_and_verdicts(outcome: Outcome) -> None:
    out = Console(width=120, record=True, file=io.StringIO())
    print_outcome(outcome, out)
    text = out.export_text()
    for part in (
        "3. a thing",
        "does what the loop does",
        "10 (8–90)",
        "gluetune 4× better",
        "Read it so.",
        "target wall against the loop ≥ 4×: 4×, reached",
        "target speed against the loop ≥ 3×: 2×, missed",
        "target share ≥ 0.9: 0.8, missed",
        "target wall ≤ 11 s: 10, reached",
        "target share against the loop ≥ 2×: not measured",
        r"wall [s]",
    ):
        assert part in text, part


def test_json_holds_every_repetition(outcome: Outcome) -> None:
    found = json.loads(json.dumps(as_json([outcome], {"processor": "one"}, {"repetitions": 3})))
    (comparison,) = found["comparisons"]
    assert comparison["contenders"][GLUETUNE]["figures"]["wall"] == {
        "unit": "s",
        "values": [10.0, 90.0, 8.0],
        "median": 10.0,
    }
    assert [target["reached"] for target in comparison["targets"]] == [True, False, False, True, None]
    assert found["host"] == {"processor": "one"}
