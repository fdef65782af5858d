"""``torch_compile``: the same numbers, compiled once for all of a lane's trials."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from torch._dynamo.utils import counters

from gluetune.config import TrainingConfig
from gluetune.tasks import TASKS
from training_setup import run_trial


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="torch compiles for CPUs with a C++ compiler, such as g++")
def test_compiled_trials_give_the_numbers_of_others_and_compile_once(tmp_path: Path) -> None:
    compiled = []
    for rate in (5e-3, 1e-3):
        training = TrainingConfig(learning_rate=rate, batch_size=8, num_train_epochs=2, evals_per_epoch=2)
        plain, _ = run_trial(TASKS["cola"], training, tmp_path / f"plain-{rate}")
        evaluations, _ = run_trial(
            TASKS["cola"], training.model_copy(update={"torch_compile": True}), tmp_path / f"{rate}"
        )
        compiled.append(counters["stats"]["unique_graphs"])
        for figure in ("train_loss", "eval_loss"):
            np.testing.assert_allclose(
                [getattr(evaluation, figure) for evaluation in evaluations],
                [getattr(evaluation, figure) for evaluation in plain],
                atol=1e-5,
                rtol=0,
            )
    assert compiled[0] == compiled[1] > 0
