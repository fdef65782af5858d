"""Comparison 11: how long until a search trains, and how fast a large task is tokenised."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from benchmarks import encoders
from benchmarks.comparison import OURS, Comparison, Figure, Goal, Side
from benchmarks.grid_runs import lane_count, make_job, make_work, one_gpu, run_job
from benchmarks.lane_times import from_record
from benchmarks.local_cluster import running_cluster
from benchmarks.programs import run_python
from benchmarks.setting import Setting
from gluetune.config import DataConfig
from gluetune.data import open_source
from gluetune.tasks import get_task

RUNNING, FRESH, RUN_GLUE, MAP = f"{OURS}, running cluster", f"{OURS}, own cluster", "run_glue", "datasets.map"
FIRST_STEP = "first step"
LARGE_TASK = "mnli"
TRIALS = 4
_DISTINCT_ROWS = 20_000


def _sides(setting: Setting) -> Sequence[Side]:
    count = setting.tokenised_rows
    return (
        Side(
            RUNNING,
            "jobs/tune_glue.py --address, a lane per core, on a Ray cluster that runs already",
            partial(_on_running_cluster, setting),
        ),
        Side(FRESH, "jobs/tune_glue.py, a lane per core; it starts Ray itself", partial(_ours, setting, FRESH, None)),
        Side(RUN_GLUE, "run_glue.py, one trial", partial(_run_glue, setting)),
        Side(
            OURS, f"gluetune.data.encode of {count:,} rows of {LARGE_TASK.upper()}", partial(_tokenise, setting, OURS)
        ),
        Side(
            MAP,
            "datasets.map(batched=True) with the same tokenizer and rows, without padding",
            partial(_tokenise, setting, MAP),
        ),
    )


def _on_running_cluster(setting: Setting, repetition: int) -> Mapping[str, float]:
    if setting.address:
        return _ours(setting, RUNNING, setting.address, repetition)
    with running_cluster(_folder(setting, "cluster", repetition) / "cluster.log") as (address, access):
        return _ours(setting, RUNNING, address, repetition, access)


def _ours(
    setting: Setting,
    side: str,
    address: str | None,
    repetition: int,
    access: Mapping[str, str] | None = None,
) -> Mapping[str, float]:
    """Seconds from the command to the first step on any lane."""
    folder = _folder(setting, side, repetition)
    job = make_job(setting, encoders.compact(), folder, TRIALS, lane_count())
    done, journal = run_job(job, folder, address, access)
    trials = [from_record(trial) for trial in journal.trials.values() if trial.evaluations]
    return {FIRST_STEP: min(trial.began for trial in trials) - done.started}


def _run_glue(setting: Setting, repetition: int) -> Mapping[str, float]:
    folder = _folder(setting, RUN_GLUE, repetition)
    folder.mkdir(parents=True)
    work = make_work(make_job(setting, encoders.compact(), folder, 1, 1)).save(folder / "work.json")
    done = run_python(
        [
            "-m",
            "benchmarks.baselines.run_glue",
            "--work",
            str(work),
            "--point",
            "0",
            "--output-dir",
            str(folder / "trainer"),
        ],
        folder / "run_glue.log",
        one_gpu(),
    )
    return {FIRST_STEP: done.answer()["first_step"] - done.started}


def _tokenise(setting: Setting, way: str, repetition: int) -> Mapping[str, float]:
    folder = _folder(setting, f"tokenise {way}", repetition)
    folder.mkdir(parents=True)
    rows = folder / "rows.json"
    rows.write_text(json.dumps(_large_task(setting)))
    done = run_python(
        [
            "-m",
            "benchmarks.tokenising",
            "--rows",
            str(rows),
            "--count",
            str(setting.tokenised_rows),
            "--task",
            LARGE_TASK,
            "--model",
            encoders.compact(),
            "--way",
            way,
            "--output-dir",
            str(folder),
        ],
        folder / "tokenise.log",
    )
    return done.answer()


def _large_task(setting: Setting) -> dict[str, list[str]]:
    """Some rows of the large task, by column; of the generated data where the folder does not hold it."""
    task, split = get_task(LARGE_TASK), "train"
    real = open_source(DataConfig(source="dir", dir=setting.glue_dir)) if setting.glue_dir else None
    source = real if real is not None and real.has(task, split) else open_source(DataConfig())
    return {name: texts[:_DISTINCT_ROWS] for name, texts in source.load(task, split).columns.items()}


def _folder(setting: Setting, side: str, repetition: int) -> Path:
    return setting.scratch / "start" / f"{side.replace(', ', '-').replace(' ', '-')}-{repetition}"


COMPARISONS = (
    Comparison(
        11,
        "start of a search, and tokenising a large task",
        (Figure(FIRST_STEP, "s", "lower"), Figure("rows/s", "rows/s", "higher"), Figure("peak memory", "MB", "lower")),
        (Goal(FIRST_STEP, 1.0, over=RUN_GLUE, side=RUNNING), Goal("rows/s", 1.0, over=MAP)),
        _sides,
        "first step: from the command to the first training step, with the compact encoder. peak memory: of "
        "the process that tokenises, libraries included.",
    ),
)
