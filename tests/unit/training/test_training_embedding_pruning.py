"""Pruned embeddings: a trial trains those of its tokens, and ends with the weights of one that trains them all."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from encoder_families import FAMILIES, encoder_of, masked_lm
from gluetune.config import TrainingConfig
from gluetune.data import EncodedTask
from gluetune.errors import StorageError
from gluetune.models import Encoder
from gluetune.tasks import get_task
from gluetune.training import DistributedContext
from gluetune.training.trainer import TrialTrainer
from training_setup import VOCABULARY, rows, run_trial, task_data, tiny_encoder

COLA, LARGE = get_task("cola"), 3 * VOCABULARY
TRAINING = TrainingConfig(
    learning_rate=1e-2,
    batch_size=8,
    num_train_epochs=3,
    weight_decay=0.3,
    hidden_dropout_prob=0.0,
    attention_probs_dropout_prob=0.0,
    classifier_dropout=0.0,
)


@pytest.fixture
def family(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Encoder:
    torch.manual_seed(0)
    settings = FAMILIES[request.param].to_dict() | {"vocab_size": LARGE}
    monkeypatch.setitem(FAMILIES, request.param, type(FAMILIES[request.param]).from_dict(settings))
    return encoder_of(masked_lm(request.param, tmp_path))


def trained(encoder: Encoder, data: EncodedTask, training: TrainingConfig, *, all_tokens: bool) -> TrialTrainer:
    training = training.model_copy(update={"speedups": "off" if all_tokens else "auto"})
    trainer = TrialTrainer(COLA, data, encoder, training, 1, DistributedContext())
    for batch in trainer.plan.batches():
        trainer.train_step(batch)
    return trainer


def weights(trainer: TrialTrainer) -> dict[str, torch.Tensor]:
    return trainer.pruner.merge(trainer.model.state_dict(), trainer.pruner.decay_factor)


def embedding_rows(trainer: TrialTrainer) -> int:
    return len(trainer.model.base_model.get_input_embeddings().weight)


@pytest.mark.parametrize("family", FAMILIES, indirect=True)
@pytest.mark.parametrize("head", ["default", "mlp"])
def test_weights_are_those_of_training_all_embeddings(family: Encoder, head: str) -> None:
    pad = family.config.get("pad_token_id") or 0
    data = task_data(COLA)
    data = replace(data, train=replace(data.train, pad_token_id=pad, token_types=False))
    training = TRAINING.model_copy(update={"head": head})
    some, everything = (trained(family, data, training, all_tokens=whole) for whole in (False, True))
    assert embedding_rows(some) < embedding_rows(everything) == LARGE
    found, expected = weights(some), weights(everything)
    assert list(found) == list(expected)
    for name, weight in expected.items():
        atol = 1e-2 if name.endswith(("key.bias", "k_lin.bias", "key_proj.bias")) else 1e-4  # see Trainer's equality
        torch.testing.assert_close(found[name], weight, atol=atol, rtol=0, msg=lambda m, name=name: f"{name}: {m}")  # type: ignore[misc]


def test_unused_tokens_decay_as_with_adamw() -> None:
    encoder, data = tiny_encoder(vocabulary=LARGE), task_data(COLA)
    some, everything = (trained(encoder, data, TRAINING, all_tokens=whole) for whole in (False, True))
    name = "bert.embeddings.word_embeddings.weight"
    torch.testing.assert_close(
        weights(some)[name][VOCABULARY:], weights(everything)[name][VOCABULARY:], atol=1e-7, rtol=1e-5
    )
    assert some.pruner.decay_factor < 0.98


def test_tokens_of_the_selection_rows_are_used_too() -> None:
    data = task_data(COLA)
    other = rows(COLA, 21, 2)
    data = replace(data, selection=replace(other, input_ids=other.input_ids + VOCABULARY))
    trainer = trained(tiny_encoder(vocabulary=LARGE), data, TRAINING, all_tokens=False)
    assert np.isfinite(trainer.evaluate().eval_loss)
    with pytest.raises(IndexError):  # not the embedding of another token
        trainer.model(input_ids=torch.tensor([[LARGE - 1]]))


def test_saved_weights_hold_the_whole_vocabulary_and_the_state_does_not(tmp_path: Path) -> None:
    _, checkpoints = run_trial(COLA, TRAINING, tmp_path, vocabulary=LARGE)
    best, state = checkpoints.load_best(), checkpoints.load()
    assert best is not None
    assert state is not None
    name = "bert.embeddings.word_embeddings.weight"
    assert len(best[name]) == LARGE
    assert len(state["model"][name]) <= VOCABULARY


def test_a_resumed_trial_ends_with_the_same_bits(tmp_path: Path) -> None:
    undisturbed, whole = run_trial(COLA, TRAINING, tmp_path / "a", vocabulary=LARGE)
    first, _ = run_trial(COLA, TRAINING, tmp_path / "b", vocabulary=LARGE, stop_after=1)
    rest, resumed = run_trial(COLA, TRAINING, tmp_path / "b", vocabulary=LARGE)
    assert [e.eval_loss for e in (*first[:1], *rest[1:])] == [e.eval_loss for e in undisturbed]
    expected, found = whole.load_best(), resumed.load_best()
    assert expected is not None
    assert found is not None
    assert all(torch.equal(found[name], weight) for name, weight in expected.items())


def test_a_trial_does_not_resume_with_other_tokens() -> None:
    encoder, data = tiny_encoder(vocabulary=LARGE), task_data(COLA)
    state = trained(encoder, data, TRAINING, all_tokens=False).state_dict()
    other = replace(data.train, input_ids=np.where(data.train.input_ids == 8, VOCABULARY, data.train.input_ids))
    trainer = TrialTrainer(
        COLA,
        replace(data, train=other),
        encoder,
        TRAINING,
        1,
        DistributedContext(),
        np.union1d(data.vocabulary[data.vocabulary != 8], VOCABULARY),
    )
    assert embedding_rows(trainer) == len(data.vocabulary)  # its weights would fit
    with pytest.raises(StorageError, match="other tokens occur in them now"):
        trainer.load_state_dict(state)


@pytest.mark.parametrize(("vocabulary", "frozen"), [(VOCABULARY, False), (LARGE, True)])
def test_a_mostly_used_or_frozen_embedding_is_not_replaced(vocabulary: int, frozen: bool) -> None:
    training = TRAINING.model_copy(update={"freeze_embeddings": frozen})
    trainer = trained(tiny_encoder(vocabulary=vocabulary), task_data(COLA), training, all_tokens=False)
    assert embedding_rows(trainer) == vocabulary
    assert weights(trainer)["bert.embeddings.word_embeddings.weight"].shape[0] == vocabulary
