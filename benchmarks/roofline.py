"""Comparison 7: how close a training step comes to the limit of the hardware."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from statistics import mean

from benchmarks.comparison import GLUETUNE, Comparison, Contender, Figure, Target
from benchmarks.config import BenchmarkConfig, bert_base_encoder, compact_encoder, minilm_encoder
from benchmarks.grid_runs import MOST_CPU_LANES, SIZES, one_gpu
from benchmarks.programs import run_python
from benchmarks.throughput import task_work
from gluetune.tasks import get_task

BERT_BASE = "BERT-base size"
_TASK = "cola"


def _contenders(config: BenchmarkConfig) -> Sequence[Contender]:
    return [
        Contender(
            GLUETUNE,
            "training steps of CoLA in batches of 32, and the matrix products of each alone; on CPUs by as "
            "many processes at a time as a search has lanes, one per core",
            partial(_measure, config),
        )
    ]


def _measure(config: BenchmarkConfig, repetition: int) -> Mapping[str, float]:
    import torch

    cuda = torch.cuda.is_available()
    figures: dict[str, float] = {}
    models = {"compact": compact_encoder(), "MiniLM-size": minilm_encoder(config)}
    if cuda:
        models[BERT_BASE] = bert_base_encoder(config)
    for size, model in models.items():
        folder = config.scratch / "limit" / f"{size.replace(' ', '-')}-{repetition}"
        folder.mkdir(parents=True)
        work = task_work(config, get_task(_TASK), model, 1).save(folder / "work.json")
        lanes = _at_once(work, folder, 1 if cuda else min(MOST_CPU_LANES, len(os.sched_getaffinity(0))))
        step, limit = (mean(lane[figure] for lane in lanes) for figure in ("step", "limit"))
        found = {"step": step, "limit": limit, "share": limit / step}
        figures |= {_name(figure, size, cuda=cuda): value for figure, value in found.items()}
    return figures


def _at_once(work: Path, folder: Path, lanes: int) -> list[Mapping[str, float]]:
    """Measure with several lanes that train at the same time and share the cores, as in a search."""
    threads = max(1, len(os.sched_getaffinity(0)) // lanes)

    def lane(number: int) -> Mapping[str, float]:
        return run_python(
            ["-m", "benchmarks.step_roofline", "--work", str(work), "--task", _TASK, "--threads", str(threads)],
            folder / f"steps-{number}.log",
            one_gpu(),
        ).answer()

    with ThreadPoolExecutor(lanes) as pool:
        return list(pool.map(lane, range(lanes)))


def _name(figure: str, size: str, *, cuda: bool) -> str:
    return f"{figure}, {'GPU' if cuda else 'CPU'} ({size})"


def _figures() -> list[Figure]:
    places = [(size, False) for size in SIZES] + [(size, True) for size in (*SIZES, BERT_BASE)]
    kinds = (Figure("step", "ms", "lower"), Figure("limit", "ms", "lower"), Figure("share", "", "higher"))
    return [replace(kind, name=_name(kind.name, size, cuda=cuda)) for size, cuda in places for kind in kinds]


COMPARISONS = (
    Comparison(
        7,
        "share of the machine's own limit while training",
        _figures(),
        [
            *(Target(_name("share", size, cuda=False), 0.8) for size in SIZES),
            Target(_name("share", BERT_BASE, cuda=True), 0.5),
        ],
        _contenders,
        "limit, CPU: the step's matrix products alone, same shapes, in torch. limit, GPU: the larger of the "
        "products' operations at the rate of one large product and of the bytes of products and AdamW at the "
        "bandwidth of one large copy; one lane.",
    ),
)
