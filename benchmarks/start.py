"""Comparison 11: time until a search trains its first step, and the speed of tokenizing a large task."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from benchmarks.comparison import GLUETUNE, BenchmarkConfig, Comparison, Contender, Figure, Target, compact_encoder
from benchmarks.grid_runs import from_record, grid_work, lane_count, make_job, one_gpu, run_job
from benchmarks.programs import run_python, running_cluster
from gluetune.config import DataConfig
from gluetune.data import open_source
from gluetune.tasks import get_task

RUNNING, FRESH, RUN_GLUE, MAP = f"{GLUETUNE}, running cluster", f"{GLUETUNE}, own cluster", "run_glue", "datasets.map"
FIRST_STEP = "first step"
LARGE_TASK = "mnli"
TRIALS = 4
_DISTINCT_ROWS = 20_000


def _contenders(config: BenchmarkConfig) -> Sequence[Contender]:
    count = config.tokenized_rows
    return (
        Contender(
            RUNNING,
            "gluetune tune --address, a lane per core, on a Ray cluster that runs already",
            partial(_on_running_cluster, config),
        ),
        Contender(
            FRESH, "gluetune tune, a lane per core; it starts Ray itself", partial(_gluetune, config, FRESH, None)
        ),
        Contender(RUN_GLUE, "run_glue.py, one trial", partial(_run_glue, config)),
        Contender(
            GLUETUNE,
            f"gluetune.data.encode_rows of {count:,} rows of {LARGE_TASK.upper()}",
            partial(_tokenize, config, GLUETUNE),
        ),
        Contender(
            MAP,
            "datasets.map(batched=True) with the same tokenizer and rows, without padding",
            partial(_tokenize, config, MAP),
        ),
    )


def _on_running_cluster(config: BenchmarkConfig, repetition: int) -> Mapping[str, float]:
    if config.address:
        return _gluetune(config, RUNNING, config.address, repetition)
    with running_cluster(_folder(config, "cluster", repetition) / "cluster.log") as (address, access):
        return _gluetune(config, RUNNING, address, repetition, access)


def _gluetune(
    config: BenchmarkConfig,
    contender: str,
    address: str | None,
    repetition: int,
    access: Mapping[str, str] | None = None,
) -> Mapping[str, float]:
    """Seconds from the command to the first step on any lane."""
    folder = _folder(config, contender, repetition)
    job = make_job(config, compact_encoder(), folder, TRIALS, lane_count())
    done, journal = run_job(job, folder, address, access)
    trials = [from_record(trial) for trial in journal.trials.values() if trial.evaluations]
    return {FIRST_STEP: min(trial.began for trial in trials) - done.started}


def _run_glue(config: BenchmarkConfig, repetition: int) -> Mapping[str, float]:
    folder = _folder(config, RUN_GLUE, repetition)
    folder.mkdir(parents=True)
    work = grid_work(make_job(config, compact_encoder(), folder, 1, 1)).save(folder / "work.json")
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


def _tokenize(config: BenchmarkConfig, method: str, repetition: int) -> Mapping[str, float]:
    folder = _folder(config, f"tokenize {method}", repetition)
    folder.mkdir(parents=True)
    rows = folder / "rows.json"
    rows.write_text(json.dumps(_large_task(config)))
    done = run_python(
        [
            "-m",
            "benchmarks.tokenization",
            "--rows",
            str(rows),
            "--count",
            str(config.tokenized_rows),
            "--task",
            LARGE_TASK,
            "--model",
            compact_encoder(),
            "--method",
            method,
            "--output-dir",
            str(folder),
        ],
        folder / "tokenize.log",
    )
    return done.answer()


def _large_task(config: BenchmarkConfig) -> dict[str, list[str]]:
    """Return some rows of the large task, by column; of the generated data where the folder does not hold it."""
    task, split = get_task(LARGE_TASK), "train"
    real = open_source(DataConfig(source="dir", dir=config.glue_dir)) if config.glue_dir else None
    source = real if real is not None and real.has(task, split) else open_source(DataConfig())
    return {name: list(texts[:_DISTINCT_ROWS]) for name, texts in source.load(task, split).columns.items()}


def _folder(config: BenchmarkConfig, contender: str, repetition: int) -> Path:
    return config.scratch / "start" / f"{contender.replace(', ', '-').replace(' ', '-')}-{repetition}"


COMPARISONS = (
    Comparison(
        11,
        "start of a search, and tokenization a large task",
        (Figure(FIRST_STEP, "s", "lower"), Figure("rows/s", "rows/s", "higher"), Figure("peak memory", "MB", "lower")),
        (Target(FIRST_STEP, 1.0, over=RUN_GLUE, contender=RUNNING), Target("rows/s", 1.0, over=MAP)),
        _contenders,
        "first step: from the command to the first training step, with the compact encoder. peak memory: of "
        "the process that tokenizes, libraries included.",
    ),
)
