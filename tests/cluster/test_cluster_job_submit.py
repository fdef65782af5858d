"""The README's way to a running cluster, ``ray start --head``, then ``ray job submit``: twice at once, and stopped."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from autoscaling import give_token
from grids import events, in_the_middle, wait_for
from hosts import Host, Network
from jobs_api import JOBS_API, job_end, submission, submit, wait_until_jobs_run
from searches import readme_command, trials, winners

pytestmark = [pytest.mark.cluster, pytest.mark.ray, pytest.mark.slow, pytest.mark.usefixtures("needs_hosts")]

NAMES = ("submitted", "submitted-too")


@pytest.fixture(scope="module")
def head(needs_hosts: None) -> Iterator[Host]:
    """A host with a head started as the README says, with a token."""
    network = Network({"RAY_AUTH_MODE": "token"})
    try:
        give_token(network.laptop)
        network.laptop.run([*readme_command("ray start --head"), "--num-cpus=2", "--object-store-memory=500000000"])
        wait_until_jobs_run(network.laptop)
        yield network.laptop
    finally:
        network.close()


@pytest.fixture(scope="module")
def printed(head: Host, project: Path, grid: Path, runs: Path) -> dict[str, str]:
    """What two searches on one lane each printed, submitted at once from a folder with spaces in its name."""
    own = ("--config", grid, "--max-concurrent-trials", "1")
    jobs = {
        name: submit(head, *own, "--name", name, storage=runs, cwd=project, options=("--submission-id", name))
        for name in NAMES
    }
    said = {name: job.communicate(timeout=900)[0] for name, job in jobs.items()}
    for name, job in jobs.items():
        assert job.returncode == 0, said[name]
    return said


@pytest.mark.parametrize("name", NAMES)
def test_submitted_searches_equal_the_laptops(name: str, printed: dict[str, str], runs: Path, laptop: Path) -> None:
    assert trials(runs / name) == trials(laptop)
    assert winners(runs / name) == winners(laptop)


def test_two_searches_at_once_run_side_by_side(printed: dict[str, str], runs: Path) -> None:
    times = {name: [event["time"] for event in events(runs / name)] for name in NAMES}
    assert max(min(seen) for seen in times.values()) < min(max(seen) for seen in times.values())


@pytest.mark.parametrize("name", NAMES)
def test_the_log_of_a_job_is_readable(name: str, printed: dict[str, str], head: Host) -> None:
    log = head.run(["cat", f"/tmp/ray/session_latest/logs/job-driver-{name}.log"])
    own = log.partition("loading the encoder")[2]  # before: two lines of Ray's
    assert "the winner" in own
    assert not [character for character in own if ord(character) < 32 and character != "\n"]
    for noise in ("Traceback", "WARNING", "INFO ", "(pid=", "ray::", "FutureWarning"):
        assert noise not in own, noise


def test_a_submitted_benchmark_measures_on_the_jobs_cluster(head: Host, tmp_path: Path) -> None:
    command, figures = readme_command("ray job submit"), tmp_path / "figures.json"
    head.run(
        [
            *command[: command.index("--") + 1],
            "python",
            "jobs/benchmark.py",
            "--only",
            "3",
            "--repeat",
            "1",
            "--trials",
            "1",
            "--max-train-samples",
            "32",
            "--max-eval-samples",
            "8",
            "--scratch",
            tmp_path,
            "--json",
            figures,
        ],
        timeout=900,
    )
    (comparison,) = json.loads(figures.read_text())["comparisons"]
    assert all(contender["figures"]["wall (compact)"]["median"] > 0 for contender in comparison["contenders"].values())
    logs = [log.read_text() for log in tmp_path.rglob("gluetune.log")]
    assert len(logs) == 2
    assert all("running on the Ray cluster at" in log for log in logs)


def test_a_job_whose_results_would_be_deleted_with_it_is_refused(head: Host) -> None:
    job = submit(head, "--dry-run", storage=Path("runs"))
    said, _ = job.communicate(timeout=300)
    assert job.returncode != 0
    assert "--storage-path" in said
    assert "submitted job" in said
    assert "Traceback" not in said.partition("error:")[2]


@pytest.mark.parametrize(
    ("arguments", "code"), [(["--dry-run"], 0), (["--tasks", "colla"], 2)], ids=["good", "mistake"]
)
def test_gluetune_submit_brings_its_package_and_returns_the_exit_code_of_the_job(
    arguments: list[str], code: int, head: Host, runs: Path, tmp_path: Path
) -> None:
    """From an empty folder, where the job has nothing but the package that is uploaded."""
    tune = ["tune", "--storage-path", str(runs), "--name", "elsewhere", *arguments]
    job = head.popen(
        ["python", "-m", "gluetune", "submit", "--address", JOBS_API, "--", *tune],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    said, _ = job.communicate(timeout=300)
    assert job.returncode == code, said
    assert ("compact_bert" if code == 0 else "'cola'") in said


@pytest.fixture(scope="module")
def stopped(head: Host, grid: Path, runs: Path) -> tuple[Path, list[dict[str, Any]]]:
    """A search that `ray job stop` ended in its middle, with time to end cleanly; and its events by then."""
    command = submission(
        "--config", grid, "--name", "stopped", storage=runs, options=("--submission-id", "stopped", "--no-wait")
    )
    environment = command.index("--runtime-env-json") + 1
    settings = json.loads(command[environment])
    settings["env_vars"] |= {"RAY_JOB_STOP_WAIT_TIME_S": "120"}
    command[environment] = json.dumps(settings)
    head.run(command)
    in_the_middle(runs / "stopped")
    head.run(["ray", "job", "stop", "stopped"])
    wait_for(lambda: job_end(head, "stopped")[0] == "STOPPED", "the job to be stopped")
    return runs / "stopped", events(runs / "stopped")


def test_a_stopped_job_ends_its_search_cleanly(head: Host, stopped: tuple[Path, list[dict[str, Any]]]) -> None:
    last = {event["number"]: event for event in stopped[1]}
    assert {event["event"] for event in last.values()} == {"ended"}
    assert "stopped" in {event["status"] for event in last.values()}
    log = head.run(["ray", "job", "logs", "stopped"])
    assert "--resume stopped" in log
    assert "Traceback" not in log


def test_a_stopped_job_is_resumed_by_another(
    head: Host, stopped: tuple[Path, list[dict[str, Any]]], runs: Path, laptop: Path
) -> None:
    folder, _ = stopped
    again = submit(head, "--resume", "stopped", storage=runs)
    said, _ = again.communicate(timeout=900)
    assert again.returncode == 0, said
    assert trials(folder) == trials(laptop)
    assert winners(folder) == winners(laptop)
