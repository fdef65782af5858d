"""Comparison 7: how near training comes to what the machine can do."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from statistics import mean

from benchmarks import encoders
from benchmarks.comparison import OURS, Comparison, Figure, Goal, Side
from benchmarks.grid_runs import MOST_CPU_LANES, SIZES, one_gpu
from benchmarks.programs import run_python
from benchmarks.setting import Setting
from benchmarks.throughput import make_work
from gluetune.tasks import get_task

BERT_BASE = "BERT-base size"
_TASK = "cola"


def _sides(setting: Setting) -> Sequence[Side]:
    return [
        Side(
            OURS,
            "training steps of CoLA in batches of 32, and the matrix products of each alone; on CPUs by as "
            "many processes at a time as a search has lanes, one per core",
            partial(_measure, setting),
        )
    ]


def _measure(setting: Setting, repetition: int) -> Mapping[str, float]:
    import torch

    cuda = torch.cuda.is_available()
    figures: dict[str, float] = {}
    models = {"compact": encoders.compact(), "MiniLM-size": encoders.minilm(setting)}
    if cuda:
        models[BERT_BASE] = encoders.bert_base(setting)
    for size, model in models.items():
        folder = setting.scratch / "limit" / f"{size.replace(' ', '-')}-{repetition}"
        folder.mkdir(parents=True)
        work = make_work(setting, get_task(_TASK), model, 1).save(folder / "work.json")
        lanes = _at_once(work, folder, 1 if cuda else min(MOST_CPU_LANES, len(os.sched_getaffinity(0))))
        step, limit = (mean(lane[figure] for lane in lanes) for figure in ("step", "limit"))
        found = {"step": step, "limit": limit, "share": limit / step}
        figures |= {_name(figure, size, cuda=cuda): value for figure, value in found.items()}
    return figures


def _at_once(work: Path, folder: Path, lanes: int) -> list[Mapping[str, float]]:
    """What lanes measure that train at the same time and share out the cores, as in a search."""
    threads = max(1, len(os.sched_getaffinity(0)) // lanes)

    def lane(number: int) -> Mapping[str, float]:
        return run_python(
            ["-m", "benchmarks.step_limit", "--work", str(work), "--task", _TASK, "--threads", str(threads)],
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
            *(Goal(_name("share", size, cuda=False), 0.8) for size in SIZES),
            Goal(_name("share", BERT_BASE, cuda=True), 0.5),
        ],
        _sides,
        "limit, CPU: the step's matrix products alone, same shapes, in torch. limit, GPU: the larger of the "
        "products' operations at the rate of one large product and of the bytes of products and AdamW at the "
        "bandwidth of one large copy; one lane.",
    ),
)
