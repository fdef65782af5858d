"""Tuner + OptunaSearch + MLflowLoggerCallback, as Ray's documentation puts them together, with trials that do nothing.

As a program: number of trials, trials at a time, folder. Prints, as JSON, when the trials ended.
"""

from __future__ import annotations

import json
import math
import os
import secrets
import sys
from pathlib import Path
from typing import Any

import ray
from optuna.samplers import TPESampler
from ray import tune
from ray.air.integrations.mlflow import MLflowLoggerCallback
from ray.tune.search.optuna import OptunaSearch

from benchmarks.programs import TrialEndRecorder

EVALUATIONS = 2


def trainable(config: dict[str, Any]) -> None:
    """Report two evaluations of a trial that trains nothing."""
    for epoch in range(1, EVALUATIONS + 1):
        score = math.exp(-abs(math.log10(config["learning_rate"]) + 4) - config["warmup_ratio"])
        tune.report({"score": score, "eval_loss": 1 - score, "train_loss": 1 - score, "epoch": epoch})


class EndCallback(tune.Callback):
    """Records when trials end; Ray Tune calls it after the MLflow callback."""

    def __init__(self, ends: TrialEndRecorder) -> None:
        self._ends = ends

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """Record the end of a trial."""
        self._ends.record()


def main(count: int, concurrent: int, folder: Path) -> None:
    """Run the search."""
    folder.mkdir(parents=True, exist_ok=True)
    ends = TrialEndRecorder()
    os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))  # else Ray leaves a token file behind
    ray.init("local", log_to_driver=False)
    space = {
        "learning_rate": tune.loguniform(1e-6, 1e-3),
        "batch_size": tune.choice([8, 16, 32, 64, 128]),
        "weight_decay": tune.loguniform(1e-6, 0.3),
        "warmup_ratio": tune.uniform(0.0, 0.3),
    }
    sampler = TPESampler(seed=1, n_startup_trials=10, multivariate=True, constant_liar=True)
    mlflow = MLflowLoggerCallback(tracking_uri=f"sqlite:///{folder}/mlflow.db", experiment_name="benchmark")
    tune.Tuner(
        tune.with_resources(trainable, {"CPU": 0.01}),
        param_space=space,
        tune_config=tune.TuneConfig(
            search_alg=OptunaSearch(sampler=sampler),
            metric="score",
            mode="max",
            num_samples=count,
            max_concurrent_trials=concurrent,
            reuse_actors=True,
            scheduler=tune.schedulers.ASHAScheduler(max_t=EVALUATIONS),
        ),
        run_config=tune.RunConfig(
            name="search", storage_path=str(folder), verbose=0, callbacks=[mlflow, EndCallback(ends)]
        ),
    ).fit()
    ray.shutdown()
    print(
        json.dumps({"started": ends.ended[0], "ended": ends.ended, "recorded": ends.ended[-1], "cpu_s": ends.cpu_s}),
        flush=True,
    )


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]))
