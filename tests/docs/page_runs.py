"""Finished runs that pages of the documentation use: small searches, made once for all pages."""

from __future__ import annotations

import shutil
from pathlib import Path

# The arguments of `gluetune tune` that make each run; a page has them in `runs/` of its folder.
RUNS: dict[str, tuple[str, ...]] = {
    "tickets-1": (
        *("--train", "tickets.csv", "--text", "title,body", "--label", "topic", "--test", "test.csv"),
        *("--model-name-or-path", "synthetic", "--space", "compact_bert", "--algorithm", "random"),
        *("--num-samples", "2", "--set", "training.num_train_epochs=2"),
    ),
    "first": (
        *("--config", "jobs/quickstart.yaml", "--tasks", "cola", "--num-samples", "2"),
        *("--max-train-samples", "400", "--set", "training.num_train_epochs=2"),
    ),
    "night": (
        *("--config", "jobs/quickstart.yaml", "--tasks", "cola", "--num-samples", "5", "--scheduler", "asha"),
        *("--max-train-samples", "400", "--seed", "43"),
    ),
}


def copy_runs(made: Path, folder: Path, names: tuple[str, ...]) -> None:
    """Give a page's folder finished runs and the MLflow store that has them.

    Args:
        made: the folder in which the runs were made.
        folder: the page's folder.
        names: keys of `RUNS`.
    """
    target = folder / "runs"
    target.mkdir(exist_ok=True)
    for name in names:
        shutil.copytree(made / "runs" / name, target / name)
    for file in (made / "runs").glob("mlflow.db*"):
        shutil.copy(file, target / file.name)
