"""When two configurations train the same model, and which fields of a job or search space have no effect."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from gluetune.config.space import Choice, SearchSpace, Value
from gluetune.config.training import TrainingConfig, sorted_names

COMPUTATION_FIELDS = frozenset(
    {
        "gradient_accumulation_steps",
        "gradient_checkpointing",
        "eval_batch_size",
        "logging_steps",
        "speedups",
        "torch_compile",
        "torch_compile_mode",
    }
)
"""Training fields of how a trial is computed and reported. None of them changes the trained model."""
LORA_FIELDS = ("lora_rank", "lora_alpha", "lora_dropout", "lora_target_modules", "lora_bias")
"""Training fields that only adapter ``lora`` uses."""
DEPENDENT_FIELDS = COMPUTATION_FIELDS | {
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
    "loss",
    "focal_gamma",
    "patience",
    "min_delta",
    "weight_average",
    "ema_decay",
    "adapter",
    *LORA_FIELDS,
}
"""Training fields whose effect depends on other fields, on the number of rows or on the encoder. With two values of any
other field, the trained models always differ."""


@dataclass(frozen=True, slots=True)
class TaskFacts:
    """Properties of a task and an encoder that decide, beside the configuration, what a trial trains.

    Attributes:
        rows: number of training rows; ``None`` where it is not known: epochs are then compared, not steps.
        nsp_is_default: whether head ``nsp`` on the ``[CLS]`` token is the default head of the encoder's family (BERT,
            ALBERT).
        lora_auto: the value of ``lora_target_modules`` that names the layers of ``auto``; empty where it is not known.
    """

    rows: int | None = None
    nsp_is_default: bool = False
    lora_auto: str = ""


def equivalence_key(training: Mapping[str, Any], facts: TaskFacts) -> Hashable:
    """Return what a trial trains, as far as `DEPENDENT_FIELDS` decide it: equal for configurations that train the same.

    Epochs are converted to optimizer steps and a warm-up ratio to warm-up steps; fields without effect are left out.

    Args:
        training: all fields of a `TrainingConfig`.
        facts: the task's rows and the encoder's head.
    """
    return (
        *_steps(training, facts.rows),
        *_head(training, facts),
        *_adapter(training, facts),
        *_frozen(training),
        _focus(training),
        *_evaluated_weights(training, facts.rows),
    )


def _steps(training: Mapping[str, Any], rows: int | None) -> Iterator[Hashable]:
    """Yield batches, steps, evaluations and the schedule, as `gluetune.training.plan.StepPlan` counts them."""
    size, (per_epoch, total) = training["batch_size"], _counts(training, rows)
    yield size if rows is None else min(size, rows)
    yield ("steps", total) if total else ("epochs", training["num_train_epochs"])
    yield training["evals_per_epoch"] if per_epoch is None else _evaluations(training, per_epoch, total or 0)
    yield from _schedule(training, total)


def _counts(training: Mapping[str, Any], rows: int | None) -> tuple[int | None, int | None]:
    """Return the steps of an epoch and of the trial, ``None`` where they follow from unknown rows."""
    per_epoch = None if rows is None else math.ceil(rows / training["batch_size"])
    return per_epoch, training["max_steps"] or (per_epoch and math.ceil(training["num_train_epochs"] * per_epoch))


def _evaluations(training: Mapping[str, Any], per_epoch: int, total: int) -> frozenset[int]:
    """Return the steps after which the trial is evaluated."""
    evaluations = training["evals_per_epoch"]
    count = math.ceil(total * evaluations / per_epoch)
    return frozenset(min(math.ceil(k * per_epoch / evaluations), total) for k in range(1, count + 1))


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


def _adapter(training: Mapping[str, Any], facts: TaskFacts) -> Iterator[Hashable]:
    yield training["adapter"]
    if training["adapter"] == "lora":
        targets = sorted_names(training["lora_target_modules"])
        yield facts.lora_auto or targets if targets == "auto" else targets
        yield from (training[field] for field in LORA_FIELDS if field != "lora_target_modules")


def _frozen(training: Mapping[str, Any]) -> Iterator[Hashable]:
    yield training["freeze_layers"]
    if training["adapter"] == "none" or training["lora_bias"] == "all":
        yield bool(training["freeze_embeddings"] or training["freeze_layers"])


def _focus(training: Mapping[str, Any]) -> Hashable:
    """Return the focal loss's gamma. With 0 it is the loss that ``auto`` is, the only other one that fits a task."""
    return training["focal_gamma"] if training["loss"] == "focal" else 0.0


def _evaluated_weights(training: Mapping[str, Any], rows: int | None) -> Iterator[Hashable]:
    """Yield after which evaluation training may end, and which weights are evaluated and saved."""
    per_epoch, total = _counts(training, rows)
    count = math.inf if per_epoch is None else len(_evaluations(training, per_epoch, total or 0))
    patience, several = training["patience"], training["weight_average"]
    yield (patience, training["min_delta"]) if patience is not None and patience + 1 < count else None
    if training["ema_decay"] is not None:
        yield "moving", training["ema_decay"]
    else:
        yield "last", min(several or 1, count)


def idle_fields(space: SearchSpace, training: TrainingConfig) -> dict[str, str]:
    """Return the searched fields of which no value changes the trained model, and the reason for each.

    Args:
        space: the search space.
        training: the job's settings beside it.
    """
    found = overridden_fields(space, training)
    return {field: found[field] for field in space.space if found.get(field)}


def overridden_fields(space: SearchSpace, training: TrainingConfig) -> dict[str, str]:
    """Return the fields that change nothing in a job, because nothing uses them or another field goes before them.

    Args:
        space: the search space.
        training: the job's settings beside it.
    """
    values_of = partial(possible_values, space, space.resolve(training))
    found = unused_fields(space, training) | {
        "num_train_epochs": "max_steps goes before it" if values_of("max_steps") != (None,) else "",
    }
    if values_of("ema_decay") != (None,):
        found["weight_average"] = "ema_decay goes before it"
    if 0 not in values_of("freeze_layers"):
        found["freeze_embeddings"] = found["freeze_embeddings"] or "freeze_layers freezes them too"
    if values_of("warmup_steps") != (None,):
        found["warmup_ratio"] = found["warmup_ratio"] or "warmup_steps goes before it"
    return {field: why for field, why in found.items() if why}


def unused_fields(space: SearchSpace, training: TrainingConfig) -> dict[str, str]:
    """Return the fields that may be without use in a job, with the reason; an empty reason where a field has a use.

    Fields that another field goes before are not among them: a flag may go before a field of the file.

    Args:
        space: the search space.
        training: the job's settings beside it.
    """
    values_of = partial(possible_values, space, space.resolve(training))
    constant = set(values_of("lr_scheduler_type")) == {"constant"}
    no_warmup = "lr_scheduler_type constant has no warm-up" if constant else ""
    no_lora = "only adapter lora has it" if "lora" not in values_of("adapter") else ""
    frozen = "none" not in values_of("adapter") and "all" not in values_of("lora_bias")
    return {
        "warmup_steps": no_warmup,
        "warmup_ratio": no_warmup,
        "head_hidden_size": "only head mlp has it" if "mlp" not in values_of("head") else "",
        "torch_compile_mode": "torch_compile is off" if True not in values_of("torch_compile") else "",
        "focal_gamma": "only loss focal has it" if "focal" not in values_of("loss") else "",
        "min_delta": "patience is not given" if values_of("patience") == (None,) else "",
        "freeze_embeddings": "adapter lora freezes them" if frozen else "",
        **dict.fromkeys(LORA_FIELDS, no_lora),
    }


def possible_values(space: SearchSpace, fixed: TrainingConfig, field: str) -> tuple[Value | None, ...]:
    """Return the values that a field may have in a search; of a range, its two ends.

    Args:
        space: the search space.
        fixed: the settings of fields that it does not vary.
        field: the field.
    """
    spec = space.space.get(field)
    if spec is None:
        return (getattr(fixed, field),)
    return spec.values if isinstance(spec, Choice) else (spec.low, spec.high)


def without_idle_fields(space: SearchSpace, training: TrainingConfig) -> SearchSpace:
    """Return the search space without its `idle_fields`; points that become equal are merged.

    In a space with several encoders, this is done to the space of each.
    """
    if space.encoders:
        parts = {name: without_idle_fields(part, training) for name, part in space.encoders.items()}
        return space.model_copy(update={"encoders": parts})
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
