"""Predictions and metrics of a model, with the rows distributed over the workers."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from gluetune.data import EncodedRows
from gluetune.errors import DivergedError
from gluetune.tasks import Task, metrics
from gluetune.training.distributed_context import DistributedContext, mixed_precision
from gluetune.training.memory import MicroBatches
from gluetune.training.speedups.padding_free import model_inputs

_CPU_TOKENS = 1024


@dataclass(frozen=True)
class EvalOutput:
    """Metrics of one pass over labelled rows.

    Attributes:
        score: by which trials are ranked: the task's primary metric, with its sign changed where less of it is better.
        metrics: values of all metrics of the task, by name.
        loss: mean over the rows of the loss that `loss_sum` sums, whatever loss was trained.
        seconds: duration of the pass.
    """

    score: float
    metrics: dict[str, float]
    loss: float
    seconds: float


def predict_logits(
    model: nn.Module,
    encoded: EncodedRows,
    batch_size: int,
    distributed: DistributedContext = DistributedContext(),
    *,
    bf16: bool = False,
) -> np.ndarray:
    """Compute the logits of all rows.

    Rows are batched by length, longest first, and the batches are distributed over the workers. The composition of
    the batches, and so every logit, does not depend on the number of workers. On a CPU a batch holds about a thousand
    tokens: larger batches are no faster there, and smaller ones need less padding. If a batch does not fit the memory,
    it and all later batches are halved.

    Args:
        model: model on ``distributed.device``; its training mode is restored.
        encoded: the rows.
        batch_size: maximum number of rows per batch and worker.
        distributed: this worker; every worker must call this function.
        bf16: whether to compute in bfloat16.

    Returns:
        fp32 logits ``[rows, num_labels]`` in row order, the same on every worker.

    Raises:
        torch.OutOfMemoryError: a single row does not fit the memory.
    """
    tokens = None if distributed.cuda else _CPU_TOKENS
    batches = length_sorted_batches(encoded.lengths, batch_size, tokens)[distributed.rank :: distributed.world_size]
    training = model.training
    model.eval()
    with torch.inference_mode():
        settings: Any = model.config
        logits = torch.zeros(len(encoded), settings.num_labels, device=distributed.device)

        def predict(micro_batches: list[np.ndarray]) -> None:
            for rows in micro_batches:
                inputs = model_inputs(model, encoded, rows, distributed)
                inputs.pop("labels", None)
                with mixed_precision(distributed, bf16):
                    computed: torch.Tensor = model(**inputs).logits
                logits[torch.from_numpy(rows).to(distributed.device)] = computed.float()

        halving = MicroBatches()
        for batch in batches:
            halving.run(batch, predict)
        distributed.all_reduce(logits)
    model.train(training)
    array: np.ndarray = logits.numpy(force=True)
    return array


def length_sorted_batches(lengths: np.ndarray, batch_size: int, tokens: int | None) -> list[np.ndarray]:
    """Batch rows of similar length, the longest first, so that a lack of memory shows in the first batch.

    Args:
        lengths: [rows] tokens per row.
        batch_size: maximum number of rows per batch.
        tokens: maximum number of tokens per batch of more than one row, padding included; ``None``: no limit.

    Returns:
        Row numbers of each batch.
    """
    order, batches = np.argsort(-lengths, kind="stable"), []
    while len(order):
        size = batch_size if tokens is None else max(1, min(batch_size, tokens // int(lengths[order[0]])))
        batches.append(order[:size])
        order = order[size:]
    return batches


def evaluate_rows(
    model: nn.Module, task: Task, encoded: EncodedRows, batch_size: int, distributed: DistributedContext, *, bf16: bool
) -> EvalOutput:
    """Compute the metrics of a model on labelled rows.

    Args:
        model: model on ``distributed.device``; its training mode is restored.
        task: gives the metrics and the loss.
        encoded: labelled rows.
        batch_size: maximum number of rows per batch and worker.
        distributed: this worker; every worker must call this function and gets the same output.
        bf16: whether to compute in bfloat16.

    Raises:
        DivergedError: a logit is not finite.
    """
    started = time.monotonic()
    logits = predict_logits(model, encoded, batch_size, distributed, bf16=bf16)
    if not np.isfinite(logits).all():
        raise DivergedError("logits must be finite, but some of this evaluation's are not")
    labels = encoded.labels
    assert labels is not None  # selection rows are labelled
    values = metrics.compute_metrics(task, logits, labels)
    score = metrics.score_sign(task.primary) * values[task.primary]
    loss = loss_sum(torch.from_numpy(logits), torch.from_numpy(np.array(labels)), task).item() / len(labels)
    return EvalOutput(score, values, loss, time.monotonic() - started)


def loss_sum(logits: torch.Tensor, labels: torch.Tensor, task: Task) -> torch.Tensor:
    """Sum the loss over rows, in fp32: squared error for regression, else cross-entropy.

    That of a row of a multi-label task is the mean over the classes of their binary cross-entropies, as in
    transformers' models with the ``problem_type`` ``multi_label_classification``.

    Args:
        logits: ``[rows, num_labels]``.
        labels: ``[rows]`` class ids, or numbers for regression; ``[rows, num_labels]`` 0 and 1 for multi-label.
        task: the task of the labels.

    Returns:
        A scalar.
    """
    if task.multi_label:
        return functional.binary_cross_entropy_with_logits(logits.float(), labels, reduction="sum") / logits.shape[1]
    if task.regression:
        return functional.mse_loss(logits[:, 0].float(), labels, reduction="sum")
    return functional.cross_entropy(logits.float(), labels.long(), reduction="sum")  # torch takes no int32 classes


def count_correct(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Count the rows that are classified correctly; those of a multi-label task, in every class.

    Args:
        logits: ``[rows, num_labels]``.
        labels: ``[rows]`` class ids, or ``[rows, num_labels]`` 0 and 1.

    Returns:
        A scalar, fp32.
    """
    if labels.dim() == 2:
        return ((logits.detach() > 0) == labels.bool()).all(dim=1).sum(dtype=torch.float32)
    return (logits.detach().argmax(dim=1) == labels).sum(dtype=torch.float32)
