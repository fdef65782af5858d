"""A running search that another process adds to, extends and stops; then its verification from the record alone."""

from __future__ import annotations

import json
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import gluetune
from gluetune.events import JournalReader, RequestHandled, TrialStatus
from gluetune.storage import Storage
from searches import WORKER, command, environment_of_cluster, paused, run_here, wait_for_journal, write_job

pytestmark = [pytest.mark.ray, pytest.mark.slow]

OUTSIDE = {"learning_rate": 2e-4, "batch_size": 16}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(scope="module")
def stopped(ray_cluster: None, runs: Path, tmp_path_factory: pytest.TempPathFactory) -> int:
    """The trial that was ended while the search ran; its workers stand still until all requests are written."""
    job = write_job(tmp_path_factory.mktemp("job"))
    arguments = ("--tasks", "cola", "--num-samples", "2", "--max-concurrent-trials", "1")
    driver = subprocess.Popen(
        command("--config", job, "--name", "acted", "--storage-path", runs, *arguments),
        env=environment_of_cluster(),
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    wait_for_journal(driver, runs / "acted" / "journal" / "000000.jsonl")
    with paused(WORKER):
        assert "lr 2e-4" in gluetune.add("acted", OUTSIDE, storage_path=runs).wait()
        gluetune.extend("acted", num_samples="+1", storage_path=runs).wait()
        (running,) = (trial for trial in trials(runs).values() if trial.status is TrialStatus.RUNNING)
        gluetune.stop("acted", trial=running.number, storage_path=runs).wait()
        request = gluetune.stop("acted", storage_path=runs)
    request.wait()
    said, _ = driver.communicate(timeout=120)
    assert driver.returncode == 130, said
    assert "--resume acted" in said
    return running.number


def journal(runs: Path, name: str = "acted") -> JournalReader:
    return JournalReader(Storage(str(runs / name)))


def trials(runs: Path) -> Any:
    return journal(runs).trials


@pytest.fixture(scope="module")
def extended(stopped: int, runs: Path) -> str:
    """What the command prints that extends the search, which no process runs any more."""
    return run_here("acted", "--num-samples", "+1", "--storage-path", runs, script="extend")


def test_each_request_is_in_the_journal_and_none_is_left(extended: str, runs: Path) -> None:
    handled = [event for event in journal(runs).history if isinstance(event, RequestHandled)]
    assert [event.action for event in handled] == ["add", "extend", "stop_trial", "stop", "extend"]
    assert all(event.accepted for event in handled)
    assert list((runs / "acted" / "requests").iterdir()) == []


def test_the_extended_search_has_its_trials_and_the_added_one_and_none_twice(
    extended: str, stopped: int, runs: Path
) -> None:
    found = trials(runs)
    assert len(found) == 2 + 1 + 1 + 1  # planned, two extensions, added
    assert len({str(trial.params) for trial in found.values()}) == 5
    assert OUTSIDE in [trial.params for trial in found.values()]
    assert found[stopped].status is TrialStatus.PRUNED
    assert {trial.status for trial in found.values() if trial.number != stopped} == {TrialStatus.FINISHED}
    summary = json.loads((runs / "acted" / "summary.json").read_text())
    assert (summary["status"], summary["tasks"][0]["planned"]) == ("complete", 5)


def test_a_search_that_is_extended_during_its_last_trial_goes_on_in_the_same_session(
    ray_cluster: None, runs: Path, tmp_path: Path
) -> None:
    """The second lane is idle, so that Ray Tune has asked for another trial in vain before."""
    arguments = ("--tasks", "cola", "--num-samples", "1", "--max-concurrent-trials", "2")

    def extend() -> None:
        wait_for_journal(None, runs / "last" / "journal" / "000000.jsonl")
        with paused(WORKER):
            gluetune.extend("last", num_samples=3, storage_path=runs).wait()

    with ThreadPoolExecutor(1) as thread:
        extended = thread.submit(extend)
        run_here("--config", write_job(tmp_path), "--name", "last", "--storage-path", runs, *arguments)
        extended.result()
    assert [trial.status for trial in journal(runs, "last").trials.values()] == [TrialStatus.FINISHED] * 3


def content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.usefixtures("extended")
def test_the_winner_is_reproduced_to_the_bit_and_the_record_stays_as_it_is(runs: Path) -> None:
    before = content(runs)
    said = run_here("acted", "--storage-path", runs, script="verify")
    assert "reproduced to the bit" in said
    after = content(runs)
    assert after.keys() == before.keys()
    assert {name for name in after if after[name] != before[name]} == set()


@pytest.mark.usefixtures("extended")
def test_changed_rows_are_refused_before_a_winner_is_trained(runs: Path) -> None:
    shutil.copytree(runs / "acted", runs / "changed")
    inputs = runs / "changed" / "inputs.json"
    inputs.write_text(inputs.read_text().replace('"rows": 360', '"rows": 361'))
    (runs / "changed" / "inputs.json").write_text(inputs.read_text().replace('"sha256": "', '"sha256": "0', 1))
    with pytest.raises(gluetune.errors.DataError, match="cola"):
        gluetune.verify("changed", storage_path=runs, progress=False)
