"""Comparison 7: how close a training step comes to the least time that the hardware allows.

A process of its own (``python -m benchmarks.roofline``) measures the step and that time; it prints them as JSON.
"""

from __future__ import annotations

import json
import os
import statistics
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from statistics import mean
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from benchmarks.baselines.work import Work, argument_parser, single_worker
from benchmarks.comparison import (
    GLUETUNE,
    BenchmarkConfig,
    Comparison,
    Contender,
    Figure,
    Target,
    bert_base_encoder,
    compact_encoder,
    minilm_encoder,
)
from benchmarks.gluetune_throughput import encode_work
from benchmarks.grid_runs import MOST_CPU_LANES, SIZES, one_gpu
from benchmarks.programs import run_python
from benchmarks.throughput import task_work
from gluetune.config import ModelConfig, TrainingConfig
from gluetune.data import EncodedTask
from gluetune.models import load_encoder
from gluetune.tasks import Task, get_task
from gluetune.training import configure_process
from gluetune.training.distributed_context import use_bf16
from gluetune.training.trainer import TrialTrainer

_FACTORS = {"mm": (0, 1), "addmm": (1, 2), "bmm": (0, 1), "baddbmm": (1, 2)}  # by aten's name: places of the arguments
_ATTENTION, _BACKWARD = "_scaled_dot_product_", "_backward"


@dataclass(frozen=True)
class Product:
    """``batch`` products of [rows, inner] and [inner, columns].

    Attributes:
        batch: how many at a time.
        rows: of the first matrix.
        inner: its columns.
        columns: of the second matrix.
        dtype: of both.
    """

    batch: int
    rows: int
    inner: int
    columns: int
    dtype: torch.dtype

    @property
    def flops(self) -> int:
        """Multiplications and additions."""
        return 2 * self.batch * self.rows * self.inner * self.columns

    @property
    def num_bytes(self) -> int:
        """Bytes that must be read and written: both factors and the product once."""
        numbers = self.rows * self.inner + self.inner * self.columns + self.rows * self.columns
        return self.batch * numbers * int(self.dtype.itemsize)


class Products(TorchDispatchMode):
    """Context manager that records the matrix products computed in its block, backward passes included.

    Attention kernels count as the products that they cannot do without: two forward, four backward.

    Attributes:
        counts: how often each product was computed.
    """

    def __init__(self) -> None:
        super().__init__()
        self.counts: Counter[Product] = Counter()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Record the operation, if it is a product, and run it."""
        name = func.overloadpacket.__name__
        if name in _FACTORS:
            first, second = (args[place] for place in _FACTORS[name])
            batch = first.shape[0] if first.dim() == 3 else 1
            rows, inner = first.shape[-2:]
            self.counts[Product(batch, rows, inner, second.shape[-1], first.dtype)] += 1
        elif name.startswith(_ATTENTION):
            backward = _BACKWARD in name  # whose first argument is the output's gradient
            query, key, value = args[1:4] if backward else args[:3]
            self.counts += _attention(query, key, value, 2 if backward else 1)
        return func(*args, **(kwargs or {}))

    @property
    def flops(self) -> int:
        """Multiplications and additions of all products."""
        return sum(product.flops * count for product, count in self.counts.items())

    @property
    def num_bytes(self) -> int:
        """Bytes that all products must read and write."""
        return sum(product.num_bytes * count for product, count in self.counts.items())


def _attention(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, times: int) -> Counter[Product]:
    """Count scores, and the values' weighted sum, of [rows, heads, tokens, width]."""
    rows, heads, tokens, width = query.shape
    others, batch = key.shape[2], rows * heads
    return Counter({Product(batch, tokens, width, others, query.dtype): times}) + Counter(
        {Product(batch, tokens, others, value.shape[3], query.dtype): times}
    )


def replay(counts: Counter[Product], device: str) -> Callable[[], None]:
    """Return a function that computes the same products, on random numbers."""
    calls = [(*_operands(product, device), count) for product, count in counts.items()]

    def compute() -> None:
        for first, second, result, count in calls:
            multiply = torch.bmm if first.dim() == 3 else torch.mm
            for _ in range(count):
                multiply(first, second, out=result)

    return compute


def _operands(product: Product, device: str) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    shapes = ((product.rows, product.inner), (product.inner, product.columns), (product.rows, product.columns))
    tensors = (torch.randn((product.batch, *shape) if product.batch > 1 else shape, device=device) for shape in shapes)
    first, second, result = (tensor.to(product.dtype) for tensor in tensors)
    return first, second, result


_TURNS = 3  # of each batch; their median counts
_LARGE = 8192  # rows and columns of the product that the GPU's rate is measured with
_COPIED = 2**30  # bytes of the copy that its bandwidth is measured with
_ADAMW_PASSES = 7  # reads weight, gradient and two moments, writes all but the gradient


def measure_step(work: Work, task: Task) -> dict[str, float]:
    """Train an epoch's batches.

    Returns:
        ``step`` and ``limit``: milliseconds per step.
    """
    train, encoder = encode_work(work, task, work.train), load_encoder(ModelConfig(name_or_path=work.model))
    place = single_worker()
    configure_process(place)
    data = EncodedTask(task, train, train, {}, "benchmark")
    run = TrialTrainer(task, data, encoder, TrainingConfig(**work.points[0]), work.seed, place)
    limit = gpu_limit(run) if place.cuda else cpu_limit
    steps, limits = 0.0, 0.0
    batches = list(run.plan.batches())[: run.plan.per_epoch]
    run.train_step(batches[0])  # makes the optimizer's state
    for batch in batches:
        with Products() as products:
            run.train_step(batch)
        step_s, limit_s = limit(products, partial(run.train_step, batch))
        steps, limits = steps + step_s, limits + limit_s
    return {"step": 1e3 * steps / len(batches), "limit": 1e3 * limits / len(batches)}


def cpu_limit(products: Products, step: Callable[[], None]) -> tuple[float, float]:
    """Measure the seconds of a step and of its products alone, in turns."""
    alone = replay(products.counts, "cpu")
    alone()
    turns = [(time_call(step), time_call(alone)) for _ in range(_TURNS)]
    return statistics.median(turn[0] for turn in turns), statistics.median(turn[1] for turn in turns)


def gpu_limit(run: TrialTrainer) -> Callable[[Products, Callable[[], None]], tuple[float, float]]:
    """Measure the GPU's rate and bandwidth; return a function that measures the seconds of a step and of its limit."""
    trained = sum(parameter.numel() for parameter in run.model.parameters() if parameter.requires_grad)
    dtype = torch.bfloat16 if use_bf16("auto", run.distributed) else torch.float32
    factor = torch.randn(_LARGE, _LARGE, device=run.distributed.device).to(dtype)
    source = torch.empty(_COPIED, dtype=torch.uint8, device=run.distributed.device)
    copied = torch.empty_like(source)
    rate = 2 * _LARGE**3 / _median(lambda: torch.mm(factor, factor))
    bandwidth = 2 * _COPIED / _median(lambda: copied.copy_(source))

    def limit(products: Products, step: Callable[[], None]) -> tuple[float, float]:
        moved = products.num_bytes + _ADAMW_PASSES * 4 * trained
        return _median(step), max(products.flops / rate, moved / bandwidth)

    return limit


def time_call(act: Callable[[], object]) -> float:
    """Return how many seconds a call takes, GPU kernels included."""
    _wait()
    started = time.perf_counter()
    act()
    _wait()
    return time.perf_counter() - started


def _median(act: Callable[[], object]) -> float:
    act()
    return statistics.median(time_call(act) for _ in range(_TURNS))


def _wait() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()


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
            ["-m", "benchmarks.roofline", "--work", str(work), "--task", _TASK, "--threads", str(threads)],
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


if __name__ == "__main__":
    parser = argument_parser()
    parser.add_argument("--threads", type=int, required=True)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    print(json.dumps(measure_step(Work.load(options.work), get_task(options.task))))
