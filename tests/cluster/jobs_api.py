"""`ray job submit` on a host, as the README writes it."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

from grids import wait_for
from hosts import Host
from searches import ROOT, readme_command

JOBS_API = "http://127.0.0.1:8265"
FOLDERS = ("platform", "benchmarks", "jobs", "search_spaces")
UPLOADED = (*FOLDERS, "README.md", "pyproject.toml", ".rayignore", ".gitignore")


def copy_project(folder: Path) -> Path:
    """The project in a folder of any name."""
    folder.mkdir(parents=True)
    for name in UPLOADED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
        else:
            shutil.copy(source, folder / name)
    return folder


def submission(*arguments: str | Path, storage: Path, options: tuple[str, ...] = ()) -> list[str]:
    """The README's command with other arguments for the job, and options of its own."""
    command = readme_command("ray job submit")
    command[command.index("--storage-path") + 1] = str(storage)
    split = command.index("--")
    return [*command[:split], *options, *command[split:], *map(str, arguments)]


def submit(
    host: Host,
    *arguments: str | Path,
    storage: Path,
    cwd: Path = ROOT,
    options: tuple[str, ...] = (),
) -> subprocess.Popen[str]:
    """Submit a search and follow its log."""
    return host.popen(
        submission(*arguments, storage=storage, options=options),
        cwd=cwd,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


def wait_until_jobs_run(host: Host) -> None:
    """The Jobs API answers before a cluster can run a job; the first job that runs says it is ready."""

    def ran() -> bool:
        first = host.popen(
            ["ray", "job", "submit", "--address", JOBS_API, "--", "true"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        return first.wait(timeout=120) == 0

    wait_for(ran, "a cluster that runs jobs")


JOBS = """
import json
from ray.job_submission import JobSubmissionClient
jobs = JobSubmissionClient("http://127.0.0.1:8265").list_jobs()
print(json.dumps({job.submission_id: [job.status, job.driver_exit_code] for job in jobs}))
"""


def job_end(host: Host, submission_id: str) -> tuple[str, int | None]:
    """Status and exit code of a job."""
    found: dict[str, Any] = json.loads(host.run(["python", "-c", JOBS]).splitlines()[-1])
    status, code = found[submission_id]
    return status, code
