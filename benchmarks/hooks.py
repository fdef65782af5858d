"""What each hook of `gluetune.internals` into torch and transformers gains: CPU time of a step with it and without it.

``python -m benchmarks.hooks`` trains the batches of one task several times side by side, each time without another
hook, in random order within each batch, with one thread. CPU time is compared because it depends less than the time on
the clock on what else a machine does. The hook into Ray Train is measured by comparison 11, started once with
``GLUETUNE_INTERNALS=off``.
"""

from __future__ import annotations

import argparse
import random
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import torch

from benchmarks.baselines.work import single_worker
from benchmarks.comparison import BenchmarkConfig, compact_encoder, minilm_encoder
from gluetune.config import DataConfig, ModelConfig, TrainingConfig
from gluetune.data import EncodedTask, encode_rows, open_source
from gluetune.internals.guard import Hook
from gluetune.internals.transformers_hooks import cls_only_hook, padding_free_hook
from gluetune.models import load_encoder, load_tokenizer
from gluetune.tasks import get_task
from gluetune.training.trainer import TrialTrainer

FAMILY = "bert"  # of both encoders
HOOKS = {"padding": padding_free_hook(FAMILY), "last layer": cls_only_hook(FAMILY)}
WARM_UP = 2  # steps


def measure(task_name: str, model: str, rows: int, steps: int, glue_dir: str | None) -> dict[str, list[float]]:
    """Train the same batches with all hooks, without each, and without any.

    Args:
        task_name: the task.
        model: folder of the encoder.
        rows: number of training rows.
        steps: number of steps.
        glue_dir: the official GLUE folder; ``None`` for the generated data.

    Returns:
        CPU seconds of each step after the first few, by what is left out.
    """
    task = get_task(task_name)
    config = DataConfig(source="dir", dir=glue_dir) if glue_dir else DataConfig()
    examples = open_source(config).load(task, "train").take(np.arange(rows))
    encoded = encode_rows(examples, task, load_tokenizer(ModelConfig(name_or_path=model)), 128)
    data, encoder = (
        EncodedTask(task, encoded, encoded, {}, "benchmark"),
        load_encoder(ModelConfig(name_or_path=model)),
    )
    variants = {"nothing": (), **{name: (hook,) for name, hook in HOOKS.items()}, "all": tuple(HOOKS.values())}
    trainers: dict[str, Any] = {}
    for name, hooks in variants.items():
        with without(hooks):
            trainers[name] = TrialTrainer(task, data, encoder, TrainingConfig(max_steps=steps), 1, single_worker())
    seconds: dict[str, list[float]] = {name: [] for name in variants}
    shuffled = random.Random(0)
    for number, batch in enumerate(trainers["nothing"].plan.batches()):
        for name in shuffled.sample(list(variants), len(variants)):
            with without(variants[name]):
                began = time.process_time()
                trainers[name].train_step(batch)
            if number >= WARM_UP:
                seconds[name].append(time.process_time() - began)
    return seconds


def without(hooks: Iterable[Hook]) -> Any:
    """Have these hooks take their fallbacks within a block."""
    names, usable = {hook.name for hook in hooks}, Hook.usable
    return patch.object(Hook, "usable", lambda hook: hook.name not in names and usable(hook))


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--task", default="cola")
    parser.add_argument("--rows", type=int, default=256)
    parser.add_argument("--steps", type=int, default=64)
    parser.add_argument("--data-dir", help="the official GLUE folder (default: the generated data)")
    given = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as scratch:
        models = {"compact": compact_encoder(), "MiniLM-size": minilm_encoder(BenchmarkConfig(Path(scratch)))}
        for size, model in models.items():
            seconds = measure(given.task, model, given.rows, given.steps, given.data_dir)
            whole = sum(seconds["nothing"])
            for name, values in seconds.items():
                mean = 1e3 * sum(values) / len(values)
                print(f"{size}, {given.task}: without {name}: {mean:.1f} ms per step ({sum(values) / whole:.3f}×)")


if __name__ == "__main__":
    main()
