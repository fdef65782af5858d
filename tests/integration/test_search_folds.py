"""A search by cross-validation through the command line: folds, refit, prediction, and its resume after a kill."""

from __future__ import annotations

import csv
import json
import shutil
import subprocess
from pathlib import Path
from statistics import fmean

import pytest

import gluetune
from searches import (
    ROOT,
    WORKER,
    command,
    environment_of_cluster,
    kill,
    processes,
    run_here,
    summary,
    trials,
    wait_for_journal,
    winners,
)

pytestmark = [pytest.mark.ray, pytest.mark.slow]

FOLDS = 3
JOB = """
tasks: [cola]
seed: 7
data: {max_train_samples: 300, selection: kfold, folds: 3}
search: {space: SPACE, algorithm: grid}
"""
SPACE = """
space:
  learning_rate: [3.0e-4, 1.0e-4]
training:
  num_train_epochs: 2
  batch_size: 16
"""


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("job")
    (folder / "tiny.yaml").write_text(SPACE)
    (folder / "job.yaml").write_text(JOB.replace("SPACE", str(folder / "tiny.yaml")))
    return folder / "job.yaml"


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(scope="module")
def printed(ray_cluster: None, job: Path, runs: Path) -> str:
    """What the undisturbed search printed; one lane, so that each trial is compared with the same ones."""
    return run_here("--config", job, "--name", "whole", "--storage-path", runs, "--max-concurrent-trials", "1")


def test_the_score_is_the_mean_over_folds_and_the_winner_is_trained_on_all_rows(printed: str, runs: Path) -> None:
    task = summary(runs / "whole")["tasks"][0]
    winner = task["winner"]
    assert (task["folds"], task["train_rows"], task["selection_rows"]) == (FOLDS, 300, 300)
    assert len(winner["fold_scores"]) == FOLDS
    assert winner["score"] == pytest.approx(fmean(winner["fold_scores"]))
    assert (winner["refit_rows"], winner["refit_epochs"]) == (300, winner["best_epoch"])
    assert winner["dev_scores"]["validation"].keys() == winner["selection_scores"].keys()
    assert f"{winner['score']:.4f} ± {winner['score_deviation']:.4f}" in printed
    assert f"{FOLDS} folds" in printed


def test_every_fold_has_its_evaluations_in_the_journal(printed: str, runs: Path) -> None:
    lines = [json.loads(line) for line in (runs / "whole" / "journal" / "000000.jsonl").read_text().splitlines()]
    folds = [
        (line["fold"], line["epoch"]) for line in lines if line.get("event") == "evaluated" and line["number"] == 0
    ]
    assert folds == [(fold, epoch) for fold in (1, 2, 3) for epoch in (1.0, 2.0)]


def test_the_winner_predicts(printed: str, runs: Path, tmp_path: Path) -> None:
    texts, predicted = tmp_path / "texts.csv", tmp_path / "predicted.csv"
    texts.write_text("sentence\nThe cat sat.\nSat cat the.\n")
    folder = summary(runs / "whole")["tasks"][0]["winner"]["folder"]
    run_here(folder, "--input", texts, "--output", predicted, script="predict")
    assert len(list(csv.DictReader(predicted.open()))) == 2


def test_a_search_resumes_to_the_same_numbers_whose_worker_and_driver_were_killed_within_folds(
    printed: str, job: Path, runs: Path
) -> None:
    arguments = ("--config", job, "--name", "killed", "--storage-path", runs, "--max-concurrent-trials", "1")
    journal = runs / "killed" / "journal" / "000000.jsonl"
    driver = subprocess.Popen(
        command(*arguments), cwd=ROOT, env=environment_of_cluster(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    wait_for_journal(driver, journal, line='"fold":2')
    for worker in processes(WORKER):
        worker.kill()
    wait_for_journal(driver, journal, line='"fold":3')
    kill(driver)
    run_here("--resume", "killed", "--storage-path", runs)
    assert trials(runs / "killed") == trials(runs / "whole")
    assert winners(runs / "killed") == winners(runs / "whole")


def test_a_search_that_ended_before_its_final_model_was_trained_resumes_to_the_same_model(
    printed: str, runs: Path
) -> None:
    """The folder is as a driver leaves it that is killed when the last trial has ended."""
    run, whole = runs / "unfinished", runs / "whole"
    shutil.copytree(whole, run)
    journal = run / "journal" / "000000.jsonl"
    lines = journal.read_text().splitlines(keepends=True)
    ends = [number for number, line in enumerate(lines) if json.loads(line).get("event") == "ended"]
    journal.write_text("".join(lines[: ends[-1] + 1]))
    shutil.rmtree(run / "winners")
    (run / "summary.json").unlink()
    job = run / "job.yaml"
    job.write_text(job.read_text().replace("name: whole", "name: unfinished"))
    run_here("--resume", "unfinished", "--storage-path", runs)
    assert winners(run) == winners(whole)
    assert model_weights(run) == model_weights(whole)


def model_weights(run: Path) -> bytes:
    return (run / "winners" / "cola" / "model.safetensors").read_bytes()


def test_an_ensemble_is_saved_scored_and_loaded_as_one_model(ray_cluster: None, job: Path, runs: Path) -> None:
    settings = ("--final", "ensemble", "--num-samples", "1", "--max-concurrent-trials", "1")
    run_here("--config", job, "--name", "ensemble", "--storage-path", runs, *settings)
    winner = summary(runs / "ensemble")["tasks"][0]["winner"]
    assert (winner["members"], winner["refit_rows"]) == (FOLDS, None)
    assert winner["dev_scores"]["validation"]
    rows = gluetune.load(winner["folder"]).predict(["The cat sat.", "Sat cat the."])
    assert len(rows) == 2
