"""When two configurations train the same, and which searched fields cannot matter at all."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from gluetune.config.space import Choice, SearchSpace, Value
from gluetune.config.training import TrainingConfig

COMPUTATION = frozenset(
    {"gradient_accumulation_steps", "eval_batch_size", "logging_steps", "torch_compile", "torch_compile_mode"}
)
"""Training fields that say how a trial is computed and reported. None of them changes what is trained."""
DEPENDENT = COMPUTATION | {
    "batch_size",
    "num_train_epochs",
    "max_steps",
    "lr_scheduler_type",
    "warmup_ratio",
    "warmup_steps",
    "evals_per_epoch",
    "head",
    "head_hidden_size",
    "pooling",
    "freeze_embeddings",
    "freeze_layers",
}
"""Training fields whose effect depends on other fields, on the number of rows or on the encoder. Two values of any
other field always train differently."""


@dataclass(frozen=True, slots=True)
class TaskFacts:
    """What decides, beside a configuration, what a trial of a task trains.

    Attributes:
        rows: training rows; ``None`` where they are not known: then epochs are compared, not steps.
        nsp_is_default: whether head ``nsp`` on the ``[CLS]`` token is the encoder family's own head (BERT, ALBERT).
    """

    rows: int | None = None
    nsp_is_default: bool = False


def trained(training: Mapping[str, Any], facts: TaskFacts) -> Hashable:
    """What a configuration's `DEPENDENT` fields make of a trial: equal for configurations that train the same.

    Optimizer steps stand for epochs, warm-up steps for a ratio; fields without effect are left out.

    Args:
        training: all fields of a `TrainingConfig`.
        facts: the task's rows and the encoder's head.
    """
    return *_course(training, facts.rows), *_head(training, facts), *_frozen(training)


def _course(training: Mapping[str, Any], rows: int | None) -> Iterator[Hashable]:
    """Batches, steps, evaluations and the learning rate's course; as `gluetune.training.StepPlan` counts them."""
    size, evaluations = training["batch_size"], training["evals_per_epoch"]
    per_epoch = None if rows is None else math.ceil(rows / size)
    total = training["max_steps"] or (per_epoch and math.ceil(training["num_train_epochs"] * per_epoch))
    yield size if rows is None else min(size, rows)
    yield ("steps", total) if total else ("epochs", training["num_train_epochs"])
    if per_epoch is None or total is None:
        yield evaluations
    else:
        count = math.ceil(total * evaluations / per_epoch)
        yield frozenset(min(math.ceil(k * per_epoch / evaluations), total) for k in range(1, count + 1))
    yield from _schedule(training, total)


def _schedule(training: Mapping[str, Any], total: int | None) -> Iterator[Hashable]:
    kind, steps, ratio = (training[name] for name in ("lr_scheduler_type", "warmup_steps", "warmup_ratio"))
    if steps is None and (total or not ratio):
        steps = math.ceil(ratio * (total or 0))
    if kind == "constant" or (kind == "constant_with_warmup" and steps == 0):
        yield "constant"
    else:
        yield kind
        yield ("ratio", ratio) if steps is None else ("steps", steps)


def _head(training: Mapping[str, Any], facts: TaskFacts) -> Iterator[Hashable]:
    head, pooling = training["head"], training["pooling"]
    on_cls = pooling in ("default", "cls")
    if head == "default" or (head == "nsp" and on_cls and facts.nsp_is_default):
        yield "default"
        return
    yield head
    yield "cls" if on_cls else pooling
    if head == "mlp":
        yield training["head_hidden_size"]


def _frozen(training: Mapping[str, Any]) -> Iterator[Hashable]:
    yield training["freeze_layers"]
    yield bool(training["freeze_embeddings"] or training["freeze_layers"])


def idle_fields(space: SearchSpace, training: TrainingConfig) -> dict[str, str]:
    """Searched fields that no value of changes what is trained, whatever the other fields are, and why in words.

    Args:
        space: the search space.
        training: the job's settings beside it.
    """
    found = overruled(space, training)
    return {field: found[field] for field in space.space if found.get(field)}


def overruled(space: SearchSpace, training: TrainingConfig) -> dict[str, str]:
    """Fields that change nothing in a job, because nothing uses them or another one goes before them; why in words.

    Args:
        space: the search space.
        training: the job's settings beside it.
    """
    may_be = partial(_possible, space, space.resolve(training))
    found = without_effect(space, training) | {
        "num_train_epochs": "max_steps goes before it" if may_be("max_steps") != (None,) else "",
        "freeze_embeddings": "freeze_layers freezes them too" if 0 not in may_be("freeze_layers") else "",
    }
    if may_be("warmup_steps") != (None,):
        found["warmup_ratio"] = found["warmup_ratio"] or "warmup_steps goes before it"
    return {field: why for field, why in found.items() if why}


def without_effect(space: SearchSpace, training: TrainingConfig) -> dict[str, str]:
    """Fields that nothing uses in a job, and why in words; empty words for those that something may use.

    Fields that another one goes before are not among them: a flag may go before a file's.

    Args:
        space: the search space.
        training: the job's settings beside it.
    """
    may_be = partial(_possible, space, space.resolve(training))
    no_warmup = "lr_scheduler_type constant has no warm-up" if set(may_be("lr_scheduler_type")) == {"constant"} else ""
    return {
        "warmup_steps": no_warmup,
        "warmup_ratio": no_warmup,
        "head_hidden_size": "only head mlp has it" if "mlp" not in may_be("head") else "",
        "torch_compile_mode": "torch_compile is off" if True not in may_be("torch_compile") else "",
    }


def _possible(space: SearchSpace, fixed: TrainingConfig, field: str) -> tuple[Value | None, ...]:
    """Values that a field may have in a search; the ends of a range."""
    spec = space.space.get(field)
    if spec is None:
        return (getattr(fixed, field),)
    return spec.values if isinstance(spec, Choice) else (spec.low, spec.high)


def without_idle_fields(space: SearchSpace, training: TrainingConfig) -> SearchSpace:
    """The search space without its `idle_fields`; points that then are the same are one."""
    idle = idle_fields(space, training)
    if not idle:
        return space
    points: list[dict[str, Value]] = []
    for point in space.points:
        left = {field: value for field, value in point.items() if field not in idle}
        if left and left not in points:
            points.append(left)
    fields = {field: spec for field, spec in space.space.items() if field not in idle}
    return space.model_copy(update={"space": fields, "points": tuple(points)})
