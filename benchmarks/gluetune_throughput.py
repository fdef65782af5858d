"""Measures gluetune's training speed on one task, in a process of its own; prints it as JSON."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.baselines.work import WARM_UP, Speed, Work, argument_parser, print_speed, single_worker
from gluetune.config import ModelConfig, TrainingConfig
from gluetune.data import EncodedRows, EncodedTask, Examples, encode_rows
from gluetune.events import Evaluation
from gluetune.models import load_encoder, load_tokenizer
from gluetune.tasks import Task
from gluetune.training import configure_process, train_trial


def measure_gluetune(work: Work, task: Task) -> Speed:
    """Train with one worker, without Ray; the epochs' times are those that `train_trial` reports."""
    data = EncodedTask(
        task, encode_work(work, task, work.train), encode_work(work, task, work.selection), {}, "benchmark"
    )
    evaluations: list[Evaluation] = []

    def report(evaluation: Evaluation) -> bool:
        evaluations.append(evaluation)
        return True

    configure_process(single_worker())
    train_trial(
        task,
        data,
        load_encoder(ModelConfig(name_or_path=work.model)),
        TrainingConfig(**work.points[0]),
        work.seed,
        report=report,
        distributed=single_worker(),
    )
    measured = evaluations[WARM_UP:]
    return Speed(
        sum(epoch.train_examples for epoch in measured),
        sum(epoch.train_tokens for epoch in measured),
        sum(epoch.train_seconds for epoch in measured),
    )


def encode_work(work: Work, task: Task, rows: dict[str, list[Any]]) -> EncodedRows:
    """Tokenize rows of the work."""
    texts = {name: rows[name] for name in task.columns}
    examples = Examples(task.name, "train", texts, np.array(rows["label"]), "benchmark")
    return encode_rows(examples, task, load_tokenizer(ModelConfig(name_or_path=work.model)), work.max_seq_length)


if __name__ == "__main__":
    print_speed(argument_parser().parse_args(), measure_gluetune)
