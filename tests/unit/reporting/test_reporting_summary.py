"""``summary.json``: strict JSON that says everything, and documentation that cannot go stale."""

from __future__ import annotations

import io
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from gluetune.events import Event
from gluetune.reporting import Summary, print_results, summarise, write_summary
from gluetune.reporting.schema import TaskSummary, WinnerSummary
from gluetune.storage import Storage
from gluetune.tracking import Registration
from sample_search import BEGIN, COLA, ended, evaluated, events, folded, plan, started

DOCS = Path(__file__).parents[3] / "docs"
PAGE = DOCS / "reference" / "summary.md"


def refuse(constant: str) -> None:
    raise AssertionError(f"{constant} is no JSON")


@pytest.fixture
def written(tmp_path: Path) -> dict[str, Any]:
    summary = summarise(
        plan(),
        folded(events()).values(),
        status="complete",
        session_started=BEGIN,
        now=BEGIN + 600,
        models={"cola": Registration("models:/gluetune-cola@champion", True, "version 1, champion")},
    )
    file = write_summary(Storage(str(tmp_path)), summary)
    content: dict[str, Any] = json.loads(Path(file).read_text(), parse_constant=refuse)
    return content


def test_winners(written: dict[str, Any]) -> None:
    winner = written["tasks"][0]["winner"]
    assert winner == {
        "trial": 0,
        "name": "cola-0000",
        "score": 0.5,
        "params": {"learning_rate": 1e-4, "batch_size": 16},
        "epochs": 3.0,
        "best_epoch": 2.0,
        "seconds": 27.0,
        "dev_scores": {"validation": {"matthews_correlation": 0.45}},
        "folder": "runs/small/winners/cola",
        "model_uri": "models:/gluetune-cola@champion",
        "champion": True,
        "registration": "version 1, champion",
        "precision": None,
        "fold_scores": [],
        "score_deviation": None,
        "refit_rows": None,
        "refit_epochs": None,
        "members": None,
        "selection_scores": {"matthews_correlation": 0.5},
        "thresholds": {},
        "untuned_dev_scores": {},
        "tuned_selection_scores": {},
        "classes": {},
    }
    assert written["tasks"][1]["winner"]["model_uri"] is None
    assert written["tasks"][0]["trials"] == {"finished": 1, "pruned": 1}


def winner_after(journal: list[Event]) -> WinnerSummary | None:
    """CoLA's winner when these events come after the sample's."""
    trials = folded([*events(), *journal]).values()
    models = {"cola": Registration("models:/gluetune-cola@champion", True, "version 1, champion")}
    summary = summarise(plan(), trials, status="interrupted", session_started=BEGIN, now=BEGIN, models=models)
    return summary.tasks[0].winner


def test_a_running_trial_is_no_winner() -> None:
    winner = winner_after([started(4, "cola"), evaluated(4, 1, 0.9)])
    assert winner is not None
    assert (winner.trial, winner.score, winner.folder) == (0, 0.5, "runs/small/winners/cola")


def test_a_stopped_trial_wins_by_its_best_evaluation_but_not_with_anothers_scores_and_model() -> None:
    winner = winner_after([started(4, "cola"), evaluated(4, 1, 0.9), ended(4, "stopped")])
    assert winner is not None
    assert (winner.trial, winner.score) == (4, 0.9)
    assert (winner.dev_scores, winner.folder, winner.model_uri) == ({}, None, None)


def test_every_trial_with_its_evaluations(written: dict[str, Any]) -> None:
    assert [trial["name"] for trial in written["trials"]] == ["cola-0000", "mnli-0001", "cola-0002", "mnli-0003"]
    first = written["trials"][0]
    assert [e["score"] for e in first["evaluations"]] == [0.3, 0.5, 0.4]
    assert (first["best_score"], first["best_epoch"], first["seconds"], first["seed"]) == (0.5, 2.0, 27.0, 100)
    assert first["training"]["warmup_ratio"] == 0.1
    assert first["ended"] - first["started"] == 60


def test_numbers_that_are_not_finite_are_null(written: dict[str, Any]) -> None:
    diverged = written["trials"][3]
    assert (diverged["status"], diverged["message"]) == ("diverged", "loss is not a finite number")
    assert diverged["best_score"] is None
    evaluation = diverged["evaluations"][0]
    assert (evaluation["score"], evaluation["metrics"], evaluation["eval_loss"]) == (None, {"accuracy": None}, None)


def test_lane_figures(written: dict[str, Any]) -> None:
    use = written["lane_use"]
    assert (use["busy_seconds"], use["wall_seconds"], use["utilisation"]) == (63.0, 600.0, pytest.approx(63 / 1200))
    assert (use["median_gap_seconds"], use["gaps"]) == (pytest.approx(0.06), 2)


def test_lane_figures_are_of_this_session() -> None:
    trials = folded(events()).values()
    summary = summarise(plan(), trials, status="interrupted", session_started=BEGIN + 200, now=BEGIN + 300)
    assert summary.lane_use.busy_seconds == 18.0
    assert summary.lane_use.wall_seconds == 100.0


def test_the_time_of_a_confirmation_is_no_idle_time_of_the_search() -> None:
    summary = summarise(
        plan(),
        folded(events()).values(),
        status="complete",
        session_started=BEGIN,
        now=BEGIN + 2000,
        confirmation_history=[started(10, "cola"), ended(10)],
    )
    assert summary.lane_use.wall_seconds == 1000.0


def test_it_reads_back(written: dict[str, Any]) -> None:
    assert json.loads(Summary.model_validate(written).model_dump_json()) == written


def test_the_page_names_every_key_of_a_real_file(written: dict[str, Any]) -> None:
    documented = set(re.findall(r"^\| `(\w+)` \|", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE))
    parts = [
        written,
        written["lane_use"],
        written["tasks"][0],
        written["tasks"][0]["winner"],
        written["trials"][0],
        written["trials"][0]["evaluations"][0],
    ]
    assert {key for part in parts for key in part} <= documented


def many_trials(number: int) -> list[Event]:
    """A search of CoLA whose trials have ended; every fourth one diverged before its first evaluation."""
    made: list[Event] = []
    for trial in range(number):
        made.append(started(trial, "cola"))
        if trial % 4 == 3:
            made.append(ended(trial, "diverged", "loss is not a finite number"))
        else:
            made += [evaluated(trial, 1, 0.3 + (trial * 7 % 11) / 100), ended(trial)]
    return made


def summarised(number: int, configurations: int | None = None) -> TaskSummary:
    """The summary of CoLA after some trials."""
    task = replace(COLA, planned=number, configurations=configurations)
    trials = folded(many_trials(number)).values()
    made = summarise(plan(tasks=(task,)), trials, status="complete", session_started=BEGIN, now=BEGIN + 9000)
    return made.tasks[0]


def test_what_further_trials_gain_is_known_from_ten_evaluated_trials() -> None:
    assert summarised(12).expected_best == []
    assert summarised(12).further_trials is None
    task = summarised(14)
    curve = task.expected_best
    assert [point.trials for point in curve] == list(range(1, 15))
    assert task.winner is not None
    assert curve[-1].score == pytest.approx(task.winner.score)
    assert curve[0].score < curve[5].score <= curve[-1].score
    assert curve[-1].seconds == pytest.approx(task.seconds)
    assert task.further_trials is not None
    assert task.further_trials.trials == 10
    assert 0 < task.further_trials.gain < 0.1


def test_no_further_trials_are_expected_of_a_space_that_is_covered() -> None:
    assert summarised(14, configurations=14).further_trials is None
    left = summarised(14, configurations=17).further_trials
    assert left is not None
    assert left.trials == 3


def test_the_last_lines_say_what_further_trials_would_gain() -> None:
    out = Console(file=io.StringIO(), width=120)
    task = replace(COLA, planned=14)
    trials = folded(many_trials(14)).values()
    made = summarise(plan(tasks=(task,)), trials, status="complete", session_started=BEGIN, now=BEGIN + 9000)
    print_results(made, out)
    further = made.tasks[0].further_trials
    assert further is not None
    (line,) = [line for line in out.file.getvalue().splitlines() if "further" in line]
    assert line.startswith("CoLA: 10 further trials")
    assert f"{further.gain:.4f} MCC" in line
