"""A grid as Ray's documentation runs it: ``Tuner``, a function, and one ``TorchTrainer`` per trial.

The recipe is "Hyperparameter Tuning with Ray Tune" of Ray Train's user guides; the training function is that of "Get
Started with Distributed Training using Hugging Face Transformers", whose rows are padded to a fixed length (here 128).
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
import tempfile
from pathlib import Path
from typing import Any

import ray
import ray.train
import ray.tune
from ray.train import RunConfig, ScalingConfig
from ray.train.torch import TorchTrainer
from ray.tune.integration.ray_train import TuneReportCallback

from benchmarks.baselines.work import Work


def train_fn_per_worker(config: dict[str, Any]) -> None:
    """Train a trial's model in one worker."""
    from ray.train.huggingface.transformers import RayTrainReportCallback, prepare_trainer
    from transformers import Trainer

    from benchmarks.baselines.run_glue import StepClock, compute_metrics, load_model, load_rows, training_arguments

    work: Work = config["work"]
    tokenizer, train, selection = load_rows(work, padding=True)
    clock = StepClock()
    with tempfile.TemporaryDirectory() as folder:
        trainer = Trainer(
            model=load_model(work),
            args=training_arguments(work.points[config["point"]], folder, work.seed),
            train_dataset=train,
            eval_dataset=selection,
            compute_metrics=compute_metrics,
            processing_class=tokenizer,
            callbacks=[clock],
        )
        trainer.add_callback(RayTrainReportCallback())
        prepare_trainer(trainer).train()
    Path(config["times"], f"{config['point']}.json").write_text(json.dumps(clock.times()))


def train_driver_fn(config: dict[str, Any]) -> None:
    """Launch the training of one trial."""
    TorchTrainer(
        train_fn_per_worker,
        train_loop_config=config["train_loop_config"],
        scaling_config=ScalingConfig(**config["scaling"]),
        run_config=RunConfig(
            name=f"train-trial_id={ray.tune.get_context().get_trial_id()}",
            storage_path=config["storage"],
            callbacks=[TuneReportCallback()],  # type: ignore[list-item]  # two classes of Ray of that name
        ),
    ).fit()


def run_grid(work: Work, lanes: int, folder: Path) -> None:
    """Train every point once, ``lanes`` of them at a time; their times go to ``times/`` in the folder."""
    times = folder / "times"
    times.mkdir(parents=True)
    loop = {"work": work, "times": str(times), "point": ray.tune.grid_search(list(range(len(work.points))))}
    ray.tune.Tuner(
        ray.tune.with_resources(train_driver_fn, {"memory": 1}),  # else two of them take two CPUs, and none is left
        param_space={"train_loop_config": loop, "scaling": scaling(lanes), "storage": str(folder)},
        run_config=ray.tune.RunConfig(name="tune", storage_path=str(folder)),
        tune_config=ray.tune.TuneConfig(max_concurrent_trials=lanes),
    ).fit()


def scaling(lanes: int) -> dict[str, Any]:
    """One worker with an equal share of the cluster, as `gluetune.cluster.resolve_worker_resources` has it."""
    has = ray.cluster_resources()
    resources = {"CPU": max(1.0, has["CPU"] // lanes)}
    if has.get("GPU"):
        resources["GPU"] = min(1.0, int(100 * has["GPU"] / lanes) / 100)
    return {"num_workers": 1, "use_gpu": "GPU" in resources, "resources_per_worker": resources}


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--work", required=True, help="file of Work.save")
    parser.add_argument("--output-dir", required=True, help="new folder, on storage that every node shares")
    parser.add_argument("--lanes", type=int, required=True)
    parser.add_argument("--address", default="local", help="Ray cluster; default: a new one on this machine")
    options = parser.parse_args()
    if options.address == "local":
        os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))  # else Ray leaves a token file behind
    ray.init(options.address)
    run_grid(Work.load(options.work), options.lanes, Path(options.output_dir))
    found = [json.loads(file.read_text()) for file in Path(options.output_dir, "times").iterdir()]
    print(json.dumps({"trials": found}))
