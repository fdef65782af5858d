"""Shared parts of the programs that measure training speed, each in a process of its own.

All train the same rows for the same epochs, of which all but the first are measured, with all cores and in the same
precision.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Callable
from dataclasses import dataclass

import torch

from benchmarks.baselines.work import Work
from benchmarks.programs import peak_memory_mb
from gluetune.tasks import Task, get_task
from gluetune.training import DistributedContext

WARM_UP = 1  # epochs


@dataclass(frozen=True)
class Speed:
    """The measured part of a training.

    Attributes:
        examples: rows trained on.
        tokens: their tokens, padding not counted.
        seconds: from the first step to the end of the last one.
    """

    examples: int
    tokens: int
    seconds: float

    def figures(self) -> dict[str, float]:
        """Return the comparison's figures, with the process's peak memory: the GPU's where there is one."""
        peak = torch.cuda.max_memory_allocated() / 1e6 if torch.cuda.is_available() else peak_memory_mb()
        return {"examples/s": self.examples / self.seconds, "tokens/s": self.tokens / self.seconds, "peak memory": peak}


def single_worker() -> DistributedContext:
    """Return the context of a single worker, on the GPU where there is one."""
    return DistributedContext(device="cuda:0" if torch.cuda.is_available() else "cpu")


def argument_parser() -> argparse.ArgumentParser:
    """Make a parser with the options that all programs have."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--work", required=True, help="file of Work.save")
    parser.add_argument("--task", required=True)
    return parser


def print_speed(options: argparse.Namespace, measure: Callable[[Work, Task], Speed]) -> None:
    """Measure with all cores and print the figures."""
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    print(json.dumps(measure(Work.load(options.work), get_task(options.task)).figures()))
