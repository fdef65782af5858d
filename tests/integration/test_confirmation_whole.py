"""A search that is confirmed with fresh seeds: at its end, after a kill in the middle, and by its own command."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

import gluetune
from gluetune.supervisor import INTERRUPTED
from searches import (
    CONFIRM,
    ROOT,
    WORKER,
    command,
    environment_of_cluster,
    kill,
    paused,
    processes,
    run_here,
    summary,
    trials,
    wait_for_journal,
    winners,
)

pytestmark = [pytest.mark.ray, pytest.mark.slow]
SPACE = """
space:
  learning_rate: [3.0e-4, 1.0e-4, 3.0e-5]
training:
  num_train_epochs: 1
points:
  - {learning_rate: 3.0e-5}
"""
JOB = """
tasks: [cola]
seed: 7
data: {max_train_samples: 200, max_eval_samples: 100}
search: {space: SPACE, algorithm: grid}
"""
CONFIRMED = ("--confirm-top", "2", "--confirm-seeds", "2")
JOURNAL = "confirmation/journal/000000.jsonl"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("confirmed")


@pytest.fixture(scope="module")
def job(folder: Path) -> Path:
    (folder / "tiny.yaml").write_text(SPACE)
    file = folder / "job.yaml"
    file.write_text(JOB.replace("SPACE", str(folder / "tiny.yaml")))
    return file


@pytest.fixture(scope="module")
def printed(ray_cluster: None, job: Path, folder: Path) -> str:
    """What the undisturbed search printed."""
    return run_here("--config", job, "--name", "whole", "--storage-path", folder, *CONFIRMED)


def confirmed(run: Path) -> list[Any]:
    """The numbers of a confirmation, which must be the same however often it was interrupted."""
    tasks = summary(run)["confirmation"]["tasks"]
    known = ("trial", "rank", "mean", "low", "high", "fresh_selection")
    of_seeds = ("name", "seed", "value", "selection")
    numbers: list[Any] = []
    for each in (each for task in tasks for each in task["configurations"]):
        numbers.append([each[key] for key in known])
        numbers += [[seed[key] for key in of_seeds] for seed in each["seeds"]]
    return numbers + [[test["difference"], test["p_value"]] for task in tasks for test in task["tests"]]


def test_fresh_seeds_train_the_best_and_the_default_and_change_nothing_in_the_search(
    printed: str, job: Path, folder: Path
) -> None:
    confirmation = summary(folder / "whole")["confirmation"]
    (task,) = confirmation["tasks"]
    assert confirmation["complete"]
    assert (task["split"], task["chose_nothing"]) == ("validation", True)
    assert [each["scored"] for each in task["configurations"]] == [2] * len(task["configurations"])
    assert any(each["default"] and each["params"] == {"learning_rate": 3e-5} for each in task["configurations"])
    seeds = [seed["seed"] for each in task["configurations"] for seed in each["seeds"]]
    assert len(seeds) == len(set(seeds))
    assert 7 not in seeds
    assert not (folder / "whole" / "confirmation" / "trials").exists() or not list(
        (folder / "whole" / "confirmation" / "trials").iterdir()
    )
    assert len(summary(folder / "whole")["trials"]) == 3
    assert f"{task['configurations'][0]['mean']:.4f} ± " in printed
    assert all(sentence in printed for sentence in confirmation["sentences"])


def test_a_search_that_has_ended_is_confirmed_by_a_command_with_the_same_numbers(
    printed: str, job: Path, folder: Path
) -> None:
    run_here("--config", job, "--name", "later", "--storage-path", folder)
    before, won = trials(folder / "later"), winners(folder / "later")
    assert summary(folder / "later")["confirmation"] is None
    shown = run_here("later", "--top", "2", "--seeds", "2", "--storage-path", folder, script=CONFIRM)
    assert confirmed(folder / "later") == confirmed(folder / "whole")
    assert (
        (trials(folder / "later"), winners(folder / "later"))
        == (before, won)
        == (
            trials(folder / "whole"),
            winners(folder / "whole"),
        )
    )
    assert summary(folder / "later")["confirmation"]["sentences"][0] in shown


def start(*arguments: str | Path) -> subprocess.Popen[bytes]:
    """Start a search on the cluster of this process."""
    return subprocess.Popen(
        command(*arguments),
        cwd=ROOT,
        env=environment_of_cluster(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


@pytest.mark.internals
def test_a_confirmation_that_is_killed_loses_a_lane_and_is_stopped_continues_to_the_same_numbers(
    printed: str, job: Path, folder: Path
) -> None:
    """Its driver is killed; the next session loses a lane, and is stopped by a request; a third one completes it."""
    journal = folder / "killed" / JOURNAL
    driver = start("--config", job, "--name", "killed", "--storage-path", folder, *CONFIRMED)
    wait_for_journal(driver, journal)
    with paused(WORKER):  # else more seeds may be scored before the kill
        kill(driver)
    before = len(journal.read_text().splitlines())
    driver = start("--resume", "killed", "--storage-path", folder)
    wait_for_journal(driver, journal, after=before)
    with paused(WORKER):  # else all seeds may be scored before the stop
        processes("ray::LaneActor")[0].kill()
        gluetune.stop("killed", storage_path=folder)
    assert driver.wait(600) == INTERRUPTED
    assert summary(folder / "killed")["status"] == "interrupted"
    assert not summary(folder / "killed")["confirmation"]["complete"]
    run_here("--resume", "killed", "--storage-path", folder)
    assert confirmed(folder / "killed") == confirmed(folder / "whole")
    assert trials(folder / "killed") == trials(folder / "whole")
    assert seeds_in_mlflow(folder, "killed") == seeds_in_mlflow(folder, "whole")


def seeds_in_mlflow(folder: Path, name: str) -> list[tuple[str, str, float]]:
    """Names, parents' names and scores of a search's runs of the level *seed*, sorted."""
    from mlflow.tracking import MlflowClient

    client = MlflowClient(f"sqlite:///{folder}/mlflow.db")
    experiments = [each.experiment_id for each in client.search_experiments()]
    query = f"tags.`gluetune.level` = 'seed' AND tags.`gluetune.search` = '{name}'"
    runs = client.search_runs(experiments, query)
    assert {run.info.status for run in runs} == {"FINISHED"}
    return sorted(
        (
            str(run.info.run_name),
            str(client.get_run(run.data.tags["mlflow.parentRunId"]).info.run_name),
            run.data.metrics["validation.matthews_correlation"],
        )
        for run in runs
    )
