"""How near a training step comes to what the machine can do, in a process of its own; prints it as JSON.

On a CPU the limit is the time of the step's matrix products alone, measured in turns with the step. On a GPU, which may
compute and move data at the same time, it is the larger of the products' operations at the rate, and of the step's
bytes at the bandwidth that a large product and a large copy reach in the same process.
"""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable
from functools import partial

import torch

from benchmarks.baselines.work import Work
from benchmarks.our_speed import encoded
from benchmarks.products import Products, again
from benchmarks.speed import arguments, distributed_context
from gluetune.config import ModelConfig, TrainingConfig
from gluetune.data import EncodedTask
from gluetune.models import load_encoder
from gluetune.tasks import Task, get_task
from gluetune.training.parallel import use_bf16
from gluetune.training.run import Run

_TURNS = 3  # of each batch; their median counts
_LARGE = 8192  # rows and columns of the product that the GPU's rate is measured with
_COPIED = 2**30  # bytes of the copy that its bandwidth is measured with
_ADAMW_PASSES = 7  # reads weight, gradient and two moments, writes all but the gradient


def measure(work: Work, task: Task) -> dict[str, float]:
    """Trains an epoch's batches.

    Returns:
        ``step`` and ``limit``: milliseconds per step.
    """
    train, encoder = encoded(work, task, work.train), load_encoder(ModelConfig(name_or_path=work.model))
    place = distributed_context()
    seen = EncodedTask(task.name, train, train, {}, "benchmark").vocabulary
    run = Run(task, train, encoder, TrainingConfig(**work.points[0]), work.seed, place, seen)
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
    """Seconds of a step and of its products alone, taken in turns."""
    alone = again(products.counts, "cpu")
    alone()
    turns = [(seconds(step), seconds(alone)) for _ in range(_TURNS)]
    return statistics.median(turn[0] for turn in turns), statistics.median(turn[1] for turn in turns)


def gpu_limit(run: Run) -> Callable[[Products, Callable[[], None]], tuple[float, float]]:
    """Measures the GPU's rate and bandwidth; the result gives seconds of a step and of its limit."""
    trained = sum(parameter.numel() for parameter in run.model.parameters() if parameter.requires_grad)
    dtype = torch.bfloat16 if use_bf16("auto", run.distributed) else torch.float32
    factor = torch.randn(_LARGE, _LARGE, device=run.distributed.device).to(dtype)
    source = torch.empty(_COPIED, dtype=torch.uint8, device=run.distributed.device)
    target = torch.empty_like(source)
    rate = 2 * _LARGE**3 / _median(lambda: torch.mm(factor, factor))
    bandwidth = 2 * _COPIED / _median(lambda: target.copy_(source))

    def limit(products: Products, step: Callable[[], None]) -> tuple[float, float]:
        moved = products.bytes + _ADAMW_PASSES * 4 * trained
        return _median(step), max(products.flops / rate, moved / bandwidth)

    return limit


def seconds(act: Callable[[], object]) -> float:
    """How long something takes."""
    _wait()
    started = time.perf_counter()
    act()
    _wait()
    return time.perf_counter() - started


def _median(act: Callable[[], object]) -> float:
    act()
    return statistics.median(seconds(act) for _ in range(_TURNS))


def _wait() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()


if __name__ == "__main__":
    parser = arguments()
    parser.add_argument("--threads", type=int, required=True)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    print(json.dumps(measure(Work.load(given.work), get_task(given.task))))
