"""Which configurations train the same, and which searched fields cannot matter."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest

from gluetune.config import SearchSpace, TaskFacts, TrainingConfig, check_fit, equivalence_key, idle_fields, parse_job
from gluetune.config.equivalence import without_idle_fields
from gluetune.errors import ConfigError

Fields = dict[str, Any]


def same(one: Fields, other: Fields, facts: TaskFacts = TaskFacts()) -> bool:  # noqa: B008
    first, second = (equivalence_key(TrainingConfig(**fields).model_dump(), facts) for fields in (one, other))
    return first == second


def space(fields: Fields, **rest: Any) -> SearchSpace:
    spec = {
        name: value if isinstance(value, dict) else {"type": "choice", "values": value}
        for name, value in fields.items()
    }
    return SearchSpace.model_validate({"name": "s", "space": spec, **rest})


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"max_steps": 30, "num_train_epochs": 1}, {"max_steps": 30, "num_train_epochs": 2}),
        ({"head_hidden_size": 64}, {"head_hidden_size": 128}),
        ({"head": "linear", "head_hidden_size": 64}, {"head": "linear"}),
        ({"head": "linear", "pooling": "default"}, {"head": "linear", "pooling": "cls"}),
        ({"warmup_steps": 5, "warmup_ratio": 0.1}, {"warmup_steps": 5, "warmup_ratio": 0.2}),
        ({"warmup_steps": 0}, {"warmup_ratio": 0}),
        ({"max_steps": 30, "warmup_ratio": 0.1}, {"max_steps": 30, "warmup_steps": 3}),
        ({"max_steps": 30, "warmup_ratio": 0.07}, {"max_steps": 30, "warmup_ratio": 0.1}),
        ({"lr_scheduler_type": "constant", "warmup_ratio": 0.1}, {"lr_scheduler_type": "constant", "warmup_steps": 9}),
        ({"lr_scheduler_type": "constant"}, {"lr_scheduler_type": "constant_with_warmup", "warmup_steps": 0}),
        ({"freeze_layers": 1}, {"freeze_layers": 1, "freeze_embeddings": True}),
        ({"gradient_accumulation_steps": 4, "eval_batch_size": 8, "logging_steps": 1}, {"torch_compile": True}),
        ({"speedups": "off"}, {"speedups": "auto"}),
        ({"lora_rank": 4, "lora_target_modules": "all-linear", "lora_bias": "all"}, {"gradient_checkpointing": True}),
        ({"adapter": "lora", "freeze_embeddings": True}, {"adapter": "lora"}),
    ],
)
def test_fields_without_effect_make_no_difference(one: Fields, other: Fields) -> None:
    assert same(one, other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"max_steps": 30}, {"max_steps": 31}),
        ({"num_train_epochs": 1}, {"num_train_epochs": 2}),
        ({"head": "mlp", "head_hidden_size": 64}, {"head": "mlp", "head_hidden_size": 128}),
        ({"head": "linear", "pooling": "mean"}, {"head": "linear", "pooling": "max"}),
        ({"head": "default"}, {"head": "nsp"}),
        ({"warmup_ratio": 0.1}, {"warmup_ratio": 0.2}),
        ({"warmup_steps": 1}, {"warmup_steps": 2}),
        ({"lr_scheduler_type": "linear"}, {"lr_scheduler_type": "cosine"}),
        ({"freeze_embeddings": True}, {}),
        ({"freeze_layers": 1}, {"freeze_layers": 2}),
        ({"batch_size": 16}, {"batch_size": 32}),
        ({"evals_per_epoch": 1}, {"evals_per_epoch": 2}),
        ({"adapter": "lora"}, {}),
        ({"adapter": "lora"}, {"adapter": "lora", "lora_rank": 4}),
        ({"adapter": "lora"}, {"adapter": "lora", "lora_target_modules": "query,value"}),
        ({"adapter": "lora", "lora_bias": "all"}, {"adapter": "lora", "lora_bias": "all", "freeze_embeddings": True}),
    ],
)
def test_fields_with_an_effect_make_a_difference(one: Fields, other: Fields) -> None:
    assert not same(one, other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"batch_size": 100}, {"batch_size": 200}),  # all rows in one batch
        ({"batch_size": 10, "num_train_epochs": 1.91}, {"batch_size": 10, "num_train_epochs": 2}),  # 20 steps
        ({"batch_size": 10, "num_train_epochs": 3}, {"batch_size": 10, "max_steps": 30}),
        ({"batch_size": 50, "evals_per_epoch": 2}, {"batch_size": 50, "evals_per_epoch": 4}),  # after each of two steps
    ],
)
def test_steps_are_compared_where_the_rows_are_known(one: Fields, other: Fields) -> None:
    assert same(one, other, TaskFacts(rows=100))
    assert not same(one, other)


def test_the_target_modules_of_an_adapter_are_compared_by_the_layers_that_they_name() -> None:
    one: Fields = {"adapter": "lora", "lora_target_modules": ["value", "query"]}
    assert same(one, {"adapter": "lora", "lora_target_modules": "query, value"})
    assert same(one, {"adapter": "lora"}, TaskFacts(lora_auto="query,value"))
    assert not same(one, {"adapter": "lora"}, TaskFacts(lora_auto="Wqkv"))


def test_a_missing_package_is_reported_before_anything_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "peft", None)  # as where it is not installed
    job, searched = parse_job(b"", "job.yaml"), space({"adapter": ["none", "lora"], "learning_rate": [1e-4]})
    for training, searched_or_not in ((TrainingConfig(), searched), (TrainingConfig(adapter="lora"), space({}))):
        with pytest.raises(ConfigError, match=r"peft.*pip install 'gluetune\[lora\]'"):
            check_fit(job.model_copy(update={"training": training}), searched_or_not)
    check_fit(job, space({"learning_rate": [1e-4]}))


def test_the_default_head_of_bert_is_the_next_sentence_head() -> None:
    one: Fields = {"head": "nsp", "pooling": "cls"}
    assert same(one, {"head": "default"}, TaskFacts(nsp_is_default=True))
    assert not same(one | {"pooling": "mean"}, {"head": "default"}, TaskFacts(nsp_is_default=True))


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"num_train_epochs": 0.37},
        {"max_steps": 17, "evals_per_epoch": 3},
        {"batch_size": 500, "evals_per_epoch": 9},
    ],
)
def test_steps_are_counted_as_training_plans_them(fields: Fields) -> None:
    from gluetune.training.plan import StepPlan

    training = TrainingConfig(**{"batch_size": 8, **fields})
    plan = StepPlan.make(np.full(77, 5), training, seed=1)
    found = equivalence_key(training.model_dump(), TaskFacts(rows=77))
    assert isinstance(found, tuple)
    assert ("steps", plan.total) in found
    assert plan.evaluations in found


@pytest.mark.parametrize(
    ("searched", "fixed", "idle"),
    [
        ({"num_train_epochs": [1, 2]}, {"max_steps": 30}, ["num_train_epochs"]),
        ({"num_train_epochs": [1, 2], "max_steps": [10, 20]}, {}, ["num_train_epochs"]),
        ({"warmup_ratio": [0, 0.1]}, {"warmup_steps": 3}, ["warmup_ratio"]),
        (
            {"warmup_ratio": {"type": "float", "low": 0, "high": 0.1}},
            {"lr_scheduler_type": "constant"},
            ["warmup_ratio"],
        ),
        ({"warmup_steps": [1, 2], "lr_scheduler_type": ["constant"]}, {}, ["warmup_steps"]),
        ({"head": ["linear", "nsp"], "head_hidden_size": [1, 2]}, {}, ["head_hidden_size"]),
        ({"freeze_embeddings": [True, False]}, {"freeze_layers": 1}, ["freeze_embeddings"]),
        ({"head": ["linear", "mlp"], "head_hidden_size": [1, 2]}, {}, []),
        ({"freeze_embeddings": [True, False], "freeze_layers": {"type": "int", "low": 0, "high": 2}}, {}, []),
        ({"warmup_steps": [1, 2], "lr_scheduler_type": ["constant", "linear"]}, {}, []),
        ({"lora_rank": [4, 8], "learning_rate": [1e-4, 1e-3]}, {}, ["lora_rank"]),
        ({"freeze_embeddings": [True, False]}, {"adapter": "lora"}, ["freeze_embeddings"]),
        ({"freeze_embeddings": [True, False]}, {"adapter": "lora", "lora_bias": "all"}, []),
        ({"lora_rank": [4, 8], "adapter": ["none", "lora"]}, {}, []),
    ],
)
def test_searched_fields_without_effect_are_found(searched: Fields, fixed: Fields, idle: list[str]) -> None:
    assert list(idle_fields(space(searched), TrainingConfig(**fixed))) == idle


def test_fields_without_effect_are_left_out_of_space_and_points() -> None:
    points = ({"learning_rate": 1e-4, "num_train_epochs": 1}, {"learning_rate": 1e-4, "num_train_epochs": 2})
    given = space({"learning_rate": [1e-4, 2e-4], "num_train_epochs": [1, 2]}, points=points)
    left = without_idle_fields(given, TrainingConfig(max_steps=30))
    assert (list(left.space), left.points, left.size) == (["learning_rate"], ({"learning_rate": 1e-4},), 2)
    assert without_idle_fields(given, TrainingConfig()) is given


@pytest.mark.parametrize(
    "searched",
    [
        {"eval_batch_size": [8, 16]},
        {"gradient_accumulation_steps": [1, 2]},
        {"logging_steps": [1, 2]},
        {"speedups": ["auto", "off"]},
        {"gradient_checkpointing": [True, False]},
        {"torch_compile": [True, False]},
        {"bf16": ["auto", True]},
    ],
)
def test_fields_that_never_have_an_effect_are_mistakes(searched: Fields) -> None:
    with pytest.raises(ConfigError, match=next(iter(searched))):
        check_fit(parse_job(b"", "job.yaml"), space(searched))
