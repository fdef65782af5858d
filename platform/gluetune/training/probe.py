"""What one trial takes of a GPU, measured before lanes share it."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch.autograd import DeviceType  # type: ignore[attr-defined]

from gluetune.config import TrainingConfig
from gluetune.data import EncodedTask
from gluetune.models import Encoder
from gluetune.tasks import Task
from gluetune.training.distributed import DistributedContext
from gluetune.training.evaluate import predict
from gluetune.training.parallel import use_bf16
from gluetune.training.run import Run

ROOM = 0.9  # of a GPU's memory is given away; allocators do not fill it to the last byte
MOST = 8  # trials on one GPU; each process also takes cores and bandwidth to the host
WARM_UP, STEPS = 5, 30


@dataclass(frozen=True)
class Need:
    """What one trial takes of a GPU.

    Attributes:
        memory: share of its memory at the trial's peak, the process's own context included.
        busy: share of the time in which it computes.
    """

    memory: float
    busy: float

    @property
    def trials_per_gpu(self) -> int:
        """How many such trials one GPU takes: all must fit its memory, and more than keep it busy gain nothing."""
        return max(1, min(self.fitting, round(1 / self.busy), MOST))

    @property
    def fitting(self) -> int:
        """How many such trials fit one GPU's memory."""
        return max(1, int(ROOM / self.memory))


class Meter(Protocol):
    """How a GPU is looked at while it works."""

    def memory(self, work: Callable[[], None]) -> float:
        """Share of the GPU's memory that the process takes at most while it works."""

    def busy(self, work: Callable[[], None]) -> float:
        """Share of the time in which the GPU computes while it works."""


class CudaMeter:
    """PyTorch's own counters.

    Args:
        device: such as ``cuda:0``; nobody else may use it meanwhile.
    """

    def __init__(self, device: str) -> None:
        self._device = torch.device(device)

    def memory(self, work: Callable[[], None]) -> float:
        """Share of the GPU's memory that this process takes at most during the work, its CUDA context included."""
        torch.cuda.reset_peak_memory_stats(self._device)
        work()
        torch.cuda.synchronize(self._device)
        free, total = torch.cuda.mem_get_info(self._device)
        context = total - free - torch.cuda.memory_reserved(self._device)
        return float((context + torch.cuda.max_memory_reserved(self._device)) / total)

    def busy(self, work: Callable[[], None]) -> float:
        """Share of the work's time in which a kernel runs on the GPU, by PyTorch's profiler."""
        torch.cuda.synchronize(self._device)
        with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as profile:
            begun = time.perf_counter()
            work()
            torch.cuda.synchronize(self._device)
            seconds = time.perf_counter() - begun
        kernels = [
            (event.time_range.start, event.time_range.end)
            for event in profile.events()
            if event.device_type == DeviceType.CUDA
        ]
        return min(1.0, covered(kernels) / 1e6 / seconds)


def covered(spans: list[tuple[float, float]]) -> float:
    """Length of what spans of time cover together."""
    total, reached = 0.0, -float("inf")
    for start, end in sorted(spans):
        total += max(0.0, end - max(start, reached))
        reached = max(reached, end)
    return total


def probe(
    task: Task,
    data: EncodedTask,
    used: NDArray[np.int64],
    encoder: Encoder,
    training: TrainingConfig,
    usual_size: int,
    seed: int,
    meter: Meter,
    distributed: DistributedContext,
) -> Need:
    """Trains a few steps and measures them: memory with the largest batch of the longest rows, time with usual ones.

    Args:
        task: what is learnt.
        data: its rows.
        used: [tokens] ids whose embeddings are trained, those of its rows among them.
        encoder: what it starts from.
        training: the search's most demanding hyperparameters.
        usual_size: rows of its usual batches.
        seed: of the trial.
        meter: looks at the GPU.
        distributed: this process, on a GPU of its own.

    Raises:
        OutOfMemoryError: not even one trial fits (torch's).
    """
    run = Run(task, data.train, encoder, training, seed, distributed, used)
    longest = np.argsort(data.train.lengths)[-training.batch_size :]
    longest_scored = data.selection.select(np.argsort(data.selection.lengths)[-training.eval_batch_size :])
    usual = itertools.cycle(batch[:usual_size] for batch in run.plan.batches())

    def hardest() -> None:
        for _ in range(2):  # the optimizer's moments come with the first step
            run.train_step(longest)
        predict(
            run.model, longest_scored, training.eval_batch_size, distributed, bf16=use_bf16(training.bf16, distributed)
        )

    def steps(count: int) -> None:
        for batch in itertools.islice(usual, count):
            run.train_step(batch)

    memory = meter.memory(hardest)
    steps(WARM_UP)
    return Need(memory, meter.busy(lambda: steps(STEPS)))
