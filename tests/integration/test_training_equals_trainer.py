"""The loop gives the same numbers as ``transformers.Trainer`` on the same weights and batches."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader
from transformers import Trainer, TrainingArguments

from gluetune.config import TrainingConfig
from gluetune.models import build_model
from gluetune.tasks import TASKS, Task
from gluetune.training.plan import StepPlan
from gluetune.training.speedups import padding_free
from training_setup import VOCABULARY, run_trial, task_data, tiny_encoder

SEED = 3
MANY_TOKENS = 3 * VOCABULARY  # so many more than occur that those that do not are not trained
EMBEDDINGS = "bert.embeddings.word_embeddings.weight"
EPOCHS, PER_EPOCH = 4, 9  # 65 rows in batches of 8


def trainers_run(
    task: Task,
    training: TrainingConfig,
    folder: Path,
    vocabulary: int,
) -> tuple[list[float], dict[str, torch.Tensor]]:
    """Losses by step of ``transformers.Trainer`` on our batches, and its weights before the last step."""
    train = task_data(task).train
    plan = StepPlan.make(train.lengths, training, SEED)
    batches = [train.collate(batch) for batch in plan.batches()]
    if not task.regression:  # its loss takes no int32 classes
        batches = [batch | {"labels": batch["labels"].long()} for batch in batches]
    losses: list[float] = []
    weights: dict[str, torch.Tensor] = {}

    class OurBatches(Trainer):
        def get_train_dataloader(self) -> DataLoader[Any]:
            return DataLoader(batches, batch_size=1, shuffle=False, collate_fn=lambda items: items[0])  # type: ignore[arg-type]

        def compute_loss(self, *args: Any, **kwargs: Any) -> Any:
            weights.update({key: tensor.clone() for key, tensor in model.state_dict().items()})
            loss = super().compute_loss(*args, **kwargs)
            losses.append(loss.item())
            return loss

    model = build_model(tiny_encoder(vocabulary=vocabulary), task, training, SEED)
    arguments = TrainingArguments(
        output_dir=str(folder),
        max_steps=plan.total,
        learning_rate=training.learning_rate,
        lr_scheduler_type=training.lr_scheduler_type,
        warmup_steps=training.warmup_steps or 0,
        weight_decay=training.weight_decay,
        adam_beta1=training.adam_beta1,
        adam_beta2=training.adam_beta2,
        adam_epsilon=training.adam_epsilon,
        max_grad_norm=training.max_grad_norm,
        use_cpu=True,
        report_to=[],
        save_strategy="no",
        disable_tqdm=True,
        logging_strategy="no",
    )
    OurBatches(model, arguments, train_dataset=batches).train()
    return losses, weights


@pytest.mark.parametrize(
    ("name", "vocabulary", "narrow", "changes"),
    [
        pytest.param("cola", VOCABULARY, 0, {}, marks=pytest.mark.internals),
        ("cola", MANY_TOKENS, 0, {"speedups": "off"}),
        pytest.param("stsb", MANY_TOKENS, padding_free.MIN_HIDDEN_SIZE, {}, marks=pytest.mark.internals),
        ("mnli", MANY_TOKENS, 0, {"lr_scheduler_type": "cosine", "weight_decay": 0.3, "max_grad_norm": 0.1}),
    ],
)
def test_losses_and_weights_equal_trainers(
    name: str, vocabulary: int, narrow: int, changes: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(padding_free, "MIN_HIDDEN_SIZE", narrow)  # 0: padding is left out, as it is of larger encoders
    training = TrainingConfig(
        **{
            "learning_rate": 5e-3,
            "batch_size": 8,
            "num_train_epochs": EPOCHS,
            "warmup_steps": 6,
            "weight_decay": 0.1,
            "max_grad_norm": 1.0,
            "evals_per_epoch": PER_EPOCH,
            **changes,
        }
    )
    evaluations, checkpoints = run_trial(TASKS[name], training, tmp_path / "own", seed=SEED, vocabulary=vocabulary)
    losses, weights = trainers_run(TASKS[name], training, tmp_path / "trainers", vocabulary)
    assert len(losses) == EPOCHS * PER_EPOCH
    np.testing.assert_allclose([evaluation.train_loss for evaluation in evaluations], losses, atol=1e-5, rtol=0)
    assert losses[-1] < 0.9 * losses[0]  # it is training that is compared
    state = checkpoints.load()  # of the last evaluation but one, and so of the last step but one
    assert state is not None
    assert state["step"] == len(losses) - 1
    if vocabulary == MANY_TOKENS and training.speedups == "auto":
        initial = torch.from_numpy(tiny_encoder(vocabulary=vocabulary).weights[EMBEDDINGS])
        used, decay = task_data(TASKS[name]).vocabulary, state["pruned_embedding"]["decay_factor"]
        assert len(state["model"][EMBEDDINGS]) == len(used) < VOCABULARY
        state["model"][EMBEDDINGS] = (initial * decay).index_copy(0, torch.from_numpy(used), state["model"][EMBEDDINGS])
    for key, tensor in weights.items():
        # A key's bias adds the same to all of a query's scores: no softmax sees it, and Adam blows up what of its
        # gradient is left by rounding.
        atol = 1e-3 if key.endswith("key.bias") else 1e-5
        torch.testing.assert_close(state["model"][key], tensor, atol=atol, rtol=0, msg=lambda m, key=key: f"{key}: {m}")  # type: ignore[misc]
