"""Every family of encoders is trained on single texts and on pairs, with an adapter and without, saved and loaded."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoModelForSequenceClassification, BertTokenizer, PreTrainedTokenizerBase

from encoder_families import ALL_FAMILIES, batch, encoder_of, masked_lm
from gluetune.config import TrainingConfig
from gluetune.data import EncodedRows
from gluetune.events import Evaluation
from gluetune.models import Encoder, build_model, load_trained, save_pretrained
from gluetune.storage import Storage
from gluetune.tasks import TASKS, Task
from gluetune.training import Checkpoints, train_trial
from training_setup import rows, task_data

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"abcdefghijklmnopqrstuvwxyz"]
TARGETS = {
    "deberta-v2": {"query_proj", "value_proj"},
    "distilbert": {"q_lin", "v_lin"},
    "modernbert": {"Wqkv"},
    "mpnet": {"q", "v"},
}
TASK_OF = {"single": TASKS["cola"], "pair": TASKS["rte"]}
SEGMENTS = ("bert", "electra", "albert")  # families whose embeddings count texts


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> PreTrainedTokenizerBase:
    vocabulary = tmp_path_factory.mktemp("tokenizer") / "vocab.txt"
    vocabulary.write_text("\n".join(WORDS))
    return BertTokenizer(str(vocabulary))


@pytest.fixture(scope="module")
def encoders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Encoder]:
    torch.manual_seed(0)
    return {family: encoder_of(masked_lm(family, tmp_path_factory.mktemp(family))) for family in ALL_FAMILIES}


def family_rows(task: Task, family: str, count: int, seed: int) -> EncodedRows:
    found = rows(task, count, seed)
    boundaries = found.boundaries if len(task.columns) == 2 else found.lengths.astype(np.int32)
    return replace(
        found,
        input_ids=found.input_ids % 40 + 5,
        boundaries=boundaries,
        pad_token_id=ALL_FAMILIES[family].pad_token_id,
        token_types=family in SEGMENTS and len(task.columns) == 2,
    )


def train(
    task: Task, family: str, encoder: Encoder, training: TrainingConfig, folder: Path
) -> tuple[list[Evaluation], dict[str, torch.Tensor]]:
    data = replace(task_data(task), train=family_rows(task, family, 24, 1), selection=family_rows(task, family, 8, 2))
    checkpoints, evaluations = Checkpoints(Storage(str(folder)), "trial"), list[Evaluation]()
    train_trial(
        task,
        data,
        encoder,
        training,
        3,
        report=lambda evaluation: evaluations.append(evaluation) is None,
        checkpoints=checkpoints,
    )
    weights = checkpoints.load_best()
    assert weights is not None
    return evaluations, weights


def merged(
    encoder: Encoder, task: Task, training: TrainingConfig, weights: dict[str, torch.Tensor]
) -> AutoModelForSequenceClassification:
    """The model of the trial, with its best weights."""
    model: Any = build_model(encoder, task, training, seed=3).eval()
    assert model.load_state_dict(weights, strict=training.adapter == "none").unexpected_keys == []
    return model


@pytest.mark.parametrize("adapter", ["none", "lora"])
@pytest.mark.parametrize("texts", TASK_OF)
@pytest.mark.parametrize("family", ALL_FAMILIES)
def test_a_family(
    family: str,
    texts: str,
    adapter: str,
    encoders: dict[str, Encoder],
    tokenizer: PreTrainedTokenizerBase,
    tmp_path: Path,
) -> None:
    task, encoder = TASK_OF[texts], encoders[family]
    training = TrainingConfig(
        adapter=adapter,  # type: ignore[arg-type]
        lora_rank=2,
        learning_rate=1e-2,
        batch_size=8,
        num_train_epochs=1,
    )
    evaluations, weights = train(task, family, encoder, training, tmp_path)
    first = evaluations[0]
    assert first.trainable_parameters is not None
    assert first.total_parameters is not None
    adapted = {name.split(".lora_")[0].rpartition(".")[2] for name in weights if ".lora_" in name}
    if adapter == "lora":
        assert adapted == TARGETS.get(family, {"query", "value"})
        assert sum(weight.numel() for weight in weights.values()) == first.trainable_parameters
        assert first.trainable_parameters < first.total_parameters
        assert not [name for name in weights if "embeddings" in name or "intermediate" in name]
    else:
        assert adapted == set()
        assert first.trainable_parameters == first.total_parameters
    save_pretrained(encoder, task, weights, tokenizer, tmp_path / "saved", training)
    inputs = batch(ALL_FAMILIES[family].pad_token_id)
    expected = merged(encoder, task, training, weights)(**inputs).logits
    loaded, _ = load_trained(tmp_path / "saved")
    torch.testing.assert_close(loaded(**inputs).logits, expected, atol=1e-5, rtol=0)
