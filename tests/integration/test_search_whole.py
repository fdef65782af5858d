"""One grid search by the command line: what it prints, writes and records, and its resume after kills and stops."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import time
from pathlib import Path

import psutil
import pytest

from gluetune.internals.guard import internals_off
from searches import (
    ROOT,
    WORKER,
    command,
    environment_of_cluster,
    paused,
    processes,
    run_here,
    summary,
    trials,
    wait_for_journal,
    winners,
    write_job,
)

pytestmark = [pytest.mark.ray, pytest.mark.slow]

LANE, TRAINABLE = "ray::LaneActor", "ray::LaneTrainable"
MOST_FINISHED = 4  # of the eight trials, where two kills are still to come


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_job(tmp_path_factory.mktemp("job"))


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(scope="module")
def printed(ray_cluster: None, job: Path, runs: Path) -> str:
    """What the undisturbed search printed."""
    return run_here("--config", job, "--name", "whole", "--storage-path", runs)


@pytest.mark.internals
def test_the_grid_is_covered_exactly_once_per_task(printed: str, runs: Path) -> None:
    configurations = [(t["task"], tuple(sorted(t["params"].items()))) for t in summary(runs / "whole")["trials"]]
    assert len(configurations) == len(set(configurations)) == 8
    assert {t["status"] for t in summary(runs / "whole")["trials"]} == {"finished"}


def test_each_trial_has_the_score_of_its_best_evaluation(printed: str, runs: Path) -> None:
    for trial in summary(runs / "whole")["trials"]:
        assert trial["best_score"] == max(e["score"] for e in trial["evaluations"])
        assert len(trial["evaluations"]) == 2


def test_lanes_are_started_once_and_reused(printed: str, runs: Path) -> None:
    """One lane may have trained all trials before the other one was up."""
    lanes = {e["lane"] for t in summary(runs / "whole")["trials"] for e in t["evaluations"]}
    assert 1 <= len(lanes) <= 2
    assert summary(runs / "whole")["lane_use"]["gaps"] == 8 - len(lanes)


def test_the_terminal_shows_the_plan_first_and_the_winners_last(printed: str, runs: Path) -> None:
    assert "generated" in printed.split("starting 2 lanes")[0]
    results = printed.rsplit("has been saved and scored on the validation rows", 1)[1]
    for task, winner in winners(runs / "whole").items():
        dev = next(iter(winner["dev_scores"].values()))
        assert f"{winner['score']:.4f}" in results, task
        assert any(f"{value:.4f}" in results for value in dev.values()), task
    assert f"gluetune ui --storage-path {runs}" in results
    assert "ray.log" in printed
    assert "Traceback" not in printed


def test_only_the_best_checkpoint_of_each_task_is_kept(printed: str, runs: Path) -> None:
    kept = sorted(path.name for path in (runs / "whole" / "trials").iterdir())
    assert kept == sorted(task["winner"]["name"] for task in summary(runs / "whole")["tasks"])
    assert not (runs / "whole" / "lanes").exists()


def test_a_winner_loads_as_a_transformers_folder(printed: str, runs: Path) -> None:
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    folder = runs / "whole" / "winners" / "cola"
    model = AutoModelForSequenceClassification.from_pretrained(folder)
    tokens = AutoTokenizer.from_pretrained(folder)("the dog sleeps .", return_tensors="pt")
    assert model(**tokens).logits.shape == (1, 2)
    assert model.config.id2label == {0: "unacceptable", 1: "acceptable"}
    settings = json.loads((folder / "gluetune.json").read_text())
    assert settings == {"max_seq_length": 128, "truncation": "longest_first", "task": "cola"}


def test_the_registered_winner_gives_the_recorded_dev_score_again_and_is_no_champion(printed: str, runs: Path) -> None:
    import mlflow
    import pandas as pd
    from sklearn.metrics import matthews_corrcoef

    from gluetune.config import DataConfig
    from gluetune.data import open_source
    from gluetune.tasks import TASKS

    mlflow.set_tracking_uri(f"sqlite:///{runs}/mlflow.db")
    winner = next(task["winner"] for task in summary(runs / "whole")["tasks"] if task["task"] == "cola")
    assert winner["champion"] is False
    assert "synthetic" in winner["registration"]
    code = printed[printed.index("import mlflow\n") :].splitlines()
    assert code[1] == f"mlflow.set_tracking_uri('sqlite:///{runs}/mlflow.db')"
    assert f"cola = mlflow.pyfunc.load_model('{winner['model_uri']}')  # {winner['registration']}" in code
    champion = mlflow.pyfunc.load_model(winner["model_uri"])
    task, rows = TASKS["cola"], open_source(DataConfig()).load(TASKS["cola"], "validation")
    recorded = winners(runs / "whole")["cola"]["dev_scores"]["validation"]["matthews_correlation"]
    predicted = champion.predict(pd.DataFrame(rows.columns))["label"].map(task.labels.index)
    assert matthews_corrcoef(rows.labels, predicted) == pytest.approx(recorded, abs=1e-6)


def test_the_report_is_named_last_and_is_in_mlflow(printed: str, runs: Path) -> None:
    from mlflow.tracking import MlflowClient

    report = runs / "whole" / "report" / "index.html"
    assert "".join(printed.rstrip().splitlines()[-1:]).endswith(str(report))
    assert 'class="state complete"' in report.read_text()
    client = MlflowClient(f"sqlite:///{runs}/mlflow.db")
    experiments = [each.experiment_id for each in client.search_experiments()]
    for level, number in (("search", 1), ("task", 2)):
        query = f"tags.`gluetune.search` = 'whole' AND tags.`gluetune.level` = '{level}'"
        found = client.search_runs(experiments, query)
        assert len(found) == number
        for each in found:
            assert "report.html" in {file.path for file in client.list_artifacts(each.info.run_id)}


def test_optuna_reads_the_trials_of_each_task(printed: str, runs: Path) -> None:
    import optuna
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    storage = JournalStorage(JournalFileBackend(str(runs / "whole" / "optuna.log")))
    for task in summary(runs / "whole")["tasks"]:
        study = optuna.load_study(study_name=task["task"], storage=storage)
        own = [trial for trial in summary(runs / "whole")["trials"] if trial["task"] == task["task"]]
        assert [trial.params for trial in study.get_trials()] == [trial["params"] for trial in own]
        assert study.best_trial.user_attrs["trial"] == task["winner"]["name"]


def test_a_folder_in_use_is_not_overwritten(printed: str, job: Path, runs: Path) -> None:
    before = (runs / "whole" / "summary.json").read_text()
    said = run_here("--config", job, "--name", "whole", "--storage-path", runs, code=2)
    assert "must be empty" in said
    assert "--resume whole" in said
    assert (runs / "whole" / "summary.json").read_text() == before


def journal(runs: Path, name: str) -> Path:
    return runs / name / "journal" / "000000.jsonl"


def start(
    job: Path, runs: Path, name: str, cwd: Path = ROOT, environment: dict[str, str] | None = None
) -> subprocess.Popen[str]:
    return subprocess.Popen(
        command("--config", job, "--name", name, "--storage-path", runs),
        cwd=cwd,
        env=environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )


def wait_for_process(title: str) -> psutil.Process:
    """Wait for a process of the shared cluster that Ray has given the title."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        for process in processes(title):
            return process
        time.sleep(0.02)
    raise AssertionError(f"no process {title}")


def test_a_stop_while_ray_starts_begins_nothing_and_the_name_can_be_used_again(job: Path, runs: Path) -> None:
    driver = start(job, runs, "too-soon")
    assert driver.stdout is not None
    assert "Ray" in driver.stdout.readline()
    driver.terminate()
    said, _ = driver.communicate(timeout=60)
    assert (driver.returncode, said) == (130, "interrupted while starting; nothing was begun\n")
    assert "trials" in run_here("--config", job, "--name", "too-soon", "--storage-path", runs, "--dry-run")


@pytest.fixture(scope="module")
def resume(job: Path, runs: Path) -> list[str]:
    """The command that a search prints when Ctrl-C stops it, with a relative path in another folder."""
    driver = start(Path(job.name), Path(os.path.relpath(runs, job.parent)), "stopped", cwd=job.parent)
    wait_for_journal(driver, journal(runs, "stopped"), 1)
    os.killpg(driver.pid, signal.SIGINT)  # as Ctrl-C does
    said, _ = driver.communicate(timeout=120)
    assert driver.returncode == 130, said
    assert "Traceback" not in said
    assert {t["status"] for t in summary(runs / "stopped")["trials"]} >= {"finished", "stopped"}
    assert not (runs / "stopped" / "lanes").exists()
    return command_in(said)


def test_a_search_that_is_stopped_prints_the_command_that_resumes_it_in_any_folder(
    resume: list[str], runs: Path
) -> None:
    assert resume[2:] == ["--resume", "stopped", "--storage-path", str(runs)]


@pytest.fixture(scope="module")
def report(resume: list[str], runs: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """What the resumed search reports when its node dies, after one more evaluation."""
    folder = tmp_path_factory.mktemp("empty")
    before = lines(runs)
    driver = subprocess.Popen(
        resume, cwd=folder, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True
    )
    wait_for_journal(driver, journal(runs, "stopped"), after=len(before))
    next(p for p in psutil.Process(driver.pid).children(recursive=True) if p.name() == "raylet").kill()
    said, _ = driver.communicate(timeout=120)
    assert driver.returncode == 1, said
    assert not list(folder.iterdir())
    return said.rsplit("error: ", 1)[1]


def test_a_search_that_loses_its_node_says_so_and_how_to_resume_it(report: str, resume: list[str], runs: Path) -> None:
    assert "node" in report.splitlines()[0]
    assert str(runs / "stopped/logs/ray.log") in report
    assert command_in(report) == resume


@pytest.fixture(scope="module")
def disturbed(request: pytest.FixtureRequest, job: Path, runs: Path) -> list[str]:
    """The command that resumes the search that lost its node.

    With hooks off, as starts then take long, and where that search has few trials left, as on a loaded machine, that of
    a new search.
    """
    if not internals_off():
        request.getfixturevalue("report")
        if sum('"ended"' in line and '"finished"' in line for line in lines(runs)) <= MOST_FINISHED:
            return list(request.getfixturevalue("resume"))
    return command("--config", job, "--name", "actors-lost", "--storage-path", runs)


@pytest.mark.internals
def test_a_trainable_and_a_lane_that_are_killed_are_replaced_and_all_trials_are_as_undisturbed(
    printed: str, disturbed: list[str], runs: Path
) -> None:
    """Trials that had finished before stay as they are."""
    name = "stopped" if "stopped" in disturbed else "actors-lost"
    before, file = lines(runs, name), journal(runs, name)
    driver = subprocess.Popen(
        disturbed,
        env=environment_of_cluster(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    wait_for_journal(driver, file, after=len(before))
    with paused(WORKER):  # else all trials may have ended before Ray Tune has started its Trainables
        wait_for_process(TRAINABLE).kill()
    wait_for_journal(driver, file, 1, after=len(before))
    wait_for_process(LANE).kill()
    assert driver.stdout is not None
    driver.stdout.close()  # as `| head` does: the search needs no terminal either
    assert driver.wait(timeout=300) == 0, (runs / name / "logs/ray.log").read_text()[-5000:]
    assert trials(runs / name) == trials(runs / "whole")
    assert winners(runs / name) == winners(runs / "whole")
    assert lines(runs, name)[: len(before)] == before
    assert_one_mlflow_run_per_trial(runs, name)


def command_in(said: str) -> list[str]:
    """The printed command that resumes a search."""
    return shlex.split(next(line for line in said.splitlines() if "--resume" in line))


def lines(runs: Path, name: str = "stopped") -> list[str]:
    """The journal of a search."""
    file = journal(runs, name)
    return file.read_text().splitlines() if file.exists() else []


def assert_one_mlflow_run_per_trial(runs: Path, name: str) -> None:
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{runs}/mlflow.db")
    found = client.search_runs([client.get_experiment_by_name(name).experiment_id], max_results=1000)
    by_trial = [r for r in found if "gluetune.trial" in r.data.tags]
    assert len(by_trial) == len({r.data.tags["gluetune.trial"] for r in by_trial}) == 8
    for one in by_trial:
        assert len(client.get_metric_history(one.info.run_id, "eval_score")) == 2
