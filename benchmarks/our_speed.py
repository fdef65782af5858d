"""Training on one task with gluetune's training room, in a process of its own; prints its speed as JSON."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.baselines.work import Work
from benchmarks.speed import WARM_UP, Speed, arguments, distributed_context, print_speed
from gluetune.config import ModelConfig, TrainingConfig
from gluetune.data import EncodedRows, EncodedTask, Examples, encode_rows
from gluetune.models import load_encoder, load_tokenizer
from gluetune.tasks import Task
from gluetune.training import Evaluation, fine_tune


def measure(work: Work, task: Task) -> Speed:
    """One worker, no Ray; epochs as `fine_tune` itself reports them."""
    data = EncodedTask(task.name, encoded(work, task, work.train), encoded(work, task, work.selection), {}, "benchmark")
    told: list[Evaluation] = []

    def report(evaluation: Evaluation) -> bool:
        told.append(evaluation)
        return True

    fine_tune(
        task,
        data,
        load_encoder(ModelConfig(name_or_path=work.model)),
        TrainingConfig(**work.points[0]),
        work.seed,
        report=report,
        distributed=distributed_context(),
    )
    measured = told[WARM_UP:]
    return Speed(
        sum(epoch.train_examples for epoch in measured),
        sum(epoch.train_tokens for epoch in measured),
        sum(epoch.train_seconds for epoch in measured),
    )


def encoded(work: Work, task: Task, rows: dict[str, list[Any]]) -> EncodedRows:
    """Rows of the work, tokenised."""
    texts = {name: rows[name] for name in task.columns}
    examples = Examples(task.name, "train", texts, np.array(rows["label"]), "benchmark")
    return encode_rows(examples, task, load_tokenizer(ModelConfig(name_or_path=work.model)), work.max_seq_length)


if __name__ == "__main__":
    print_speed(arguments().parse_args(), measure)
