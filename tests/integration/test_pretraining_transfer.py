"""Pre-training learns both objectives, and fine-tuning gains by it."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from gluetune.config import DataConfig, ModelConfig, TrainingConfig
from gluetune.data import open_source, prepare_task
from gluetune.events import Evaluation, PretrainingEvaluation
from gluetune.models import load_encoder, load_tokenizer
from gluetune.pretraining import (
    Text,
    pretrain_folder,
    save_encoder,
    synthetic_encoder,
)
from gluetune.pretraining.encoder import build_encoder, named_weights
from gluetune.pretraining.tokenizer import TokenIds
from gluetune.synthetic import generate_corpus
from gluetune.tasks import get_task
from gluetune.training import train_trial

pytestmark = pytest.mark.slow

JOB = synthetic_encoder.JOB.model_copy(
    update={"training": synthetic_encoder.JOB.training.model_copy(update={"max_steps": 500, "evaluate_every": 500})}
)


@pytest.fixture(scope="module")
def text() -> Text:
    return Text(list(generate_corpus(documents=4000)), None, "generated text")


@pytest.fixture(scope="module")
def learnt(text: Text, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, PretrainingEvaluation]:
    """The synthetic encoder after a fifth of its pre-training, and its last evaluation."""
    folder = tmp_path_factory.mktemp("learnt")
    evaluations: list[PretrainingEvaluation] = []
    pretrain_folder(text, folder, JOB, evaluations.append)
    return folder, evaluations[-1]


@pytest.fixture(scope="module")
def untaught(learnt: tuple[Path, PretrainingEvaluation], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same encoder as it starts."""
    folder = tmp_path_factory.mktemp("untaught")
    tokenizer = load_tokenizer(ModelConfig(name_or_path=str(learnt[0])))
    save_encoder(folder, named_weights(build_encoder(JOB, TokenIds.from_tokenizer(tokenizer))), JOB, tokenizer)
    return folder


def test_both_objectives_are_learnt(learnt: tuple[Path, PretrainingEvaluation]) -> None:
    """On held-out text: chance is the logarithm of the number of answers."""
    folder, last = learnt
    vocabulary = load_encoder(ModelConfig(name_or_path=str(folder))).config["vocab_size"]
    assert last.masked_lm_loss < 0.55 * math.log(vocabulary)
    assert last.next_sentence_loss < 0.8 * math.log(2)
    assert last.next_sentence_accuracy > 0.7


def score(folder: Path) -> float:
    """Fine-tune on 1,000 rows of STS-B; the score of the last evaluation."""
    task, model = get_task("stsb"), ModelConfig(name_or_path=str(folder))
    config = DataConfig(max_train_samples=1000, max_eval_samples=400, selection="dev", max_seq_length=64)
    data = prepare_task(task, open_source(config), load_tokenizer(model), config, 0)
    training = TrainingConfig(learning_rate=3e-4, num_train_epochs=2, batch_size=16)
    found: list[float] = []

    def report(evaluation: Evaluation) -> bool:
        found.append(evaluation.score)
        return True

    train_trial(task, data, load_encoder(model), training, 0, report=report)
    return found[-1]


def test_fine_tuning_gains_by_pretraining(untaught: Path, learnt: tuple[Path, PretrainingEvaluation]) -> None:
    assert score(learnt[0]) > score(untaught) + 0.4
