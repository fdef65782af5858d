"""Measures how much of a GPU one trial uses, to decide how many trials share a GPU."""

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
from gluetune.training.distributed_context import DistributedContext, use_bf16
from gluetune.training.evaluate import predict_logits
from gluetune.training.speedups import configure_process
from gluetune.training.trainer import TrialTrainer

MEMORY_HEADROOM = 0.9
"""Share of a GPU's memory that trials may use together: allocators do not fill it to the last byte."""

MAX_TRIALS_PER_GPU = 8
"""Each trial also takes CPU cores and bandwidth between host and GPU."""

WARMUP_STEPS, MEASURED_STEPS = 5, 30


@dataclass(frozen=True)
class ResourceProfile:
    """Share of a GPU that one trial uses.

    Attributes:
        memory: share of the GPU's memory at the trial's peak, the CUDA context of its process included.
        busy: share of the time in which the GPU computes.
    """

    memory: float
    busy: float

    @property
    def trials_per_gpu(self) -> int:
        """Number of such trials to run on one GPU: all fit its memory, and no more than keep it busy."""
        return max(1, min(self.fitting, round(1 / self.busy), MAX_TRIALS_PER_GPU))

    @property
    def fitting(self) -> int:
        """Number of such trials that fit the memory of one GPU."""
        return max(1, int(MEMORY_HEADROOM / self.memory))


class Profiler(Protocol):
    """Measures the use of a GPU while a function runs."""

    def memory(self, work: Callable[[], None]) -> float:
        """Run a function; return the largest share of the GPU's memory that the process uses meanwhile."""

    def busy(self, work: Callable[[], None]) -> float:
        """Run a function; return the share of its time in which the GPU computes."""


class CudaProfiler:
    """`Profiler` that reads PyTorch's memory counters and profiler.

    Args:
        device: device such as ``cuda:0``; no other process may use it while it is measured.
    """

    def __init__(self, device: str) -> None:
        self._device = torch.device(device)

    def memory(self, work: Callable[[], None]) -> float:
        """Run a function and measure the memory that this process uses, its CUDA context included.

        Returns:
            The peak, as a share of the GPU's memory.
        """
        torch.cuda.reset_peak_memory_stats(self._device)
        work()
        torch.cuda.synchronize(self._device)
        free, total = torch.cuda.mem_get_info(self._device)
        context = total - free - torch.cuda.memory_reserved(self._device)
        return float((context + torch.cuda.max_memory_reserved(self._device)) / total)

    def busy(self, work: Callable[[], None]) -> float:
        """Run a function and measure how long kernels run on the GPU.

        Returns:
            The share of the function's time in which at least one kernel runs.
        """
        torch.cuda.synchronize(self._device)
        with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as profile:
            started = time.perf_counter()
            work()
            torch.cuda.synchronize(self._device)
            seconds = time.perf_counter() - started
        kernels = [
            (event.time_range.start, event.time_range.end)
            for event in profile.events()
            if event.device_type == DeviceType.CUDA
        ]
        return min(1.0, interval_union(kernels) / 1e6 / seconds)


def interval_union(intervals: list[tuple[float, float]]) -> float:
    """Total length of the union of intervals, given as pairs of start and end."""
    total, reached = 0.0, -float("inf")
    for start, end in sorted(intervals):
        total += max(0.0, end - max(start, reached))
        reached = max(reached, end)
    return total


def profile_trial(
    task: Task,
    data: EncodedTask,
    used: NDArray[np.int64],
    encoder: Encoder,
    training: TrainingConfig,
    usual_batch_size: int,
    seed: int,
    profiler: Profiler,
    distributed: DistributedContext,
) -> ResourceProfile:
    """Train a few steps and measure them: memory with the largest batch of the longest rows, time with usual ones.

    The process is configured as a worker's (`gluetune.training.configure_process`).

    Args:
        task: task to fine-tune on.
        data: its rows.
        used: [tokens] ids of the tokens whose embeddings are trained, sorted; those of ``data`` are among them.
        encoder: pre-trained weights to start from.
        training: the most demanding hyperparameters of the search.
        usual_batch_size: rows per step when the time is measured.
        seed: seed of the trial.
        profiler: measures the GPU.
        distributed: this process, on a GPU of its own.

    Returns:
        The measured shares of the GPU's memory and time.

    Raises:
        torch.OutOfMemoryError: one trial alone does not fit the memory.
    """
    configure_process(distributed)
    trainer = TrialTrainer(task, data, encoder, training, seed, distributed, used)
    longest = np.argsort(data.train.lengths)[-training.batch_size :]
    longest_selection = data.selection.select(np.argsort(data.selection.lengths)[-training.eval_batch_size :])
    usual = itertools.cycle(batch[:usual_batch_size] for batch in trainer.plan.batches())
    bf16 = use_bf16(training.bf16, distributed)

    def worst_case_step() -> None:
        for _ in range(2):  # the first step allocates the optimizer's moments
            trainer.train_step(longest)
        predict_logits(trainer.model, longest_selection, training.eval_batch_size, distributed, bf16=bf16)

    def steps(count: int) -> None:
        for batch in itertools.islice(usual, count):
            trainer.train_step(batch)

    memory = profiler.memory(worst_case_step)
    steps(WARMUP_STEPS)
    return ResourceProfile(memory, profiler.busy(lambda: steps(MEASURED_STEPS)))
