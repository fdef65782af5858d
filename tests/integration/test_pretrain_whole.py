"""Pre-training through ``jobs/pretrain_bert.py``: on two workers, recorded, resumed after a kill, and of use."""

from __future__ import annotations

import math
import re
import subprocess
from pathlib import Path

import pytest

from gluetune.config import ModelConfig
from gluetune.events import JournalReader
from gluetune.models import load_encoder
from gluetune.storage import Storage
from searches import ROOT, command, environment_of_cluster, kill, run_here, wait_for_journal

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


@pytest.fixture(scope="module")
def printed(runs: Path) -> str:
    return run_here(*SMALL, "--storage-path", runs, "--name", "whole", script=SCRIPT)


def evaluations(folder: Path) -> list[tuple[float, ...]]:
    trial = JournalReader(Storage(str(folder))).trials[0]
    return [(float(evaluation.step), *evaluation.metrics.values()) for evaluation in trial.pretraining]


def test_losses_and_speed_are_printed_at_every_evaluation(printed: str) -> None:
    steps = re.findall(
        r"^step (\d+)/90 · training MLM [\d.]+, NSP [\d.]+ · held-out MLM .* sentence pairs/s", printed, re.MULTILINE
    )
    assert steps == ["15", "30", "45", "60", "75", "90"]


def test_the_held_out_loss_falls_well_below_guessing(printed: str, runs: Path) -> None:
    _, masked_lm_loss, *_ = evaluations(runs / "whole")[-1]
    assert masked_lm_loss < 0.75 * math.log(1000)


def test_the_published_figures_stand_beside(printed: str) -> None:
    assert re.search(r"train.masked_lm_loss +[\d,]+ +5\.7150 +[\d.]+", printed)


def test_the_metrics_are_in_mlflow(printed: str, runs: Path) -> None:
    from mlflow.tracking import MlflowClient

    client = MlflowClient(f"sqlite:///{runs}/mlflow.db")
    (experiment,) = [e for e in client.search_experiments() if e.name == "bert_wikitext_d2l"]
    trials = client.search_runs([experiment.experiment_id], "tags.`gluetune.level` = 'trial'")
    (found,) = [trial for trial in trials if trial.data.tags["gluetune.search"] == "whole"]
    history = {m.step: m.value for m in client.get_metric_history(found.info.run_id, "masked_lm_loss")}
    assert history == pytest.approx({int(step): loss for step, loss, *_ in evaluations(runs / "whole")})
    assert found.data.params["hidden_size"] == "128"


def test_the_result_is_a_plain_folder_to_fine_tune(printed: str, runs: Path) -> None:
    from transformers import AutoTokenizer, BertForPreTraining

    encoder = runs / "whole" / "encoder"
    _, missing = BertForPreTraining.from_pretrained(encoder, output_loading_info=True)  # type: ignore[misc]
    assert not missing["missing_keys"]
    assert len(AutoTokenizer.from_pretrained(encoder)) <= 1000
    assert "bert.pooler.dense.weight" in load_encoder(ModelConfig(name_or_path=str(encoder))).weights


def test_a_killed_run_goes_on_to_the_same_numbers(printed: str, runs: Path) -> None:
    driver = subprocess.Popen(
        command(*SMALL, "--storage-path", runs, "--name", "killed", script=SCRIPT),
        cwd=ROOT,
        env=environment_of_cluster(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    wait_for_journal(driver, runs / "killed" / "journal" / "000000.jsonl")
    kill(driver)
    assert len(evaluations(runs / "killed")) < 6
    said = run_here("--resume", "killed", "--storage-path", runs, script=SCRIPT)
    assert "step 90/90" in said
    assert evaluations(runs / "killed") == evaluations(runs / "whole")
    assert (runs / "killed" / "encoder" / "model.safetensors").exists()


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
