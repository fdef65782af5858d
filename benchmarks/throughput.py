"""Comparison 6: training speed and memory, by the length of a task's rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from benchmarks.baselines.work import Work
from benchmarks.comparison import (
    GLUETUNE,
    BenchmarkConfig,
    Comparison,
    Contender,
    Figure,
    Target,
    compact_encoder,
    minilm_encoder,
)
from benchmarks.grid_runs import SIZES, EncoderSize, one_gpu
from benchmarks.programs import run_python
from gluetune.config import DataConfig
from gluetune.data import open_source, split_rows
from gluetune.tasks import Task, get_task

PADDED, DYNAMIC, BY_LENGTH = "Trainer padded", "Trainer dynamic", "Trainer by length"
PROFILES = ("cola", "mrpc", "rte")  # short sentences, pairs of sentences, a paragraph and a sentence
TRAINING = {
    "learning_rate": 3e-5,
    "batch_size": 32,
    "warmup_ratio": 0.1,
    "weight_decay": 0.01,
    "lr_scheduler_type": "linear",
}
_EPOCHS: dict[EncoderSize, int] = {"compact": 9, "MiniLM-size": 3}  # the first one warms up
_EVALUATED = 32  # rows; evaluations are not measured


def _contenders(config: BenchmarkConfig) -> Sequence[Contender]:
    return [
        _contender(
            config, GLUETUNE, "gluetune.training.train_trial: one worker, no Ray", "benchmarks.gluetune_throughput"
        ),
        _trainer(
            config,
            PADDED,
            "transformers.Trainer, rows padded to 128 tokens, as run_glue.py does by default",
            "max_length",
            "random",
        ),
        _trainer(
            config,
            DYNAMIC,
            "Trainer with DataCollatorWithPadding: batches padded to their longest row",
            "longest",
            "random",
        ),
        _trainer(
            config,
            BY_LENGTH,
            "the same with train_sampling_strategy=group_by_length: batches of like rows",
            "longest",
            "group_by_length",
        ),
    ]


def _trainer(config: BenchmarkConfig, name: str, does: str, padding: str, sampling: str) -> Contender:
    folder = config.scratch / "throughput" / "trainer"
    return _contender(
        config,
        name,
        does,
        "benchmarks.baselines.trainer_speed",
        "--padding",
        padding,
        "--sampling",
        sampling,
        "--output-dir",
        str(folder),
    )


def _contender(config: BenchmarkConfig, name: str, does: str, *program: str) -> Contender:
    return Contender(name, does, partial(_measure, config, name, program))


def _measure(config: BenchmarkConfig, name: str, program: Sequence[str], repetition: int) -> Mapping[str, float]:
    """Every task with every encoder, each in a process of its own."""
    figures: dict[str, float] = {}
    for size in SIZES:
        for task in map(get_task, PROFILES):
            work = _work_file(config, task, size)
            log = work.parent / f"{work.stem}-{name.replace(' ', '-')}-{repetition}.log"
            done = run_python(["-m", *program, "--work", str(work), "--task", task.name], log, one_gpu())
            figures |= {_name(figure, task, size): value for figure, value in done.answer().items()}
    return figures


def _work_file(config: BenchmarkConfig, task: Task, size: EncoderSize) -> Path:
    file = config.scratch / "throughput" / f"{size}-{task.name}.json"
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        model = compact_encoder() if size == "compact" else minilm_encoder(config)
        task_work(config, task, model, _EPOCHS[size]).save(file)
    return file


def task_work(config: BenchmarkConfig, task: Task, model: str, epochs: int) -> Work:
    """Choose the rows that all contenders train on, real ones where the GLUE folder holds the task."""
    data = DataConfig(max_train_samples=config.max_train_samples, max_eval_samples=_EVALUATED)
    real = data.model_copy(update={"source": "dir", "dir": config.glue_dir})
    source = open_source(real) if config.glue_dir else open_source(data)
    if not source.has(task, task.train or ""):
        source = open_source(data)
    rows = split_rows(task, source, data, config.seed)
    train, selection = (
        {**part.columns, "label": [] if part.labels is None else part.labels.tolist()}
        for part in (rows.train, rows.selection)
    )
    return Work(
        model,
        train,
        selection,
        task.num_labels,
        data.max_seq_length,
        config.seed,
        [{**TRAINING, "num_train_epochs": epochs}],
    )


def _name(figure: str, task: Task, size: EncoderSize) -> str:
    return f"{figure}, {task.title} ({size})"


def _each(*figures: Figure) -> list[Figure]:
    return [
        Figure(_name(figure.name, get_task(name), size), figure.unit, figure.better)
        for size in SIZES
        for name in PROFILES
        for figure in figures
    ]


def _targets() -> list[Target]:
    limits = {PADDED: 10.0, DYNAMIC: 1.7, BY_LENGTH: 1.1}
    return [
        Target(_name("examples/s", get_task(name), size), limit, over)
        for over, limit in limits.items()
        for size in SIZES
        for name in PROFILES
    ]


COMPARISONS = (
    Comparison(
        6,
        "training speed and peak memory by length of the rows",
        _each(
            Figure("examples/s", "", "higher"), Figure("tokens/s", "", "higher"), Figure("peak memory", "MB", "lower")
        ),
        _targets(),
        _contenders,
        "Batches of 32, all cores; the first epoch is not counted. tokens/s: real tokens, "
        "padding not counted. peak memory: of the whole process, libraries included; on a GPU, what "
        "torch allocated there.",
    ),
)
