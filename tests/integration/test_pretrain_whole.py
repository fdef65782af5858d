"""Pre-training through ``jobs/pretrain_bert.py``: on two workers, killed and resumed, recorded, and of use."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import NamedTuple

import pytest

from gluetune.config import ModelConfig
from gluetune.events import PRETRAINING_FILE, JournalReader, PretrainingEvaluation
from gluetune.models import load_encoder
from gluetune.pretraining import load_pretrain_job, prepare_job, train_encoder
from gluetune.storage import Storage
from gluetune.training import Checkpoints, DistributedContext
from searches import ROOT, run_here, run_killed
from two_workers import TwoWorkers

pytestmark = [pytest.mark.ray, pytest.mark.slow]

SMALL = (
    "--config",
    str(ROOT / "jobs" / "bert_wikitext_d2l.yaml"),
    "--text",
    "synthetic",
    "--vocab-size",
    "1000",
    "--max-documents",
    "400",
    "--batch-size",
    "32",
    "--max-steps",
    "90",
    "--evaluate-every",
    "15",
    "--workers-per-lane",
    "2",
    "--set",
    "text.validation_split=null",
)
SCRIPT = "pretrain_bert.py"


@pytest.fixture(scope="module")
def runs(ray_cluster: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of all runs, which train on the cluster that this process is connected to."""
    return tmp_path_factory.mktemp("runs")


def evaluations(folder: Path) -> list[tuple[float, ...]]:
    trial = JournalReader(Storage(str(folder))).trials[0]
    return [figures(evaluation) for evaluation in trial.pretraining]


def figures(evaluation: PretrainingEvaluation) -> tuple[float, ...]:
    return (float(evaluation.step), *evaluation.metrics.values())


class Resumed(NamedTuple):
    """The one run of these tests: killed after its first evaluation, and resumed.

    Attributes:
        before: its evaluations when it was killed.
        printed: what the resume printed.
    """

    before: list[tuple[float, ...]]
    printed: str


@pytest.fixture(scope="module")
def resumed(runs: Path) -> Resumed:
    journal = runs / "killed" / "journal" / "000000.jsonl"
    run_killed(*SMALL, "--storage-path", runs, "--name", "killed", journal=journal, script=SCRIPT)
    before = evaluations(runs / "killed")
    return Resumed(before, run_here("--resume", "killed", "--storage-path", runs, script=SCRIPT))


def test_losses_and_speed_are_printed_at_every_evaluation(resumed: Resumed) -> None:
    steps = re.findall(
        r"^step (\d+)/90 · training MLM [\d.]+, NSP [\d.]+ · held-out MLM .* sentence pairs/s",
        resumed.printed,
        re.MULTILINE,
    )
    assert steps == ["15", "30", "45", "60", "75", "90"][len(resumed.before) :]


def undisturbed(distributed: DistributedContext, job_file: str, folder: Path) -> list[tuple[float, ...]]:
    """Pre-train a job without a command, Ray or a kill; its evaluations."""
    job = load_pretrain_job(job_file)
    found: list[tuple[float, ...]] = []

    def report(evaluation: PretrainingEvaluation) -> bool:
        found.append(figures(evaluation))
        return True

    checkpoints = Checkpoints(Storage(str(folder)), "run")
    train_encoder(prepare_job(job)[0], job, report=report, checkpoints=checkpoints, distributed=distributed)
    return found


def test_a_killed_run_goes_on_to_the_numbers_of_an_undisturbed_one(
    resumed: Resumed, runs: Path, two_workers: TwoWorkers, tmp_path: Path
) -> None:
    assert 0 < len(resumed.before) < 6
    expected, _ = two_workers.run(undisturbed, str(runs / "killed" / PRETRAINING_FILE), tmp_path)
    assert evaluations(runs / "killed") == expected
    assert (runs / "killed" / "encoder" / "model.safetensors").exists()


def test_the_held_out_loss_falls_well_below_guessing(resumed: Resumed, runs: Path) -> None:
    _, masked_lm_loss, *_ = evaluations(runs / "killed")[-1]
    assert masked_lm_loss < 0.75 * math.log(1000)


def test_the_published_figures_stand_beside(resumed: Resumed) -> None:
    assert re.search(r"train.masked_lm_loss +[\d,]+ +5\.7150 +[\d.]+", resumed.printed)


def test_the_metrics_are_in_mlflow(resumed: Resumed, runs: Path) -> None:
    from mlflow.tracking import MlflowClient

    client = MlflowClient(f"sqlite:///{runs}/mlflow.db")
    (experiment,) = [e for e in client.search_experiments() if e.name == "bert_wikitext_d2l"]
    trials = client.search_runs([experiment.experiment_id], "tags.`gluetune.level` = 'trial'")
    (found,) = [trial for trial in trials if trial.data.tags["gluetune.search"] == "killed"]
    history = {m.step: m.value for m in client.get_metric_history(found.info.run_id, "masked_lm_loss")}
    assert history == pytest.approx({int(step): loss for step, loss, *_ in evaluations(runs / "killed")})
    assert found.data.params["hidden_size"] == "128"


def test_the_result_is_a_plain_folder_to_fine_tune(resumed: Resumed, runs: Path) -> None:
    from transformers import AutoTokenizer, BertForPreTraining

    encoder = runs / "killed" / "encoder"
    _, missing = BertForPreTraining.from_pretrained(encoder, output_loading_info=True)  # type: ignore[misc]
    assert not missing["missing_keys"]
    assert len(AutoTokenizer.from_pretrained(encoder)) <= 1000
    assert "bert.pooler.dense.weight" in load_encoder(ModelConfig(name_or_path=str(encoder))).weights


def test_a_mistake_is_one_message_and_starts_nothing(tmp_path: Path) -> None:
    said = run_here(
        "--config",
        ROOT / "jobs" / "bert_wikitext_d2l.yaml",
        "--text",
        "files",
        "--text-path",
        tmp_path / "wiki.txt",
        "--storage-path",
        tmp_path,
        code=2,
        script=SCRIPT,
    )
    assert "wiki.txt" in said
    assert "Traceback" not in said
