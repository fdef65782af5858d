"""Searches with a budget and a stopping rule on a real cluster: where they end, killed and resumed."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from gluetune.events import Evaluated, JournalReader, SessionStarted, TaskEnded, TrialStarted
from gluetune.storage import Storage
from searches import run_here, run_killed, summary

pytestmark = [pytest.mark.ray, pytest.mark.slow]

SPACE = """
space:
  learning_rate: {type: float, low: 1.0e-4, high: 1.0e-3}
training:
  num_train_epochs: 2
"""
JOB = """
tasks: {cola: 3, mrpc: 1}
seed: 7
data: {source: synthetic, max_train_samples: 200, max_eval_samples: 100}
search: {space: SPACE, algorithm: random}
"""


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("job")
    (folder / "rates.yaml").write_text(SPACE)
    file = folder / "job.yaml"
    file.write_text(JOB.replace("SPACE", str(folder / "rates.yaml")))
    return file


def total(costs: dict[str, Any]) -> float:
    return sum(costs[name] for name in ("training", "evaluation", "idle", "start", "lost"))


def test_a_killed_search_resumes_to_the_end_of_one_task_and_of_its_budget(
    ray_cluster: None, job: Path, tmp_path: Path
) -> None:
    """Any gain is below 10, so that a task ends after the four trials that an estimate needs: CoLA's come first."""
    rule = "search.stop_when={expected_gain_below: 10, patience: 1, min_trials: 4}"
    flags = (
        "--config",
        job,
        "--name",
        "ends",
        "--storage-path",
        tmp_path,
        "--set",
        rule,
        "--set",
        "lanes.cost_per_hour=2",
    )
    first = ("--budget-trials", "7", "--max-concurrent-trials", "1")
    run_killed(*flags, *first, journal=tmp_path / "ends" / "journal" / "000000.jsonl")
    printed = run_here("--resume", "ends", "--storage-path", tmp_path)

    journal = JournalReader(Storage(str(tmp_path / "ends")))
    assert [event.task for event in journal.history if isinstance(event, TaskEnded)] == ["cola"]
    started = Counter(event.task for event in journal.events if isinstance(event, TrialStarted))
    assert started == {"cola": 4, "mrpc": 3}
    written = summary(tmp_path / "ends")
    assert (written["status"], written["sessions"]) == ("complete", 2)
    assert written["budget"]["trials"] == {"limit": 7, "spent": 7}
    cola, mrpc = written["tasks"]
    assert (cola["ended_early"]["trials"], mrpc["ended_early"]) == (4, None)
    assert "no further trials after 4" in printed
    costs = written["costs"]
    assert total(costs["lane_seconds"]) == pytest.approx(written["held_seconds"]), "of one lane"
    assert costs["cost"] == pytest.approx(2 * total(costs["cpu_seconds"]) / 3600)
    assert costs["lane_seconds"]["training"] == pytest.approx(
        sum(trial["costs"]["lane_seconds"]["training"] for trial in written["trials"])
    )


def test_a_search_ends_within_an_evaluation_of_its_budget_and_a_larger_one_continues_it(
    ray_cluster: None, job: Path, tmp_path: Path
) -> None:
    seconds = 8.0
    flags = ("--config", job, "--name", "spent", "--storage-path", tmp_path)
    printed = run_here(*flags, "--budget-seconds", str(seconds))
    assert "out of budget" in printed

    journal = JournalReader(Storage(str(tmp_path / "spent")))
    (session,) = [event for event in journal.history if isinstance(event, SessionStarted)]
    limit = session.held_since + seconds
    late = Counter(event.number for event in journal.events if isinstance(event, Evaluated) and event.time > limit)
    assert all(count == 1 for count in late.values()), "evaluations after the budget was spent"
    assert not [event for event in journal.events if isinstance(event, TrialStarted) and event.time > limit]
    written = summary(tmp_path / "spent")
    assert written["status"] == "out_of_budget"
    assert written["budget"]["seconds"]["spent"] >= seconds

    before = len(journal.trials)
    run_here(
        "--resume", "spent", "--storage-path", tmp_path, "--budget-seconds", "10000", "--budget-trials", str(before + 2)
    )
    again = summary(tmp_path / "spent")
    assert (again["status"], again["sessions"], len(again["trials"])) == ("complete", 2, before + 2)
    assert {trial["status"] for trial in again["trials"]} == {"finished"}
    assert again["held_seconds"] > written["held_seconds"]
