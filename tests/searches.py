"""Small real searches through the command line, for the tests that look at whole searches."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
TUNE = "tune_glue.py"
SPACE = """
space:
  learning_rate: [3.0e-4, 1.0e-4]
  batch_size: [16, 32]
training:
  num_train_epochs: 2
"""
JOB = """
tasks: [cola, mrpc]
seed: 7
data: {max_train_samples: 400}
search: {space: SPACE, algorithm: grid}
"""


def write_job(folder: Path) -> Path:
    """A grid of four points on two tasks: eight trials of about a second."""
    (folder / "tiny.yaml").write_text(SPACE)
    job = folder / "job.yaml"
    job.write_text(JOB.replace("SPACE", str(folder / "tiny.yaml")))
    return job


def command(*arguments: str | Path, script: str = TUNE) -> list[str]:
    return [sys.executable, str(ROOT / "jobs" / script), *map(str, arguments)]


def run(*arguments: str | Path, code: int = 0, timeout: float = 600, script: str = TUNE) -> str:
    """Runs a script of ``jobs/`` and returns what it printed; its exit code must be ``code``."""
    done = subprocess.run(
        command(*arguments, script=script),
        capture_output=True,
        text=True,
        timeout=timeout,
        cwd=ROOT,
        env=os.environ | {"COLUMNS": "120"},
    )
    assert done.returncode == code, f"exit code {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout + done.stderr


def summary(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "summary.json").read_text())  # type: ignore[no-any-return]


def readme_command(start: str) -> list[str]:
    """The README's only command that begins so, split as a shell would."""
    lines = (ROOT / "README.md").read_text().splitlines()
    (line,) = [line for line in lines if line.startswith(f"    {start}")]
    return shlex.split(line)


def trials(folder: Path) -> list[tuple[Any, ...]]:
    """What must be the same whenever the same grid is searched, wherever and however often interrupted."""
    return sorted(
        (
            t["task"],
            sorted(t["params"].items()),
            t["seed"],
            t["status"],
            t["best_score"],
            [(e["index"], e["step"], e["score"], e["eval_loss"], e["train_loss"]) for e in t["evaluations"]],
        )
        for t in summary(folder)["trials"]
    )


def winners(folder: Path) -> dict[str, Any]:
    return {
        task["task"]: {key: task["winner"][key] for key in ("score", "params", "dev_scores")}
        for task in summary(folder)["tasks"]
    }
