"""Predictions and scores, shared out among the workers."""

from __future__ import annotations

import time
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from gluetune.data import EncodedRows
from gluetune.errors import DivergedError
from gluetune.tasks import Task, metrics
from gluetune.training.distributed import DistributedContext
from gluetune.training.memory import free, out_of_memory
from gluetune.training.padding_free import model_inputs

_CPU_TOKENS = 1024


@dataclass(frozen=True)
class Scores:
    """What one pass over labelled rows gave."""

    score: float
    metrics: dict[str, float]
    loss: float
    seconds: float


def predict(
    model: nn.Module,
    encoded: EncodedRows,
    batch_size: int,
    distributed: DistributedContext = DistributedContext(),
    *,
    bf16: bool = False,
) -> np.ndarray:
    """Runs a model over rows.

    Rows are batched by length, longest first, and the batches dealt out to the workers: their make-up, and so every
    logit, does not depend on the number of workers. On a CPU a batch holds about a thousand tokens: more at a time are
    no faster there, and rows of fewer lengths share one. Where a batch does not fit the memory, it and all later ones
    are halved.

    Args:
        model: on ``distributed.device``; its mode is kept.
        encoded: the rows.
        batch_size: most rows per batch and worker.
        distributed: the workers; each must call this.
        bf16: whether to compute in bfloat16.

    Returns:
        fp32 logits ``[rows, num_labels]`` in row order, the same on every worker.
    """
    waiting = longest_first(encoded.lengths, batch_size, None if distributed.cuda else _CPU_TOKENS)[
        distributed.rank :: distributed.world_size
    ]
    training = model.training
    model.eval()
    with torch.inference_mode():
        settings: Any = model.config
        logits = torch.zeros(len(encoded), settings.num_labels, device=distributed.device)
        while waiting:
            found = _logits(model, encoded, waiting[0], distributed, bf16)
            if found is None:
                free()
                waiting = _halved(waiting)
                continue
            logits[torch.from_numpy(waiting[0]).to(distributed.device)] = found.float()
            del waiting[0]
        distributed.all_reduce(logits)
    model.train(training)
    array: np.ndarray = logits.numpy(force=True)
    return array


def _logits(
    model: nn.Module, encoded: EncodedRows, rows: np.ndarray, distributed: DistributedContext, bf16: bool
) -> torch.Tensor | None:
    """A batch's logits; ``None`` where several rows do not fit the memory."""
    inputs = model_inputs(model, encoded, rows, distributed)
    inputs.pop("labels", None)
    try:
        with autocast(distributed, bf16):
            found: torch.Tensor = model(**inputs).logits
            return found
    except (RuntimeError, MemoryError) as error:
        if not out_of_memory(error) or len(rows) == 1:
            raise
    return None


def _halved(batches: list[np.ndarray]) -> list[np.ndarray]:
    """The rows of batches, split anew into batches of at most half the size of the first one."""
    most = len(batches[0]) // 2
    return [part for batch in batches for part in np.array_split(batch, -(-len(batch) // most))]


def longest_first(lengths: np.ndarray, batch_size: int, tokens: int | None) -> list[np.ndarray]:
    """Batches of rows of like length, the longest first, so that memory that does not suffice shows at once.

    Args:
        lengths: [rows] tokens per row.
        batch_size: most rows per batch.
        tokens: most tokens per batch of more than one row, padding included; ``None``: as many as there are.
    """
    order, batches = np.argsort(-lengths, kind="stable"), []
    while len(order):
        size = batch_size if tokens is None else max(1, min(batch_size, tokens // int(lengths[order[0]])))
        batches.append(order[:size])
        order = order[size:]
    return batches


def score(
    model: nn.Module, task: Task, encoded: EncodedRows, batch_size: int, distributed: DistributedContext, *, bf16: bool
) -> Scores:
    """Scores a model on labelled rows.

    Raises:
        DivergedError: a logit is not finite.
    """
    begun = time.monotonic()
    logits = predict(model, encoded, batch_size, distributed, bf16=bf16)
    if not np.isfinite(logits).all():
        raise DivergedError("logits must be finite, but some of this evaluation's are not")
    labels = encoded.labels
    assert labels is not None  # selection rows carry labels
    values = metrics.compute(task, logits, labels)
    loss = loss_sum(torch.from_numpy(logits), torch.from_numpy(np.array(labels)), task).item() / len(labels)
    return Scores(values[task.primary], values, loss, time.monotonic() - begun)


def loss_sum(logits: torch.Tensor, labels: torch.Tensor, task: Task) -> torch.Tensor:
    """Loss summed over rows, in fp32: squared error for regression, else cross-entropy.

    Args:
        logits: ``[rows, num_labels]``.
        labels: ``[rows]``.
        task: says which.
    """
    if task.regression:
        return functional.mse_loss(logits[:, 0].float(), labels, reduction="sum")
    return functional.cross_entropy(logits.float(), labels.long(), reduction="sum")  # torch takes no int32 classes


def right_answers(logits: torch.Tensor, labels: torch.Tensor, task: Task) -> torch.Tensor:
    """How many rows have their label's logit as the largest; 0 for regression.

    Args:
        logits: ``[rows, num_labels]``.
        labels: ``[rows]``.
        task: says which.
    """
    if task.regression:
        return torch.zeros((), device=logits.device)
    return (logits.detach().argmax(dim=1) == labels).sum()


def autocast(distributed: DistributedContext, bf16: bool) -> AbstractContextManager[object]:
    """bfloat16 where asked for; weights and losses stay fp32."""
    return torch.autocast("cuda" if distributed.cuda else "cpu", torch.bfloat16) if bf16 else nullcontext()
