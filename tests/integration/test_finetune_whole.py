"""One configuration through ``jobs/finetune.py``: trained, scored again, asked for predictions; and after a kill."""

from __future__ import annotations

import csv
import json
import re
import subprocess
from pathlib import Path

import pytest

from gluetune import load
from gluetune.cli.evaluate import evaluate_main
from searches import ROOT, command, environment_of_cluster, kill, run_here, summary, wait_for_journal

pytestmark = [pytest.mark.ray, pytest.mark.slow]

SYNTHETIC = ("--data", "synthetic", "--model-name-or-path", "synthetic")
SETTINGS = (*SYNTHETIC, "--learning-rate", "3e-4", "--num-train-epochs", "3", "--logging-steps", "10")


def run(job: str, *arguments: str | Path, code: int = 0) -> str:
    return run_here("--config", ROOT / "jobs" / job, *arguments, script="finetune.py", code=code)


def figure(printed: str, name: str) -> list[str]:
    """The cells of a figure's row."""
    line = next(line for line in printed.splitlines() if line.strip().startswith(name + " "))
    return re.split(r"\s{2,}", line.strip())[1:]


@pytest.fixture(scope="module")
def runs(ray_cluster: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of all runs, which train on the cluster that this process is connected to."""
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(scope="module")
def trained(runs: Path) -> str:
    return run("cola_tutorial.yaml", *SETTINGS, "--storage-path", runs, "--name", "cola")


def test_running_figures_come_every_logging_steps_and_a_line_per_epoch(trained: str) -> None:
    steps = [int(step) for step in re.findall(r"^epoch [\d.]+ · step (\d+) · loss", trained, re.MULTILINE)]
    assert steps == list(range(10, 172, 10))  # 57 steps an epoch
    assert re.findall(
        r"^epoch (\d): training loss [\d.]+, accuracy [\d.]+, .*MCC .* elapsed",
        trained,
        re.MULTILINE,
    ) == ["1", "2", "3"]


def test_the_published_figures_stand_beside_the_measured_ones(trained: str, runs: Path) -> None:
    winner = summary(runs / "cola")["tasks"][0]["winner"]
    measured = winner["dev_scores"]["validation"]["matthews_correlation"]
    assert figure(trained, "validation.matthews_correlation") == ["500", "0.5290", f"{measured:.4f}"]
    assert measured > 0.1
    assert "https://mccormickml.com" in trained


def test_the_correlation_is_printed_for_each_batch_of_the_evaluation(trained: str) -> None:
    (line,) = re.findall(r"matthews_correlation of each 32 rows: (.*)", trained)
    assert len(line.split()) == 16  # 500 rows


def test_the_learning_curve_is_kept_as_a_picture(trained: str, runs: Path) -> None:
    (path,) = re.findall(r"CoLA curve\s+(\S+)", trained)
    assert Path(path).read_bytes().startswith(b"\x89PNG")


def test_eval_scores_the_saved_model_as_training_did(trained: str, runs: Path) -> None:
    said = run("cola_tutorial.yaml", "--data", "synthetic", "--storage-path", runs, "--name", "cola", "--mode", "eval")
    name = "validation.matthews_correlation"
    assert figure(said, name) == figure(trained, name)
    report = json.loads((runs / "cola" / "report" / "cola_evaluation.json").read_text())
    assert f"{report['figures'][name]:.4f}" == figure(trained, name)[-1]


def test_a_labelled_file_is_scored_as_in_python(trained: str, runs: Path, tmp_path: Path) -> None:
    rows, found = tmp_path / "rows.csv", tmp_path / "found.json"
    rows.write_text('sentence,label\n"The baker sees, the table .",acceptable\nTable the sees baker .,unacceptable\n')
    assert evaluate_main([str(runs / "cola"), "--input", str(rows), "--output", str(found)]) == 0
    expected = load(runs / "cola").evaluate(rows)
    kept = json.loads(found.read_text())["splits"]["input"]
    assert kept["metrics"] == pytest.approx(expected.metrics)
    assert kept["classes"]["support"] == {"unacceptable": 1, "acceptable": 1}
    report = json.loads((runs / "cola" / "report" / "cola_evaluation.json").read_text())
    assert set(report["rows"]) == {"validation"}, "a file of the user's leaves the run's record as it is"


def test_predict_answers_a_file_row_by_row(trained: str, runs: Path, tmp_path: Path) -> None:
    rows, answers = tmp_path / "rows.csv", tmp_path / "answers.csv"
    rows.write_text('number,sentence\n7,"The baker sees the table ."\n8,"Table the sees\nbaker ."\n')
    run(
        "cola_tutorial.yaml",
        "--data",
        "synthetic",
        "--storage-path",
        runs,
        "--name",
        "cola",
        "--mode",
        "predict",
        "--input",
        rows,
        "--output",
        answers,
    )
    header, *lines = csv.reader(answers.open(newline=""))
    assert header[:3] == ["index", "label", "probability"]
    assert [line[0] for line in lines] == ["0", "1"]
    assert all(line[1] in ("acceptable", "unacceptable") for line in lines)
    assert all(0.5 <= float(line[2]) <= 1 for line in lines)


def test_a_head_of_our_own_and_the_labelled_test_split(runs: Path) -> None:
    printed = run(
        "snli_d2l.yaml",
        *SYNTHETIC,
        "--storage-path",
        runs,
        "--name",
        "snli",
        "--batch-size",
        "64",
        "--num-train-epochs",
        "1",
    )
    assert figure(printed, "test.accuracy")[:2] == ["300", "0.5940"]
    assert figure(printed, "train.accuracy")[1] == "0.5980"
    assert float(figure(printed, "train.examples_per_second")[-1].replace(",", "")) > 0
    config = json.loads((runs / "snli" / "winners" / "snli" / "config.json").read_text())
    assert "auto_map" in config


def test_training_alone_scores_no_official_rows_but_saves_the_model(runs: Path) -> None:
    printed = run(
        "sst2_base.yaml",
        *SYNTHETIC,
        "--storage-path",
        runs,
        "--name",
        "sst2",
        "--max-steps",
        "30",
        "--mode",
        "train",
        "--set",
        "training.warmup_steps=3",
    )
    assert "train_input.batch_size" in printed  # what the file's own sections mean here
    assert figure(printed, "validation.accuracy")[-1] == "–"
    assert (runs / "sst2" / "winners" / "sst2" / "model.safetensors").exists()
    assert summary(runs / "sst2")["trials"][0]["training"]["batch_size"] == 12


def test_a_run_that_diverges_fails_and_says_why(runs: Path) -> None:
    printed = run(
        "cola_tutorial.yaml", *SYNTHETIC, "--storage-path", runs, "--name", "wild", "--learning-rate", "1e30", code=1
    )
    assert "cola-0000 diverged: the training loss must be finite" in printed
    assert figure(printed, "validation.matthews_correlation") == ["500", "0.5290", "–"]


def test_a_killed_run_goes_on_to_the_same_numbers(trained: str, runs: Path) -> None:
    driver = subprocess.Popen(
        command(
            "--config",
            ROOT / "jobs" / "cola_tutorial.yaml",
            *SETTINGS,
            "--storage-path",
            runs,
            "--name",
            "killed",
            script="finetune.py",
        ),
        cwd=ROOT,
        env=environment_of_cluster(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    journal = runs / "killed" / "journal" / "000000.jsonl"
    wait_for_journal(driver, journal)
    kill(driver)
    assert b'"ended"' not in journal.read_bytes()
    run_here("--resume", "killed", "--storage-path", runs, script="finetune.py")
    kept = [
        [(e["step"], e["score"], e["train_loss"]) for e in summary(runs / name)["trials"][0]["evaluations"]]
        for name in ("cola", "killed")
    ]
    assert kept[0] == kept[1]
