"""Errors and warnings of a search before its first trial, and its plan."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from transformers import RobertaConfig, RobertaModel

from gluetune.config import DataConfig, JobConfig, ModelConfig, TrainingConfig
from gluetune.config.space import Choice, Int, SearchSpace
from gluetune.errors import ModelError
from gluetune.search.prepare import make_plan, prepare_inputs
from gluetune.search.searchers import TrialSampler
from gluetune.storage import Storage
from tiny_classifiers import LETTERS, write_encoder


@pytest.fixture
def encoder(tmp_path: Path) -> ModelConfig:
    """A BERT of two layers."""
    return ModelConfig(name_or_path=str(write_encoder(tmp_path, num_hidden_layers=2, max_position_embeddings=16)))


@pytest.mark.parametrize(
    ("space", "message"),
    [
        ({"head": Choice(values=("linear", "default")), "pooling": Choice(values=("cls", "mean"))}, r"pooling='mean'"),
        ({"freeze_layers": Int(low=0, high=3)}, r"freeze_layers=3, layers=2"),
    ],
    ids=str,
)
def test_a_trial_that_cannot_be_built_is_an_error_before_the_search(
    space: dict[str, Choice | Int], message: str, encoder: ModelConfig
) -> None:
    with pytest.raises(ModelError, match=message):
        prepare_inputs(JobConfig(model=encoder, training=TrainingConfig()), SearchSpace(name="s", space=space))  # type: ignore[arg-type]


def test_the_plan_counts_configurations_that_train_differently(encoder: ModelConfig, tmp_path: Path) -> None:
    """A next-sentence head on the first token is BERT's own head, and 100 rows are one batch of 100 or 200."""
    space = SearchSpace(
        name="s",
        space={
            "head": Choice(values=("default", "nsp")),
            "batch_size": Choice(values=(100, 200)),
            "learning_rate": Choice(values=(1e-4, 1e-3)),
        },
    )
    job = JobConfig(
        model=encoder,
        tasks={"cola": 1.0},
        data=DataConfig(max_train_samples=100),
        training=TrainingConfig(max_steps=9, num_train_epochs=2, warmup_ratio=0.2),
    )
    prepared = prepare_inputs(job, space)
    sampler = TrialSampler(job.weights, space, "grid", job.training, job.seed, 1, prepared.facts)
    plan = make_plan("one", job, space, prepared, sampler, Storage(str(tmp_path)), "", "")
    (task,) = plan.tasks
    assert plan.fixed == {"max_steps": 9, "warmup_ratio": 0.2}
    assert (task.planned, task.configurations) == (1, 2)


@pytest.mark.parametrize(("families", "remarked"), [(("roberta",), True), (("roberta", "bert"), False), ((), False)])
def test_a_space_of_another_model_type_gets_a_warning(
    families: tuple[str, ...], remarked: bool, encoder: ModelConfig, logged: Callable[[], list[str]]
) -> None:
    space = SearchSpace(name="other", model_types=families, space={"learning_rate": Choice(values=(1e-4, 1e-3))})
    prepare_inputs(JobConfig(model=encoder, tasks={"cola": 1.0}), space)
    assert [all(name in line for name in ("'other'", "roberta", "bert_recommended")) for line in logged()] == (
        [True] if remarked else []
    )


def test_a_tokenizer_that_does_not_fit_is_an_error_before_the_search(encoder: ModelConfig) -> None:
    """RoBERTa has no embedding for the segment id that BERT's tokenizer gives second texts, so no trial could run."""
    RobertaModel(
        RobertaConfig(
            vocab_size=len(LETTERS),
            hidden_size=8,
            num_hidden_layers=1,
            num_attention_heads=1,
            pad_token_id=0,
            intermediate_size=8,
            max_position_embeddings=16,
            type_vocab_size=1,
        ),
    ).save_pretrained(encoder.name)
    with pytest.raises(ModelError, match=rf"type_vocab_size.*{encoder.name_or_path}.*tokenizer that the encoder was"):
        prepare_inputs(JobConfig(model=encoder, tasks={"cola": 1.0, "rte": 1.0}), SearchSpace(name="s", space={}))


def test_rows_are_tokenized_once_for_encoders_with_the_same_tokenizer(tmp_path: Path) -> None:
    short, deep, other = (
        str(write_encoder(tmp_path / name, words, num_hidden_layers=layers, max_position_embeddings=32))
        for name, words, layers in (("short", LETTERS, 1), ("deep", LETTERS, 2), ("other", LETTERS[:-4], 1))
    )
    space = SearchSpace.model_validate({"space": {"model": [short, deep, other], "learning_rate": [1e-4]}})
    prepared = prepare_inputs(JobConfig(tasks={"cola": 1.0}, data=DataConfig(max_train_samples=50)), space)
    rows = {name: each.data["cola"] for name, each in prepared.encoders.items()}
    assert rows[short] is rows[deep]
    assert rows[other] is not rows[short]
    inputs = prepared.inputs
    assert inputs.encoder == ""
    assert len(set(inputs.encoders.values())) == 3
    write_encoder(Path(other), LETTERS[:-6], max_position_embeddings=32)
    again = prepare_inputs(JobConfig(tasks={"cola": 1.0}, data=DataConfig(max_train_samples=50)), space).inputs
    changes = inputs.changes(again)
    assert [line for line in changes if line.startswith("the encoder")] == [
        f"the encoder {other}: other weights or settings"
    ]
    assert any("cola, train" in line and "tokens" in line for line in changes)
