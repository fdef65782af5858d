"""The work of a contender, in a file, and the speed that programs measure on it, each in a process of its own.

All train the same rows for the same epochs, of which all but the first are measured, with all cores and in the same
precision.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.programs import peak_memory_mb
from gluetune.tasks import Task, get_task

if TYPE_CHECKING:
    from gluetune.training import DistributedContext


@dataclass(frozen=True)
class Work:
    """A grid on one task of single sentences.

    Attributes:
        model: the encoder's folder or name.
        train: training rows: ``sentence`` and ``label``.
        selection: rows to evaluate on after every epoch, in the same form.
        num_labels: number of classes.
        max_seq_length: most tokens per row.
        seed: of heads, data orders and dropout.
        points: settings by name of `gluetune.config.TrainingConfig`, one mapping per trial.
    """

    model: str
    train: dict[str, list[Any]]
    selection: dict[str, list[Any]]
    num_labels: int
    max_seq_length: int
    seed: int
    points: list[dict[str, Any]]

    def save(self, file: Path) -> Path:
        """Write it as JSON; return the file."""
        file.write_text(json.dumps(asdict(self)))
        return file

    @classmethod
    def load(cls, file: str | Path) -> Work:
        """Read a file that `save` wrote."""
        return cls(**json.loads(Path(file).read_text()))


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
        import torch  # not by those that only read the work

        peak = torch.cuda.max_memory_allocated() / 1e6 if torch.cuda.is_available() else peak_memory_mb()
        return {"examples/s": self.examples / self.seconds, "tokens/s": self.tokens / self.seconds, "peak memory": peak}


def single_worker() -> DistributedContext:
    """Return the context of a single worker, on the GPU where there is one."""
    import torch

    from gluetune.training import DistributedContext

    return DistributedContext(device="cuda:0" if torch.cuda.is_available() else "cpu")


def argument_parser() -> argparse.ArgumentParser:
    """Make a parser with the options that all programs have."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--work", required=True, help="file of Work.save")
    parser.add_argument("--task", required=True)
    return parser


def print_speed(options: argparse.Namespace, measure: Callable[[Work, Task], Speed]) -> None:
    """Measure with all cores and print the figures."""
    import torch

    torch.set_num_threads(len(os.sched_getaffinity(0)))
    print(json.dumps(measure(Work.load(options.work), get_task(options.task)).figures()))
