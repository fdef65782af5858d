"""One configuration through ``jobs/finetune.py``: killed and resumed, scored again, and asked for predictions."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import pytest

from gluetune import load
from gluetune.cli.evaluate import evaluate_main
from gluetune.config import SearchSpace, TrainingConfig, load_job
from gluetune.events import Evaluation, JournalReader
from gluetune.search.prepare import prepare_inputs
from gluetune.storage import Storage
from gluetune.training import Checkpoints, train_trial
from searches import ROOT, run_here, run_killed, summary

pytestmark = [pytest.mark.ray, pytest.mark.slow]

# Of one thread: two wait for each other where other processes use the cores too.
SYNTHETIC = ("--data", "synthetic", "--model-name-or-path", "synthetic", "--cpus-per-worker", "1")
ROWS = ("--max-train-samples", "960", "--max-eval-samples", "320")
TRAINING = ("--learning-rate", "1e-3", "--batch-size", "16", "--num-train-epochs", "3", "--logging-steps", "10")
STEPS_PER_EPOCH = 60


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
def killed(runs: Path) -> int:
    """The last epoch that was evaluated when the run of these tests was killed."""
    place = ("--storage-path", runs, "--name", "cola")
    journal = runs / "cola" / "journal" / "000000.jsonl"
    job = ("--config", ROOT / "jobs" / "cola_tutorial.yaml", *SYNTHETIC, *ROWS, *TRAINING)
    run_killed(*job, *place, journal=journal, script="finetune.py")
    return len(JournalReader(Storage(str(runs / "cola"))).trials[0].evaluations)


@pytest.fixture(scope="module")
def trained(killed: int, runs: Path) -> str:
    """What its resume printed."""
    return run_here("--resume", "cola", "--storage-path", runs, script="finetune.py")


def test_running_figures_come_every_logging_steps_and_a_line_per_epoch(trained: str, killed: int) -> None:
    steps = [int(step) for step in re.findall(r"^epoch [\d.]+ · step (\d+) · loss", trained, re.MULTILINE)]
    assert steps == list(range(STEPS_PER_EPOCH * killed + 10, STEPS_PER_EPOCH * 3 + 1, 10))
    assert (
        re.findall(
            r"^epoch (\d): training loss [\d.]+, accuracy [\d.]+, .*MCC .* elapsed",
            trained,
            re.MULTILINE,
        )
        == ["1", "2", "3"][killed:]
    )


def test_a_killed_run_goes_on_to_the_numbers_of_an_undisturbed_one(
    trained: str, killed: int, runs: Path, tmp_path: Path
) -> None:
    """The other one is trained in this process, without the command and a lane."""
    assert 1 <= killed <= 2
    job, trial = load_job(str(runs / "cola" / "job.yaml")), JournalReader(Storage(str(runs / "cola"))).trials[0]
    inputs = prepare_inputs(job, SearchSpace(name="none", space={}))
    expected: list[tuple[int, float, float]] = []

    def report(evaluation: Evaluation) -> bool:
        expected.append((evaluation.step, evaluation.score, evaluation.train_loss))
        return True

    data, training = inputs.data["cola"], TrainingConfig.model_validate(trial.training)
    checkpoints = Checkpoints(Storage(str(tmp_path)), "trial")
    train_trial(data.task, data, inputs.first.encoder, training, trial.seed, report=report, checkpoints=checkpoints)
    assert [(each.step, each.score, each.train_loss) for each in trial.evaluations] == expected


def test_the_published_figures_stand_beside_the_measured_ones(trained: str, runs: Path) -> None:
    winner = summary(runs / "cola")["tasks"][0]["winner"]
    measured = winner["dev_scores"]["validation"]["matthews_correlation"]
    assert figure(trained, "validation.matthews_correlation") == ["320", "0.5290", f"{measured:.4f}"]
    assert measured > 0.1
    assert "https://mccormickml.com" in trained


def test_the_correlation_is_printed_for_each_batch_of_the_evaluation(trained: str) -> None:
    (line,) = re.findall(r"matthews_correlation of each 32 rows: (.*)", trained)
    assert len(line.split()) == 10  # 320 rows


def test_the_learning_curve_is_kept_as_a_picture(trained: str, runs: Path) -> None:
    (path,) = re.findall(r"CoLA curve\s+(\S+)", trained)
    assert Path(path).read_bytes().startswith(b"\x89PNG")


@pytest.fixture(scope="module")
def evaluated(trained: str, runs: Path) -> str:
    """What an evaluation of the saved model printed."""
    where = ("--data", "synthetic", "--storage-path", runs, "--name", "cola", "--max-eval-samples", "320")
    return run("cola_tutorial.yaml", *where, "--mode", "eval")


def test_eval_scores_the_saved_model_as_training_did(trained: str, evaluated: str, runs: Path) -> None:
    name = "validation.matthews_correlation"
    assert figure(evaluated, name) == figure(trained, name)
    report = json.loads((runs / "cola" / "report" / "cola_evaluation.json").read_text())
    assert f"{report['figures'][name]:.4f}" == figure(trained, name)[-1]


def test_a_labelled_file_is_scored_as_in_python(evaluated: str, runs: Path, tmp_path: Path) -> None:
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
        "--max-train-samples",
        "320",
        "--max-eval-samples",
        "120",
    )
    assert re.search(r"^epoch 1: training loss [\d.]+, accuracy [\d.]+, .* elapsed", printed, re.MULTILINE)
    assert figure(printed, "test.accuracy")[:2] == ["120", "0.5940"]
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
        "10",
        "--max-eval-samples",
        "60",
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
