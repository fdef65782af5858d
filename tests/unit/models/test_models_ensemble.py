"""Ensembles: several trained models saved as one whose logits are their mean."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModelForSequenceClassification, BertTokenizer, PreTrainedModel

from gluetune.config import ModelConfig, TrainingConfig
from gluetune.errors import ModelError
from gluetune.models import build_model, load_encoder, load_trained, save_ensemble
from gluetune.tasks import Task
from training_setup import VOCABULARY, own_task, rows, tiny_encoder

CONFIGURATIONS = {
    "own head": TrainingConfig(),
    "mlp head": TrainingConfig(head="mlp", pooling="mean", head_hidden_size=8),
    "nsp head": TrainingConfig(head="nsp", pooling="max"),
}


def tokenizer(folder: Path) -> BertTokenizer:
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    file = folder / "vocab.txt"
    file.write_text("\n".join([*special, *(f"w{number}" for number in range(VOCABULARY - len(special)))]))
    return BertTokenizer(str(file))


def saved(task: Task, training: TrainingConfig, folder: Path) -> list[PreTrainedModel]:
    """Save an ensemble of three models with different heads, and return these."""
    models = [build_model(tiny_encoder(), task, training, seed).eval() for seed in range(3)]
    states = [model.state_dict() for model in models]
    save_ensemble(tiny_encoder(), task, states, tokenizer(folder), folder / "saved", training)
    return models


def logits(model: PreTrainedModel, task: Task) -> torch.Tensor:
    batch = rows(task, 9, 4).collate(np.arange(9))
    batch.pop("labels")
    with torch.inference_mode():
        found: torch.Tensor = model(**batch).logits
    return found


@pytest.mark.parametrize("problem", ["single_label", "regression"])
@pytest.mark.parametrize("training", CONFIGURATIONS.values(), ids=CONFIGURATIONS)
def test_a_saved_ensemble_has_the_mean_logits_of_its_models(
    training: TrainingConfig, problem: str, tmp_path: Path
) -> None:
    task = own_task(problem)  # type: ignore[arg-type]
    models = saved(task, training, tmp_path)
    mean = torch.stack([logits(model, task) for model in models]).mean(dim=0)
    loaded, _ = load_trained(tmp_path / "saved")
    assert torch.allclose(logits(loaded, task), mean, atol=1e-6)
    automatic = AutoModelForSequenceClassification.from_pretrained(tmp_path / "saved").eval()
    assert torch.equal(logits(automatic, task), logits(loaded, task))
    assert (tmp_path / "saved" / "heads.py").exists(), "for programs that load it without gluetune"


def test_the_members_differ(tmp_path: Path) -> None:
    task = own_task("single_label")
    first, second, _ = (logits(model, task) for model in saved(task, TrainingConfig(), tmp_path))
    assert not torch.allclose(first, second)


def test_an_ensemble_is_refused_as_an_encoder(tmp_path: Path) -> None:
    saved(own_task("single_label"), TrainingConfig(), tmp_path)
    with pytest.raises(ModelError, match="ensemble of 3"):
        load_encoder(ModelConfig(name_or_path=str(tmp_path / "saved")))
