"""Two workers train to the same numbers as one with the same global batch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gluetune.config import TrainingConfig
from gluetune.errors import DivergedError
from gluetune.events import Evaluation
from gluetune.tasks import TASKS
from gluetune.training import Checkpoints, DistributedContext, train_trial
from training_setup import VOCABULARY, numbers, own_task, run_trial, task_data, tiny_encoder
from two_workers import TwoWorkers

COMMON: dict[str, Any] = {"batch_size": 8, "learning_rate": 5e-3, "num_train_epochs": 2, "evals_per_epoch": 2}
CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "classification": ("mnli", {}),
    "regression": ("stsb", {}),
    "accumulation": ("cola", {"gradient_accumulation_steps": 3}),
    "few_tokens": ("cola", {"weight_decay": 0.3}),
    "weights and smoothing": (
        "mnli",
        {"class_weights": '{"neutral": 3}', "label_smoothing": 0.1, "gradient_accumulation_steps": 3},
    ),
    "focal loss, moving average": ("cola", {"loss": "focal", "class_weights": "balanced", "ema_decay": 0.9}),
    "label sets, last weights": ("own", {"class_weights": "balanced", "weight_average": 2, "sampler": "balanced"}),
    "head": ("mnli", {"head": "mlp", "head_hidden_size": 8, "pooling": "mean", "freeze_layers": 1}),
    "adapter": ("mnli", {"adapter": "lora", "lora_rank": 4, "lora_bias": "all"}),
}
VOCABULARIES = {"few_tokens": 3 * VOCABULARY}  # only what occurs of that is trained


def train(
    case: str, folder: Path, distributed: DistributedContext = DistributedContext()
) -> tuple[list[Evaluation], Checkpoints]:
    name, changes = CASES[case]
    return run_trial(
        own_task("multi_label") if name == "own" else TASKS[name],
        TrainingConfig(**COMMON, **changes),
        folder,
        distributed=distributed,
        vocabulary=VOCABULARIES.get(case, VOCABULARY),
    )


def all_cases(distributed: DistributedContext, folder: Path) -> dict[str, Any]:
    """What each case gives, a trial and the same one resumed, and the message of a trial that diverges."""
    results: dict[str, Any] = {}
    for case in CASES:
        evaluations, checkpoints = train(case, folder / case, distributed)
        results[case] = evaluations, checkpoints.load_best()
    noisy = TrainingConfig(**COMMON, hidden_dropout_prob=0.3)
    results["undisturbed"] = run_trial(TASKS["cola"], noisy, folder / "undisturbed", distributed=distributed)[0]
    run_trial(TASKS["cola"], noisy, folder / "resumed", distributed=distributed, stop_after=2)
    results["resumed"] = run_trial(TASKS["cola"], noisy, folder / "resumed", distributed=distributed)[0]
    try:
        train_trial(
            TASKS["cola"],
            task_data(TASKS["cola"]),
            tiny_encoder(),
            TrainingConfig(learning_rate=1e30),
            3,
            report=lambda evaluation: True,
            distributed=distributed,
        )
    except DivergedError as error:
        results["diverged"] = str(error)
    return results


@pytest.fixture(scope="module")
def ranks(two_workers: TwoWorkers, tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    return two_workers.run(all_cases, tmp_path_factory.mktemp("workers"))


@pytest.mark.parametrize("case", CASES)
def test_two_workers_equal_one(case: str, ranks: list[dict[str, Any]], tmp_path: Path) -> None:
    alone, checkpoints = train(case, tmp_path)
    together, best = ranks[0][case]
    for one, two in zip(alone, together, strict=True):
        assert two.metrics == pytest.approx(one.metrics, abs=1e-4)
        assert [two.eval_loss, two.train_loss] == pytest.approx([one.eval_loss, one.train_loss], abs=1e-4)
        assert (two.train_examples, two.train_tokens) == (one.train_examples, one.train_tokens)
    weights = checkpoints.load_best()
    assert weights is not None
    for key, tensor in weights.items():
        np.testing.assert_allclose(best[key].numpy(), tensor.numpy(), atol=1e-4, rtol=0, err_msg=key)


@pytest.mark.parametrize("case", CASES)
def test_all_workers_see_the_same_evaluations(case: str, ranks: list[dict[str, Any]]) -> None:
    assert [numbers(e) for e in ranks[0][case][0]] == [numbers(e) for e in ranks[1][case][0]]


def test_a_resumed_group_goes_on_to_the_same_numbers(ranks: list[dict[str, Any]]) -> None:
    for results in ranks:
        assert [numbers(e) for e in results["resumed"]] == [numbers(e) for e in results["undisturbed"]][1:]


def test_all_workers_see_that_a_trial_diverged(ranks: list[dict[str, Any]]) -> None:
    assert ranks[0]["diverged"] == ranks[1]["diverged"]
