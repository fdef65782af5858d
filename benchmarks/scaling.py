"""Comparison 9: trials per minute at 1, 2, 4 and 8 lanes, with trials that sleep like a step on a GPU."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.comparison import GLUETUNE, Comparison, Contender, Figure, Target
from benchmarks.config import BenchmarkConfig
from benchmarks.noop_search import NoopSearchSpec, Timeline
from benchmarks.programs import run_python

LANES = (1, 2, 4, 8)
TRIALS_PER_LANE = 8
EVALUATIONS, STEPS, STEP_S = 3, 19, 0.05
PROGRAM = "benchmarks.noop_search"


def per_minute(times: Timeline) -> float:
    """Trials per minute from the first one's first step to the last one's end."""
    return 60 * len(times.ended) / (times.ended[-1] - times.started)


def ideal_per_minute(trials: NoopSearchSpec) -> float:
    """Return the trials per minute of lanes that never wait."""
    return 60 * trials.lanes / trials.trial_s


def figures(runs: Iterable[tuple[NoopSearchSpec, Timeline]]) -> dict[str, float]:
    """Trials per minute by number of lanes, and their share of the ideal; ``linear`` is the smallest share."""
    found, shares = {}, {}
    for trials, times in runs:
        found[f"per_minute_{trials.lanes}"] = per_minute(times)
        shares[f"share_{trials.lanes}"] = per_minute(times) / ideal_per_minute(trials)
    return found | shares | {"linear": min(shares.values())}


def run_noop_program(trials: NoopSearchSpec, folder: Path, *options: str) -> Timeline:
    """Run a search in a process of its own, on a cluster of its own.

    Raises:
        BenchmarkError: it fails.
    """
    done = run_python(["-m", PROGRAM, json.dumps(asdict(trials)), str(folder), *options], folder / "log")
    answer: dict[str, Any] = done.answer()
    return Timeline(**answer)


def _contenders(config: BenchmarkConfig) -> Sequence[Contender]:
    def gluetune(repetition: int) -> Mapping[str, float]:
        runs = []
        for lanes in LANES:
            trials = _trials(lanes)
            runs.append((trials, run_noop_program(trials, config.scratch / f"scaling-{repetition}-{lanes}", "--track")))
        return figures(runs)

    def ideal(repetition: int) -> Mapping[str, float]:
        return {f"per_minute_{lanes}": ideal_per_minute(_trials(lanes)) for lanes in LANES}

    return (
        Contender(
            GLUETUNE,
            f"real lanes of {STEP_S * EVALUATIONS * (STEPS + 1):g}-second trials that sleep; journal, MLflow "
            "record and live table as always",
            gluetune,
        ),
        Contender("ideal", "lanes that never wait", ideal),
    )


def _trials(lanes: int) -> NoopSearchSpec:
    return NoopSearchSpec(lanes * TRIALS_PER_LANE, lanes, "tpe", "none", EVALUATIONS, STEPS, STEP_S)


COMPARISONS = (
    Comparison(
        number=9,
        title="trials per minute by number of lanes",
        figures=[
            *(Figure(f"per_minute_{lanes}", "trials/min", "higher") for lanes in LANES),
            *(Figure(f"share_{lanes}", "", "higher") for lanes in LANES),
            Figure("linear", "", "higher"),
        ],
        targets=[Target("linear", 0.9)],
        contenders=_contenders,
        note=f"{TRIALS_PER_LANE} trials per lane, searched by TPE, none stopped; the lanes' start is not counted: "
        "the first trials wait until all lanes have started, and the time is from the first trial's first step to the "
        "last one's end; `share` is that of the ideal, `linear` the smallest share",
    ),
)
