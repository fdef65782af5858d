"""One job file gives one outcome wherever it runs; looks at what the other cluster tests of this session have left."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from searches import summary

pytestmark = [pytest.mark.cluster, pytest.mark.ray, pytest.mark.slow]

PLACES = {
    "laptop": "this machine",
    "submitted": "ray job submit",
    "autoscaled": "autoscaling cluster",
    "three-hosts": "three hosts, two workers per trial",
}
TOLERANCE = 1e-4  # two workers add gradients up in another order


def test_the_same_grid_has_the_same_trials_scores_and_winners_everywhere(
    runs: Path, laptop: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    missing = [name for name in PLACES if not (runs / name / "summary.json").exists()]
    if missing:
        pytest.skip(f"runs after all tests of tests/cluster; not there: {', '.join(missing)}")
    found = {name: outcome(runs / name) for name in PLACES}
    with capsys.disabled():
        print(table(found))
    scores, winners = found["laptop"]
    for name, (others, champions) in found.items():
        assert others == pytest.approx(scores, abs=TOLERANCE), name
        assert champions == winners, name


def outcome(folder: Path) -> tuple[dict[str, float], dict[str, str]]:
    """Best score by trial, and the winner by task; trials go by what they train."""
    seen = summary(folder)
    scores = {trial_name(trial["task"], trial["params"]): trial["best_score"] for trial in seen["trials"]}
    return scores, {task["task"]: trial_name(task["task"], task["winner"]["params"]) for task in seen["tasks"]}


def trial_name(task: str, params: dict[str, Any]) -> str:
    return " ".join([task, *(f"{value:g}" for _, value in sorted(params.items()))])


def table(found: dict[str, tuple[dict[str, float], dict[str, str]]]) -> str:
    """Show the scores side by side, a star beside winners."""
    trials = sorted(found["laptop"][0])
    lines = ["", "  " + "  ".join(["trial".ljust(16), *PLACES.values()])]
    for trial in trials:
        cells = [
            (f"{scores[trial]:.6f}" + ("*" if trial in winners.values() else "")).ljust(len(PLACES[name]))
            for name, (scores, winners) in found.items()
        ]
        lines.append("  " + "  ".join([trial.ljust(16), *cells]))
    return "\n".join(lines)
