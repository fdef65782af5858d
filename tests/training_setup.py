"""A tiny encoder and generated rows that it can learn, for the tests that train."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from transformers import BertConfig, BertModel

from gluetune.config import TrainingConfig
from gluetune.data import EncodedRows, EncodedTask
from gluetune.data.examples import Labels
from gluetune.events import Evaluation
from gluetune.models import Encoder
from gluetune.storage import Storage
from gluetune.tasks import Task
from gluetune.tasks.metrics import metrics_for
from gluetune.tasks.task import Problem
from gluetune.training import Checkpoints, DistributedContext, train_trial

VOCABULARY = 60
SIGNAL = 7  # the token that decides the label


def tiny_encoder(dropout: float = 0.0, vocabulary: int = VOCABULARY, layers: int = 2) -> Encoder:
    config = BertConfig(
        vocab_size=vocabulary,
        hidden_size=16,
        num_hidden_layers=layers,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=32,
        hidden_dropout_prob=dropout,
        attention_probs_dropout_prob=dropout,
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = BertModel(config)
    return Encoder("tiny", config.to_dict(), {f"bert.{name}": t.numpy() for name, t in model.state_dict().items()})


def own_task(problem: Problem, num_labels: int = 3, primary: str = "") -> Task:
    """A task of the user, with all metrics that fit."""
    labels = () if problem == "regression" else tuple(f"class{number}" for number in range(num_labels))
    names = metrics_for(problem, num_labels, primary)
    return Task("own", "Own", ("text",), labels, names, names[0], layouts={}, problem=problem)


def rows(task: Task, count: int, seed: int) -> EncodedRows:
    """Random rows of 4 to 20 tokens; the share of `SIGNAL` is the label, or how many labels a row has."""
    generator = np.random.default_rng(seed)
    lengths = generator.integers(4, 21, count)
    shares = generator.random(count)
    ids = [
        np.where(generator.random(n) < share, SIGNAL, generator.integers(8, VOCABULARY, n))
        for n, share in zip(lengths, shares, strict=True)
    ]
    cuts = np.arange(1, task.num_labels + 1) / (task.num_labels + 1)
    labels: dict[Problem, Labels] = {
        "single_label": (shares * task.num_labels).astype(np.int64),
        "multi_label": (shares[:, None] > cuts).astype(np.float32),
        "regression": (5 * shares).astype(np.float32),
    }
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    return EncodedRows(
        np.concatenate(ids).astype(np.int32), offsets, (lengths // 2).astype(np.int32), labels[task.problem], 0, True
    )


def task_data(task: Task, train: int = 65, selection: int = 21) -> EncodedTask:
    """65 rows and batches of 8 leave a last batch of one row."""
    return EncodedTask(task, rows(task, train, 1), rows(task, selection, 2), {}, "generated for a test")


def run_trial(
    task: Task,
    training: TrainingConfig,
    folder: Path,
    *,
    seed: int = 3,
    dropout: float = 0.0,
    stop_after: int | None = None,
    distributed: DistributedContext = DistributedContext(),
    vocabulary: int = VOCABULARY,
    layers: int = 2,
) -> tuple[list[Evaluation], Checkpoints]:
    """Run or resume a trial; ``stop_after`` ends it at that evaluation."""
    checkpoints = Checkpoints(Storage(str(folder)), "trial")
    evaluations: list[Evaluation] = []

    def report(evaluation: Evaluation) -> bool:
        evaluations.append(evaluation)
        return evaluation.index != stop_after

    train_trial(
        task,
        task_data(task),
        tiny_encoder(dropout, vocabulary, layers),
        training,
        seed,
        report=report,
        checkpoints=checkpoints,
        distributed=distributed,
    )
    return evaluations, checkpoints


def numbers(evaluation: Evaluation) -> tuple[object, ...]:
    """What must be the same in the same trial: everything but the clock."""
    return (
        evaluation.index,
        evaluation.step,
        evaluation.epoch,
        evaluation.score,
        evaluation.metrics,
        evaluation.eval_loss,
        evaluation.train_loss,
        evaluation.learning_rate,
        evaluation.train_examples,
        evaluation.train_tokens,
    )
